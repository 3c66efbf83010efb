"""The command line."""

import argparse
import os
import sys
from pathlib import Path

from glosslink.glossary import GlossaryError, read_glossary
from glosslink.linking import linked_with


def main(arguments: list[str]) -> int:
    """The exit status: 0, 1 when a check found something to link, 2 when nothing could be done."""
    parser = argparse.ArgumentParser(prog="glosslink")
    parser.add_argument("glossary")
    parser.add_argument("files", nargs="+")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--write", action="store_true")
    action.add_argument("--check", action="store_true")
    given = parser.parse_args(arguments)
    if len(given.files) > 1 and not (given.write or given.check):
        parser.error("several files need --write or --check")
    texts = {}
    for name in [given.glossary, *given.files]:
        try:
            texts[name] = Path(name).read_bytes().decode("utf-8")
        except (OSError, UnicodeDecodeError):
            return _refused(f"cannot read {name}")
    try:
        glossary = read_glossary(texts[given.glossary])
    except GlossaryError as error:
        return _refused(f"{given.glossary}: {error}")
    status = 0
    used = set()
    for name in given.files:
        text, added, found = linked_with(texts[name], glossary, _target(given.glossary, name))
        used |= {term.anchor for term in [*added, *found]}
        if not (given.write or given.check):
            sys.stdout.buffer.write(text.encode())
        elif added:
            print(f"{name}: {len(added)} links")
            status = int(given.check)
            if given.write:
                Path(name).write_bytes(text.encode())
    for term in glossary.terms:
        if given.check and term.anchor not in used:
            print(f"unused: {term.name}")
    return status


def _refused(text: str) -> int:
    print(f"glosslink: {text}", file=sys.stderr)
    return 2


def _target(glossary: str, file: str) -> str:
    """The path of the glossary as seen from the directory of the file."""
    path = os.path.relpath(glossary, Path(file).parent)
    return path.replace(os.sep, "/").replace(" ", "%20")
