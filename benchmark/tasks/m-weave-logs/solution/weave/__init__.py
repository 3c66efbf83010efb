"""Merges log files by time."""
