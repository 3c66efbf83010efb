"""Python source → syntax tree, safely from several threads at once.

Up to Python 3.11.7 the interpreter counts the depth of all trees that are being made in one place (cpython issue 106905).
When the garbage collector runs Python code in the middle of one, another thread may begin its own, and either ends in
``SystemError: AST constructor recursion depth mismatch``. So there is one lock, and all of this program parses here.
"""

from __future__ import annotations

import ast
import threading
from typing import Any

_one_at_a_time = threading.Lock()


def parse(source: str) -> ast.Module:
    """``ast.parse``, with its errors."""
    with _one_at_a_time:
        return ast.parse(source)


def literal(source: str | ast.AST) -> Any:
    """``ast.literal_eval``, with its errors."""
    with _one_at_a_time:
        return ast.literal_eval(source)
