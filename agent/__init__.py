"""The hands of the step graph: command line, models, strategies, sandbox, checks, store, workspace."""

__version__ = "0.1.0"
