"""The command line: check, build and contents."""

import argparse
import sys
from pathlib import Path

import fascicle
from fascicle.book import read_book


def main() -> int:
    parser = argparse.ArgumentParser(prog="fascicle")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("check", "build", "contents"):
        command = commands.add_parser(name)
        command.add_argument("source")
        if name == "build":
            command.add_argument("target")
    options = parser.parse_args()
    try:
        builds = options.command == "build"
        problems = fascicle.build(options.source, options.target) if builds else fascicle.check(options.source)
    except OSError as error:
        print(f"fascicle: {error}", file=sys.stderr)
        return 2
    for problem in problems:
        print(problem)
    if problems:
        return 1
    if options.command == "contents":
        for chapter in read_book(Path(options.source)).chapters:
            for heading in chapter.headings:
                print(f"{'  ' * (heading.level - 1)}{chapter.targets[heading.line].number} {heading.title}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
