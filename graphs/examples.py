"""Text ↔ :class:`~graphs.values.Example`. Pure; the one place that knows how doctests and shell sessions are written.

A doctest is what Python's ``doctest`` reads. A shell session is ``$ `` and a command line, then what it prints:

>>> example = parse_shell("$ wc -l < missing\\n# exit 2\\n$ echo hi\\nhi\\n", "E1", 1)
>>> [(step.run, step.expect, step.exit) for step in example.steps]
[('wc -l < missing', '', 2), ('echo hi', 'hi\\n', 0)]
>>> print(render(example), end="")
$ wc -l < missing
# exit 2
$ echo hi
hi

- A command goes on over the next lines after a trailing backslash, inside quotes, in a here-document, and over lines
  that start with ``> `` while it is plainly unfinished (``|``, ``&&``, ``do``, …).
- The exit status is 0 unless the output ends with ``# exit 2`` or ``[exit 2]``, the command ends with ``# exit 2``, or
  the next step is ``echo $?``, whose printed number it then is.
- A here-document whose delimiter is ``'STDIN'`` (or ``'STDIN_'``, ``'STDIN__'``… where the text holds that line), at the end
  of one plain command, is the step's standard input.
- ``<BLANKLINE>`` stands for an empty line, as in doctests; other empty lines at the end of an output are only layout.
- ``expect`` is empty or ends with a newline.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING

from graphs.values import Example, Step

if TYPE_CHECKING:
    from doctest import Example as DocExample

_BLANK = "<BLANKLINE>"
_TRACEBACK = "Traceback (most recent call last):"
_RAISED = re.compile(r"^(?P<name>[^\W\d][\w.]*)(?:: (?P<message>.*)|:?)\Z", re.MULTILINE | re.DOTALL)
_PYTHON_PROMPT = re.compile(r"^(?P<margin>[ \t]*)>>>(?: |$)", re.MULTILINE)
_SHELL_PROMPT = re.compile(r"^(?P<margin>[ \t]*)\$ +\S", re.MULTILINE)
_STATUS = r"exit(?:\s+(?:status|code))?[\s:=]+(?P<status>\d{1,3})\s*"
_STATUS_COMMENT = re.compile(rf"^#\s*{_STATUS}$", re.IGNORECASE)
_STATUS_LINE = re.compile(rf"^[#\[]\s*{_STATUS}\]?\s*$", re.IGNORECASE)
_TOKEN = re.compile(
    r"""(?P<here><<(?P<dash>-?)[ \t]*(['"\\]?)(?P<delimiter>[A-Za-z_][\w.]*)['"]?)
    |   (?P<comment>\#[^\n]*)
    |   (?P<newline>\n)
    |   (?P<word>(?: \\(?s:.) | '[^']*' | "(?:[^"\\]|\\(?s:.))*"          # quoted: one piece of a word
                   | \$\(\([^\n]*?\)\) | <<< | <(?!<) | <<(?![-\s'"\\A-Za-z_])  # arithmetic holds << that open nothing
                   | [^\s'"\\;|&()<\#] | (?<=[^\s;|&()])\# )+)
    |   (?P<operator>[;|&()])
    |   (?P<quote>['"])
    |   (?P<backslash>\\)
    |   .""",
    re.VERBOSE | re.DOTALL,
)
_STDIN = re.compile(r"[ \t]*<<'(?P<word>STDIN_*)'$")
_PROMPT_LINE = re.compile(r"\$(?: +\S| *$)")
_ONE_PROGRAM = re.compile(
    r"""(?> \\. | '[^'\n]*' | "(?:[^"\\\n]|\\.)*" | &>>? | >& | [^'"\\;|&()<`#\n] | (?<=\S)\# )++""", re.VERBOSE
)
_ASKS_STATUS = re.compile(r'^echo\s+"?\$\?"?\s*$')
_GOES_ON = frozenset({"|", "do", "then", "else", "elif", "in", "{", "("})
_PAIRS = {"do": "done", "if": "fi", "case": "esac", "{": "}", "(": ")"}
# A tab is not expanded inside expected output, as doctest's parser would: a program that prints one would never match.
_TAB_STAND_IN = "\0"


def parse_block(text: str, example_id: str, line: int) -> Example | None:
    """Read a block of text as whichever it is: the first prompt in it decides. ``None`` when it holds no prompt.

    Raises ``ValueError`` (one sentence) when it has prompts and cannot be read.
    """
    python, shell = _PYTHON_PROMPT.search(text), _SHELL_PROMPT.search(text)
    if python and (shell is None or python.start() < shell.start()):
        return parse_doctest(text, example_id, line)
    return parse_shell(text, example_id, line)


def parse_doctest(text: str, example_id: str, line: int) -> Example | None:
    """Read a doctest; ``None`` when there is no statement in it.

    ``# doctest:`` directives stay in ``Step.run``. An exception whose text is ``...``, or which is written with
    ``IGNORE_EXCEPTION_DETAIL``, may have any message. Raises ``ValueError`` (one sentence) when it cannot be read.
    """
    from doctest import DocTestParser  # pulls in the debugger and unittest: 30 ms that few commands need

    text = _at_margin(text, _PYTHON_PROMPT).replace("\t", _TAB_STAND_IN)
    found = DocTestParser().get_examples(text, example_id)
    return Example(example_id, "python", tuple(map(_python_step, found)), line) if found else None


def _python_step(found: DocExample) -> Step:
    from doctest import IGNORE_EXCEPTION_DETAIL

    source = found.source.replace(_TAB_STAND_IN, "\t").rstrip("\n")
    want = re.sub(rf"^{_BLANK}$", "", found.want.replace(_TAB_STAND_IN, "\t"), flags=re.MULTILINE)
    start = re.search(rf"^{re.escape(_TRACEBACK)}[ \t]*\n", want, re.MULTILINE)
    if start is None:
        return Step(source, want)
    raised = _RAISED.search(want[start.end() :].rstrip("\n"))
    if raised is None:
        raise ValueError(f"the traceback after {source!r} does not end with 'ExceptionName: message'")
    message = raised["message"]
    if message == "..." or found.options.get(IGNORE_EXCEPTION_DETAIL):
        message = None
    return Step(source, want[: start.start()], raises=raised["name"].rpartition(".")[2], message=message)


def parse_shell(text: str, example_id: str, line: int) -> Example | None:
    """Read a shell session; ``None`` when no line starts with ``$ `` and a command. Text before it is skipped.

    Raises ``ValueError`` (one sentence) when a quote or here-document is never closed, or ``echo $?`` prints no number.
    """
    lines = _at_margin(text, _SHELL_PROMPT).rstrip("\n").split("\n")
    at = next((number for number, content in enumerate(lines) if re.match(r"\$ +\S", content)), len(lines))
    steps: list[Step] = []
    while at < len(lines):
        run, at = _command(lines, at)
        output = []
        while at < len(lines) and not _PROMPT_LINE.match(lines[at]):
            output.append(lines[at])
            at += 1
        while at < len(lines) and not re.match(r"\$ +\S", lines[at]):  # after an idle prompt, which ends an output
            at += 1
        step = _shell_step(run, output)
        if steps and _ASKS_STATUS.match(step.run):
            steps[-1] = replace(steps[-1], exit=_printed_status(step))
        else:
            steps.append(step)
    return Example(example_id, "shell", tuple(steps), line) if steps else None


def parse_exchange(
    run: str, given: Sequence[str], printed: Sequence[str], status: int | None, example_id: str, line: int
) -> Example:
    """The example that a command, the lines of its standard input and those of its output make.

    The output means what it means in a shell session, an exit status in its last line included; ``status`` outranks that.
    Raises ``ValueError`` (one sentence) when it is not :func:`takes_input`, or no shell session says the same.
    """
    if not takes_input(run):
        raise ValueError(
            f"{run!r} is not one plain command; write it as a shell session ('$ ') if it needs a pipe or '<'"
        )
    if prompt := next(filter(_PROMPT_LINE.match, printed), ""):
        raise ValueError(f"the expected line {prompt!r} reads like a shell prompt; write '...' for its '$'")
    expect, said = _printed(printed)
    stdin = "".join(f"{content}\n" for content in given)
    exit_status = (said or 0) if status is None else status
    example = Example(example_id, "shell", (Step(run, expect, exit=exit_status, stdin=stdin),), line)
    render(example)
    return example


def takes_input(run: str) -> bool:
    """Whether standard input given to a command line is what its program reads: it is one program, with no pipe, list,
    redirected input or comment.

    >>> takes_input("python -m tally --by 'a|b' 2>&1"), takes_input("sort | uniq"), takes_input("sort < names.txt")
    (True, False, False)
    """
    return _ONE_PROGRAM.fullmatch(run) is not None


def _at_margin(text: str, prompt: re.Pattern[str]) -> str:
    """The text with the first prompt's indentation taken from every line that has it."""
    text = text.replace("\r\n", "\n")
    first = prompt.search(text)
    margin = first["margin"] if first else ""
    return "\n".join(content.removeprefix(margin) for content in text.split("\n"))


def _printed_status(step: Step) -> int:
    printed = step.expect.strip()
    if not (printed.isascii() and printed.isdigit() and int(printed) <= 255):
        raise ValueError(f"'echo $?' must be followed by an exit status from 0 to 255, not {printed!r}")
    return int(printed)


def _shell_step(run: str, output: list[str]) -> Step:
    status, run = _comment_status(run)
    expect, said = _printed(output)
    stdin = ""
    head, _, body = run.partition("\n")
    *given, last = body.split("\n")
    here = _STDIN.search(head)
    if here and takes_input(head[: here.start()]) and last == here["word"] and last not in given:
        run, stdin = head[: here.start()], "".join(f"{content}\n" for content in given)
    return Step(run, expect, exit=(status if said is None else said) or 0, stdin=stdin)


def _printed(output: Sequence[str]) -> tuple[str, int | None]:
    """What lines of output say is printed, and the exit status if they say one."""
    output = _without_blank_end(output)
    status = None
    if output and (written := _STATUS_LINE.match(output[-1])):
        status = int(written["status"])
        output = _without_blank_end(output[:-1])
    return "".join(f"{'' if content == _BLANK else content}\n" for content in output), status


def _without_blank_end(output: Sequence[str]) -> Sequence[str]:
    end = len(output)
    while end and not output[end - 1].strip():
        end -= 1
    return output[:end]


def _comment_status(run: str) -> tuple[int | None, str]:
    """The exit status given as a comment at the end of a command, and the command without it."""
    comment = _scan(run).comment
    written = _STATUS_COMMENT.match(run[comment:]) if comment is not None else None
    return (int(written["status"]), run[:comment].rstrip()) if written else (None, run)


def _command(lines: list[str], at: int) -> tuple[str, int]:
    """The command that starts at a prompt, over all its lines, and the index of the line after it."""
    run = re.sub(r"^\$ +", "", lines[at])
    at += 1
    prompted: bool | None = None  # whether the lines inside a quote carry "> ": its first one tells
    while True:
        scan = _scan(run)
        following = lines[at] if at < len(lines) else None
        if scan.quote:
            if following is None:
                raise ValueError(f"a quote ({scan.quote}) is never closed in {_first_line(run)!r}")
            if prompted is None:
                prompted = _is_prompted(following)
            run += "\n" + (_unprompted(following) if prompted else following)
        elif scan.backslash:
            if following is None:
                raise ValueError(f"nothing follows the backslash at the end of {_first_line(run)!r}")
            run += "\n" + _unprompted(following)
        elif scan.here:
            body, at = _here_document(lines, at, scan.here, run)
            run += "\n" + body
            continue
        elif scan.unfinished and following is not None and _is_prompted(following):
            run += "\n" + _unprompted(following)
        else:
            return run, at
        at += 1


def _here_document(lines: list[str], at: int, words: tuple[tuple[str, bool], ...], run: str) -> tuple[str, int]:
    body: list[str] = []
    for word, dash in words:
        for end in count(at):
            if end == len(lines):
                raise ValueError(f"the here-document {word!r} is never closed in {_first_line(run)!r}")
            plain = lines[end].lstrip("\t") if dash else lines[end]
            shown = _unprompted(lines[end])
            if plain == word or (shown.lstrip("\t") if dash else shown) == word:
                break
        prompted = plain != word
        body += [_unprompted(content) if prompted else content for content in lines[at : end + 1]]
        at = end + 1
    return "\n".join(body), at


def _is_prompted(line: str) -> bool:
    return line.startswith("> ") or line == ">"


def _unprompted(line: str) -> str:
    return line[2:] if _is_prompted(line) else line


def _first_line(run: str) -> str:
    return run.partition("\n")[0]


@dataclass(frozen=True)
class _Scan:
    """What a reader of shell sessions must know of a command: not its meaning, only whether and how it goes on."""

    quote: str
    """The quote left open, or empty."""
    backslash: bool
    """It ends with a backslash that joins the next line."""
    here: tuple[tuple[str, bool], ...]
    """Here-documents whose bodies have not been read: (delimiter, whether leading tabs are stripped)."""
    unfinished: bool
    """It ends with an operator, or a compound command is open."""
    comment: int | None
    """Where a comment starts on the last line."""


def _scan(run: str) -> _Scan:
    """Walk over a command's tokens, past the here-documents it already holds."""
    words: list[str] = []
    here: list[tuple[str, bool]] = []
    comment: int | None = None
    at = 0
    while at < len(run):
        token = _TOKEN.match(run, at)
        assert token is not None, "every character starts a token"
        at = token.end()
        if token["quote"] or token["backslash"]:
            return _Scan(token["quote"] or "", bool(token["backslash"]), (), False, None)
        if token["word"] or token["operator"]:
            words.append(token[0])
        elif token["here"]:
            here.append((token["delimiter"], bool(token["dash"])))
        elif token["comment"]:
            comment = token.start()
        elif token["newline"]:
            comment = None
            while here and (body := _body(run, at, *here[0])):
                at = body
                here.pop(0)
    return _Scan("", False, tuple(here), _is_unfinished(words), comment)


def _body(run: str, at: int, word: str, dash: bool) -> int:
    """Where the line after the here-document that starts at ``at`` starts; 0 when the document is not there yet."""
    tabs = r"\t*" if dash else ""
    end = re.compile(rf"^{tabs}{re.escape(word)}(?:\n|\Z)", re.MULTILINE).search(run, at)
    return end.end() if end else 0


def _is_unfinished(words: list[str]) -> bool:
    if not words:
        return False
    open_pairs = any(words.count(opener) > words.count(closer) for opener, closer in _PAIRS.items())
    return open_pairs or words[-1] in _GOES_ON or words[-2:] == ["&", "&"]


def render(example: Example) -> str:
    """The text of an example: ``parse_block(render(e), e.id, e.line) == e``.

    Raises ``ValueError`` when there is no such text (say, an expected line that starts with ``$ ``): written anyway, it
    would silently become a different acceptance test. Examples that were parsed can always be rendered.
    """
    steps = map(_render_python, example.steps) if example.kind == "python" else _render_shell(example.steps)
    text = "".join(steps)
    with contextlib.suppress(ValueError):
        if parse_block(text, example.id, example.line) == example:
            return text
    raise ValueError(f"example {example.id!r} cannot be written as a {example.kind} session")


def _render_python(step: Step) -> str:
    first, *more = step.run.split("\n")
    want = _marked(step.expect)
    if step.raises is not None:
        shown = step.raises if step.message is None else _marked(f"{step.raises}: {step.message}")
        want += f"{_TRACEBACK}\n    ...\n{shown}\n"
    return "".join([f">>> {first}\n", *(f"... {content}\n" if content else "...\n" for content in more), want])


def _marked(text: str) -> str:
    return re.sub(r"^$(?=\n)", _BLANK, text, flags=re.MULTILINE)


def _render_shell(steps: tuple[Step, ...]) -> Iterator[str]:
    for step in steps:
        word = "STDIN"
        while word in step.stdin.split("\n"):
            word += "_"
        run = f"{step.run} <<'{word}'\n{step.stdin}{word}" if step.stdin else step.run
        first, *more = run.split("\n")
        yield f"$ {first}\n"
        yield from (f"> {content}\n" for content in more)
        shown = step.expect.rstrip("\n")
        blank = len(step.expect) - len(shown) - bool(shown)
        yield f"{shown}\n" if shown else ""
        yield f"{_BLANK}\n" * blank
        if step.exit or _STATUS_LINE.match(step.expect.removesuffix("\n").rpartition("\n")[2]):
            yield f"# exit {step.exit}\n"
