"""Lots, reservations and a file."""
