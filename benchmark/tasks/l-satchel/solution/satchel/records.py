"""Values, and the lines of a segment."""

import json
import math
import re
import zlib
from typing import Any

LINE = re.compile(rb"([0-9a-f]{8}) (.*)\n", re.DOTALL)


def check_key(key: object) -> None:
    if not isinstance(key, str):
        raise TypeError(f"a key must be a str, not {type(key).__name__}")
    if not key:
        raise ValueError("a key must not be empty")


def check_value(value: object) -> None:
    """Raise TypeError for what JSON cannot say, ValueError for a float that is not finite."""
    if isinstance(value, list):
        for item in value:
            check_value(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError(f"keys of a dict must be str, not {type(key).__name__}")
            check_value(item)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} is not finite")
    elif value is not None and not isinstance(value, bool | int | str):
        raise TypeError(f"a value cannot hold a {type(value).__name__}")


def compact_json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def encode(record: dict[str, Any]) -> bytes:
    """The line of a record, its line break included."""
    body = compact_json(record).encode()
    return f"{zlib.crc32(body):08x} ".encode() + body + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """The record of a complete line; raises ValueError when it is damaged."""
    match = LINE.fullmatch(line)
    if not match or int(match[1], 16) != zlib.crc32(match[2]):
        raise ValueError("wrong checksum")
    record = json.loads(match[2].decode())
    if not _is_record(record):
        raise ValueError("not a record")
    return dict(record)


def _is_record(record: object) -> bool:
    if not isinstance(record, dict) or type(record.get("rev")) is not int:
        return False
    match list(record):
        case ["rev", "ops"]:
            return isinstance(record["ops"], list) and all(map(_is_op, record["ops"]))
        case ["rev", "snapshot" | "drop" as kind]:
            return isinstance(record[kind], str)
        case ["rev", "compacted"]:
            return record["compacted"] is True
    return False


def _is_op(op: object) -> bool:
    match op:
        case ["put", str(), _] | ["delete", str()]:
            return True
    return False
