"""The command line."""

import argparse
import json
import sys
from typing import Any

import satchel
from satchel.records import compact_json


def main() -> int:
    options = _arguments().parse_args()
    try:
        with satchel.open(options.folder) as store:
            _carry_out(store, options)
    except KeyError as error:
        print(f"not found: {error.args[0]}", file=sys.stderr)
        return 1
    except (satchel.Corrupt, ValueError, TypeError, OSError) as error:
        print(f"satchel: {error}", file=sys.stderr)
        return 2
    return 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="satchel")
    parser.add_argument("folder")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("put", "get", "delete"):
        commands.add_parser(name).add_argument("key")
    commands.choices["put"].add_argument("value")
    commands.add_parser("keys").add_argument("prefix", nargs="?", default="")
    for name in ("snapshot", "drop"):
        commands.add_parser(name).add_argument("name")
    commands.add_parser("changes").add_argument("since", type=int)
    for name in ("snapshots", "compact", "dump", "load"):
        commands.add_parser(name)
    for name in ("get", "keys", "dump"):
        commands.choices[name].add_argument("--at")
    return parser


def _carry_out(store: satchel.Store, options: argparse.Namespace) -> None:  # noqa: PLR0912
    seen = store if getattr(options, "at", None) is None else store.at(options.at)
    match options.command:
        case "put":
            print(store.put(options.key, json.loads(options.value)))
        case "delete":
            print(store.delete(options.key))
        case "get":
            print(compact_json(seen.get(options.key)))
        case "keys":
            for key in seen.keys(options.prefix):
                print(key)
        case "snapshot":
            print(store.snapshot(options.name))
        case "snapshots":
            for name, revision in store.snapshots().items():
                print(name, revision)
        case "drop":
            store.drop(options.name)
        case "compact":
            store.compact()
        case "changes":
            for revision, key, kind in store.changes(options.since):
                print(revision, kind, key)
        case "dump":
            for key in seen.keys(prefix=""):
                print(compact_json([key, seen.get(key)]))
        case "load":
            print(store.write([_entry(line) for line in sys.stdin if line.strip()]))


def _entry(line: str) -> tuple[str, Any, Any]:
    match json.loads(line):
        case [key, value]:
            return ("put", key, value)
    raise ValueError(f"not a pair of key and value: {line.strip()}")


if __name__ == "__main__":
    sys.exit(main())
