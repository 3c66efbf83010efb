"""Tools are lent over HTTP."""
