"""The command line."""

import argparse
import json
import sys
from typing import Any

from vitrine.errors import BadOperation, Denied, NotFound, QueryError, Refused, Stale, Tampered
from vitrine.journal import Entry
from vitrine.register import Register


def main(arguments: list[str]) -> int:
    given = _parser().parse_args(arguments)
    try:
        print(given.does(given), end="")
    except FileNotFoundError:
        return _failed("there is no register", 2)
    except FileExistsError:
        return _failed("there is a register already", 2)
    except (BadOperation, QueryError) as error:
        return _failed(str(error), 2)
    except (Denied, NotFound, Refused, Stale) as error:
        return _failed(str(error), 1)
    except Tampered as error:
        return _failed(str(error), 3)
    return 0


def _failed(text: str, status: int) -> int:
    print(f"vitrine: {text}", file=sys.stderr)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="vitrine")
    parser.add_argument("folder")
    parser.add_argument("actor")
    commands = parser.add_subparsers(required=True)
    for name, function, takes in (
        ("init", _init, ()),
        ("do", _do, ()),
        ("undo", _undo, (("entry", int),)),
        ("show", _show, (("thing", str),)),
        ("history", _history, (("thing", str),)),
        ("search", _search, (("query", str),)),
        ("inventory", _inventory, ()),
    ):
        command = commands.add_parser(name)
        for argument, type_ in takes:
            command.add_argument(argument, type=type_)
        if name == "search":
            command.add_argument("--at", type=int)
        command.set_defaults(does=function)
    return parser


def _init(given: argparse.Namespace) -> str:
    Register.create(given.folder, given.actor)
    return ""


def _do(given: argparse.Namespace) -> str:
    register = Register(given.folder)
    try:
        operations = json.load(sys.stdin)
    except ValueError as error:
        raise BadOperation("standard input is not JSON") from error
    if not isinstance(operations, list):
        raise BadOperation("standard input is not a list")
    return _told(register.do(given.actor, *operations))


def _undo(given: argparse.Namespace) -> str:
    return _told(Register(given.folder).undo(given.actor, given.entry))


def _told(entry: Entry | None) -> str:
    return f"entry {entry.number}: {' '.join(entry.things)}\n" if entry else "nothing changed\n"


def _show(given: argparse.Namespace) -> str:
    shown = Register(given.folder).show(given.actor, given.thing)
    return "".join(f"{field}: {_json(value)}\n" for field, value in shown.items())


def _history(given: argparse.Namespace) -> str:
    found = Register(given.folder).history(given.actor, given.thing)
    return "".join(
        f"{number} {by} {change.field}: {_json(change.old)} -> {_json(change.new)}\n"
        for number, by, changes in found
        for change in changes
    )


def _search(given: argparse.Namespace) -> str:
    try:
        found = Register(given.folder).search(given.actor, given.query, given.at)
    except ValueError as error:
        raise QueryError(str(error)) from error
    return "".join(f"{id_}\n" for id_ in found)


def _inventory(given: argparse.Namespace) -> str:
    return Register(given.folder).inventory(given.actor)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
