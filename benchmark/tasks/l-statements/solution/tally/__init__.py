"""Bank statements, rules and reports."""

from tally.book import Book
from tally.errors import RulesError, StatementError
from tally.rules import Rules
from tally.statements import Transaction, read_statement

__all__ = ["Book", "Rules", "RulesError", "StatementError", "Transaction", "read_statement"]
