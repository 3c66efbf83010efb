"""The exceptions of this project. Work that fails is a :class:`~graphs.values.Verdict`; misuse and ends are exceptions.

::

    AgentError                  anything this program raises on purpose; its text is one sentence for the user
    ├── UserError               the user can mend it: exit 2
    │   ├── SpecError           the spec cannot be read
    │   ├── PlanError           a plan breaks a rule; ``problems`` names each
    │   ├── ConfigError         unknown key, bad value
    │   └── PrerequisiteError   something is missing on this machine (sandbox, model, git)
    ├── LimitReached            a ceiling (money, tokens, calls, seconds) was met: exit 3
    ├── ModelError              the endpoint did not give a usable answer within the retry budget: exit 1
    │   └── ModelRefused        401, quota exhausted, unknown model: asking again cannot help: exit 2
    │       └── EndpointUnreachable  nothing answers at the address of the endpoint
    ├── AnswerError             the model's answer has not the wanted shape; ``problems`` are told to the model
    ├── NotJudged               this machine kept the tests from being run, however often that was tried: exit 1
    ├── JournalError            the journal cannot be written or read (disk full, read-only, locked): exit 2
    └── PathRefused             a file name from a model is not acceptable; nothing was written
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from graphs.values import Usage


class AgentError(Exception):
    """Base of every error raised on purpose; ``str(error)`` is one sentence fit for the user."""


class UserError(AgentError):
    """The user can mend it. The command line prints the sentence and exits 2."""


class SpecError(UserError):
    """The spec is missing, empty, not text, too large, or its front matter is wrong."""


class ConfigError(UserError):
    """A flag, environment variable or configuration key is unknown or has a bad value."""


class PrerequisiteError(UserError):
    """Something this machine lacks; the sentence says how to get it."""


class _WithProblems(Exception):
    problems: tuple[str, ...]

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


class PlanError(_WithProblems, UserError):
    """A plan breaks rules. ``problems`` holds one sentence per broken rule, each naming what it is about."""


class AnswerError(_WithProblems, AgentError):
    """A model's answer has not the wanted shape. ``problems`` are written to be sent back to the model."""


class NotJudged(AgentError):
    """There is no verdict, because of the machine and not of the code; a resumed run tries again."""


class PathRefused(_WithProblems, AgentError):
    """File names from a model were refused. ``problems`` holds one sentence per name; nothing was written."""


class LimitReached(AgentError):
    """A hard ceiling was met. ``limit`` names it: ``usd``, ``tokens``, ``calls`` or ``seconds``."""

    def __init__(self, limit: str, message: str) -> None:
        self.limit = limit
        super().__init__(message)


class ModelError(AgentError):
    """The model endpoint gave no usable answer within the retry budget.

    ``fault`` names what went wrong (``cut stream``), ``tries`` counts the requests made, and ``usage`` is what they
    cost, so that a question without an answer still counts against the ceilings of the run.
    """

    def __init__(self, message: str, *, fault: str = "", tries: int = 0, usage: Usage | None = None) -> None:
        self.fault = fault
        self.tries = tries
        self.usage = usage
        super().__init__(message)


class ModelRefused(ModelError):
    """The endpoint refused for a reason that asking again cannot mend: wrong key, exhausted quota, unknown model."""


class EndpointUnreachable(ModelRefused):
    """Nothing answers at the endpoint's address; the sentence names host and port and what to check."""


class JournalError(AgentError):
    """The journal cannot be opened, locked, read or written; the run stops and stays resumable."""
