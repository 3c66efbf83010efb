"""The command line."""

import argparse
import json
import sys

import docket
from docket.store import document_text


def main() -> int:
    options = _arguments().parse_args()
    try:
        _carry_out(docket.Store(options.folder), options)
    except docket.MergeConflict as error:
        print(f"conflict: {' '.join(error.paths)}", file=sys.stderr)
        return 1
    except KeyError as error:
        print(f"not found: {error.args[0]}", file=sys.stderr)
        return 1
    except (docket.QueryError, docket.Damaged, ValueError, TypeError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="docket")
    parser.add_argument("folder")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("create", "ids"):
        commands.add_parser(name)
    for name in ("update", "delete", "revert", "get", "log", "diff"):
        commands.add_parser(name).add_argument("id")
    commands.add_parser("find").add_argument("query")
    commands.choices["update"].add_argument("--base", type=int)
    commands.choices["revert"].add_argument("revision", type=int)
    for name in ("old", "new"):
        commands.choices["diff"].add_argument(name, type=int)
    for name in ("get", "ids", "find"):
        commands.choices[name].add_argument("--at", type=int)
    return parser


def _carry_out(store: docket.Store, options: argparse.Namespace) -> None:
    match options.command:
        case "create":
            print(store.create(json.load(sys.stdin)))
        case "update":
            print(store.update(options.id, json.load(sys.stdin), options.base))
        case "delete":
            print(store.delete(options.id))
        case "revert":
            print(store.revert(options.id, options.revision))
        case "get":
            print(document_text(store.get(options.id, options.at)), end="")
        case "ids":
            print("".join(f"{id_}\n" for id_ in store.ids(options.at)), end="")
        case "find":
            print("".join(f"{id_}\n" for id_ in store.find(options.query, options.at)), end="")
        case "log":
            for revision, kind, operations in store.log(options.id):
                print(revision, kind, len(operations))
        case "diff":
            for operation in docket.diff(store.get(options.id, options.old), store.get(options.id, options.new)):
                print(json.dumps(operation, separators=(",", ":"), ensure_ascii=False))


if __name__ == "__main__":
    sys.exit(main())
