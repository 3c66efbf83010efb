"""``manual:DIR``: each prompt becomes a file, and the run waits for the answer file beside it.

So a person with any chat window, or another program, can be the model.
"""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
import time
from pathlib import Path

from agent.models.base import Answer, Ask
from graphs.errors import ModelError, PrerequisiteError
from graphs.values import Usage

POLL_SECONDS = 0.2
PROMPT_END = ".prompt.md"
ANSWER_END = ".answer.md"

_NUMBER = re.compile(r"(\d{4,})-")
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")

README = f"""\
Each file NNNN-...{PROMPT_END} in this folder is a question to a model; the run waits for its answer.

1. Open the prompt file and paste all of it into a chat window (or give it to a program).
2. Save the whole answer, unedited, as UTF-8 text in the file of the same name that ends in {ANSWER_END}
   instead of {PROMPT_END}.

Several prompts may wait at once; answer them in any order. An empty answer file counts as not yet answered.
A program should write to another name first and rename, so that half an answer is never read.
Stop the run when you like: after `agent resume` it finds its prompts and your answers here again.
"""


class Manual:
    """A model that is a person or another program. Answers cost nothing and may take as long as they like."""

    def __init__(self, directory: Path) -> None:
        self.name = f"manual:{directory}"
        self.forms: frozenset[str] = frozenset()
        self.directory = directory

    async def ask(self, ask: Ask) -> Answer:
        """Write the prompt file, unless the same ask has one already, and wait for its answer file."""
        started = time.monotonic()
        async with ask.gate.lease(ask) as lease:
            prompt = self._prompt_file(ask)
            answer = prompt.with_name(prompt.name.removesuffix(PROMPT_END) + ANSWER_END)
            text = await _complete(answer)
            lease.spent = Usage(calls=1, usd=0.0)
        return Answer(text, lease.spent, "manual", time.monotonic() - started)

    def price(self, usage: Usage) -> float | None:
        """A person at the other end is not billed here."""
        return 0.0

    async def close(self) -> None:
        """Nothing to let go of; unanswered prompts stay for the next run."""

    def _prompt_file(self, ask: Ask) -> Path:
        """The file that holds this ask. The same text for the same step, component and attempt is the same ask."""
        text = as_text(ask)
        subject = "-".join((_plain(ask.component or "run"), _plain(ask.step), str(ask.attempt)))
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            readme = self.directory / "README.txt"
            if not readme.exists():
                _publish(readme, README)
            highest = 0
            for path in sorted(self.directory.glob(f"*{PROMPT_END}")):
                numbered = _NUMBER.match(path.name)
                if numbered is None:
                    continue
                highest = max(highest, int(numbered[1]))
                if path.name[numbered.end() :] == subject + PROMPT_END and path.read_bytes() == text.encode():
                    return path
            path = self.directory / f"{highest + 1:04d}-{subject}{PROMPT_END}"
            _publish(path, text)
        except OSError as error:
            raise PrerequisiteError(
                f"cannot write a prompt into {str(self.directory)!r}: {error.strerror or error}; "
                "name a writable directory after 'manual:'"
            ) from error
        return path


def as_text(ask: Ask) -> str:
    """The conversation as one Markdown text to paste: system messages first, each message under its own rule."""
    ordered = [m for m in ask.messages if m.role == "system"] + [m for m in ask.messages if m.role != "system"]
    parts = [f"======== {message.role} ========\n\n{message.content.strip()}\n" for message in ordered]
    if ask.extra:
        wanted = "\n".join(f"{name}: {value}" for name, value in sorted(ask.extra.items()))
        parts.append(f"======== form of the answer ========\n\n{wanted}\n")
    # A lone surrogate cannot be written as UTF-8; it can only come from broken text a model or program printed.
    return "\n".join(parts).encode("utf-8", "replace").decode()


async def _complete(path: Path) -> str:
    """The text of an answer file, once it holds some and has not changed between two looks."""
    seen: tuple[int, int] | None = None
    while True:
        now = _state(path)
        if now is not None and now == seen and (text := _text(path)).strip():
            return text
        seen = now
        await asyncio.sleep(POLL_SECONDS)


def _state(path: Path) -> tuple[int, int] | None:
    """Size and time of change; ``None`` while there is nothing."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ModelError(f"cannot read the answer file {str(path)!r}: {error.strerror or error}") from error
    return (stat.st_size, stat.st_mtime_ns) if stat.st_size else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ModelError(
            f"the answer file {str(path)!r} is not UTF-8 text: save it as UTF-8 and resume the run", fault="not text"
        ) from error
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise ModelError(f"cannot read the answer file {str(path)!r}: {error.strerror or error}") from error


def _plain(text: str) -> str:
    return _UNSAFE.sub("_", text)[:60] or "_"


def _publish(path: Path, text: str) -> None:
    """Write a file so that no one ever sees half of it."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
