"""Measurements of this program: see ``benchmark/perf``."""
