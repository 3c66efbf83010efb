"""The command line."""

import argparse
import re
import sys
from pathlib import Path

from galley.book import NAME
from galley.builder import build, plan
from galley.errors import BookError, CycleError, Gone
from galley.journal import STATE, Journal, show
from galley.reasons import render, totals
from galley.sweeping import sweep


def main(arguments: list[str]) -> int:
    given = _parser().parse_args(arguments)
    try:
        return int(given.does(given))
    except BookError as error:
        print(f"galley: Galleyfile: {error}", file=sys.stderr)
    except CycleError as error:
        print(f"galley: cycle: {error}", file=sys.stderr)
    except FileNotFoundError:
        print("galley: no Galleyfile", file=sys.stderr)
    except KeyError as error:
        print(f"galley: unknown: {error.args[0]}", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="galley")
    commands = parser.add_subparsers(required=True)
    for name, function in (("build", build), ("plan", plan)):
        command = commands.add_parser(name)
        command.add_argument("targets", nargs="*")
        command.add_argument("--set", action="append", default=[], type=_setting)
        command.set_defaults(does=_build, function=function)
    commands.add_parser("log").set_defaults(does=_log)
    command = commands.add_parser("show")
    command.add_argument("number", type=int)
    command.add_argument("target")
    command.set_defaults(does=_show)
    command = commands.add_parser("sweep")
    command.add_argument("builds", type=_count)
    command.set_defaults(does=_sweep)
    return parser


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not re.fullmatch(NAME, name):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def _count(text: str) -> int:
    if not re.fullmatch("[0-9]+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of builds")
    return int(text)


def _build(given: argparse.Namespace) -> int:
    results = given.function(".", given.targets or None, dict(given.set))
    print(render(results), end="")
    return int(any(result.status == "failed" for result in results))


def _log(_: argparse.Namespace) -> int:
    for number, results in enumerate(Journal(Path(STATE)).builds(), start=1):
        print(f"{number}: {totals(results)}")
    return 0


def _show(given: argparse.Namespace) -> int:
    try:
        text = show(".", given.number, given.target)
    except Gone as error:
        print(f"galley: {error}", file=sys.stderr)
        return 1
    sys.stdout.buffer.write(text.encode())
    return 0


def _sweep(given: argparse.Namespace) -> int:
    records, results = sweep(".", given.builds)
    print(f"{records} records, {results} results")
    return 0
