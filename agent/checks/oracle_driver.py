"""Runs inside the sandbox: carries out the steps of one example and sends back what came of each, expecting nothing.

Reads ``{"kind", "merged", "steps": [{"run", "stdin"}]}`` on standard input; writes one JSON line per step to the
channel. Started as ``python -I -S -B oracle_driver.py [DIRECTORY...]``, where the directories hold the program.
Standard library only.
"""

from __future__ import annotations

import ast
import io
import json
import os
import subprocess
import sys
import tempfile
from typing import Any

CHANNEL_FD = 3
KEPT_CHARS = 200_000
"""Of each text that is sent back; more is cut, and said so, and then matches nothing."""

Result = dict[str, Any]


def python_step(source: str, stdin: str, namespace: dict[str, Any]) -> Result:
    """Like one prompt of a doctest: what was printed, and the repr of the last expression's value unless it is
    ``None``."""
    printed = io.StringIO()
    before = sys.stdout, sys.stdin
    sys.stdout, sys.stdin = printed, io.StringIO(stdin)
    result: Result = {"value": None, "raised": None, "message": ""}
    try:
        body = ast.parse(source, "<example>").body
        last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
        exec(compile(ast.Module(body, []), "<example>", "exec"), namespace)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), "<example>", "eval"), namespace)
            if value is not None:
                namespace["_"] = value
                result["value"] = cut(repr(value))
    except BaseException as error:  # whatever it raises is the answer
        result["raised"] = type(error).__name__
        try:
            result["message"] = cut(str(error))
        except BaseException:
            result["message"] = ""
    finally:
        sys.stdout, sys.stdin = before
    result["out"] = cut(printed.getvalue())
    return result


_KEEP = """[ -f "$EXAMPLE_STATE" ] && . "$EXAMPLE_STATE"
trap 'export -p >"$EXAMPLE_STATE"; printf "cd %s\\n" "'"'"'$PWD'"'"'" >>"$EXAMPLE_STATE"' EXIT
"""
"""Put before each command: takes up the directory and the exported variables of the step before, and leaves them
for the next."""


def shell_step(command: str, stdin: str, merged: bool, state: str) -> Result:
    """One ``sh -c``. Its output goes into files, so that what it leaves running cannot hold a pipe open."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.TemporaryFile() as given:
        given.write(stdin.encode("utf-8", "surrogateescape"))
        given.seek(0)
        ended = subprocess.run(
            ["sh", "-c", _KEEP + command],
            stdin=given,
            stdout=out,
            stderr=out if merged else err,
            env={**os.environ, "EXAMPLE_STATE": state},
            check=False,
        )
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(cut(file.read(4 * KEPT_CHARS + 4).decode("utf-8", "backslashreplace")))
    return {
        "out": texts[0],
        "err": texts[1],
        "exit": ended.returncode if ended.returncode >= 0 else 128 - ended.returncode,
    }


def cut(text: str) -> str:
    """At most ``KEPT_CHARS`` characters."""
    text = str(text)
    return text if len(text) <= KEPT_CHARS else text[:KEPT_CHARS] + "\n[cut by the driver]"


def main() -> None:
    """Carry out the example."""
    job = json.loads(sys.stdin.buffer.read())
    os.set_inheritable(CHANNEL_FD, False)
    sys.path += sys.argv[1:]
    namespace: dict[str, Any] = {"__name__": "__main__", "__builtins__": __builtins__}
    state = os.path.join(tempfile.mkdtemp(), "state")
    for step in job["steps"]:
        if job["kind"] == "python":
            result = python_step(step["run"], step["stdin"], namespace)
        else:
            result = shell_step(step["run"], step["stdin"], job["merged"], state)
        line = json.dumps(result).encode("ascii") + b"\n"
        while line:
            line = line[os.write(CHANNEL_FD, line) :]


if __name__ == "__main__":
    import site

    site.setquit()
    main()
    os._exit(0)
