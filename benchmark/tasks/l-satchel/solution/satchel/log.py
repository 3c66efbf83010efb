"""The segments of a folder."""

import os
import re
from pathlib import Path
from typing import Any

from satchel.errors import Corrupt
from satchel.records import decode, encode
from satchel.state import State

SEGMENT = re.compile(r"[0-9]{6,}\.log")


class Log:
    def __init__(self, folder: Path, segment_bytes: int) -> None:
        self.folder = folder
        self.segment_bytes = segment_bytes
        self.number = 0
        """The number of the segment that is written to, 0 while there is none."""

    def recover(self) -> State:
        """Read all that counts, then tidy up after a crash; raises Corrupt before anything is touched."""
        self.folder.mkdir(parents=True, exist_ok=True)
        numbers = sorted(int(p.stem) for p in self.folder.iterdir() if SEGMENT.fullmatch(p.name))
        start = max((i for i, number in enumerate(numbers) if self._is_compacted(number)), default=0)
        state = State()
        whole = 0
        for number in numbers[start:]:
            whole = self._read(number, state, last=number == numbers[-1])
        self.number = numbers[-1] if numbers else 0
        for left_over in self.folder.glob("*.tmp"):
            left_over.unlink()
        for number in numbers[:start]:
            self._path(number).unlink()
        if numbers and self._path(self.number).stat().st_size > whole:
            os.truncate(self._path(self.number), whole)
        return state

    def append(self, record: dict[str, Any]) -> None:
        line = encode(record)
        if self.number == 0 or self._path(self.number).stat().st_size >= self.segment_bytes:
            self.number += 1
        with self._path(self.number).open("ab") as file:
            file.write(line)

    def replace(self, records: list[dict[str, Any]]) -> None:
        """Put one new segment in the place of all others."""
        older = [p for p in self.folder.iterdir() if SEGMENT.fullmatch(p.name)]
        self.number += 1
        target = self._path(self.number)
        draft = target.with_suffix(".tmp")
        with draft.open("wb") as file:
            file.writelines(map(encode, records))
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, target)
        for path in older:
            path.unlink()

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06}.log"

    def _is_compacted(self, number: int) -> bool:
        with self._path(number).open("rb") as file:
            try:
                return "compacted" in decode(file.readline())
            except ValueError:
                return False

    def _read(self, number: int, state: State, last: bool) -> int:
        """Apply the segment's records; how many bytes of it are whole lines."""
        whole = 0
        path = self._path(number)
        with path.open("rb") as file:
            lines = file.readlines()
        for count, line in enumerate(lines, start=1):
            if last and not line.endswith(b"\n"):
                break
            try:
                record = decode(line)
                if "compacted" in record and count > 1:
                    raise ValueError("only a first line can say this")
                state.apply(record)
            except ValueError as error:
                raise Corrupt(path.name, count) from error
            whole += len(line)
        return whole
