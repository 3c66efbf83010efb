"""Exemplars of right-sized plans: format and retrieval."""
