"""The command line: check, normal and price."""

import argparse
import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

from tariff import TariffError, load, normal, price
from tariff.pricing import rounded
from tariff.tree import Tariff


def main() -> int:
    parser = argparse.ArgumentParser(prog="tariff")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("check", "normal", "price"):
        command = commands.add_parser(name)
        command.add_argument("file")
        if name == "price":
            command.add_argument("--steps", action="store_true")
    options = parser.parse_args()
    try:
        text = Path(options.file).read_bytes().decode()
        if options.command == "normal":
            print(normal(text), end="")
            return 0
        tariff = load(text)
    except TariffError as error:
        print(f"{options.file}:{error}", file=sys.stderr)
        return 2
    except (OSError, UnicodeDecodeError) as error:
        print(f"{options.file}: {error}", file=sys.stderr)
        return 2
    if options.command == "check":
        print(f"rules: {len(tariff.rules)}")
        return 0
    return _price_all(tariff, options.file, options.steps)


def _price_all(tariff: Tariff, file: str, steps: bool) -> int:
    status = 0
    for number, line in enumerate(sys.stdin, start=1):
        if not line.strip():
            continue
        try:
            quote = price(tariff, _record(line))
        except TariffError as error:
            print(f"record {number}: {file}:{error}", file=sys.stderr)
        except ValueError:
            print(f"record {number}: not a JSON object", file=sys.stderr)
        else:
            for step in quote.steps if steps else ():
                print(f"  {step.rule}: {step.statement} -> {rounded(step.total)}")
            print(quote.total if quote.rejected is None else f"rejected: {quote.rejected}")
            continue
        print("error")
        status = 1
    return status


def _record(line: str) -> dict[str, Any]:
    record = json.loads(line, parse_float=Decimal)
    if not isinstance(record, dict):
        raise ValueError(line)
    return record


if __name__ == "__main__":
    sys.exit(main())
