"""Building: each target from a record that still holds, or anew."""

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from galley import graph
from galley.book import Book, Target, read_book
from galley.errors import Failure
from galley.journal import STATE, Journal, Result
from galley.observing import Observer, first_difference
from galley.paths import is_product
from galley.reasons import explain
from galley.sources import Sources
from galley.steps import run, shape
from galley.store import Record, Store


def build(
    folder: str | Path, targets: Iterable[str] | None = None, settings: Mapping[str, str] | None = None
) -> list[Result]:
    """Bring targets (all when not given) and what they need up to date; the results in the order of their making.

    Raises BookError, CycleError, KeyError for an unknown target, FileNotFoundError without a Galleyfile.
    """
    return _Build(Path(folder), settings or {}, dry=False).run(targets)


def plan(
    folder: str | Path, targets: Iterable[str] | None = None, settings: Mapping[str, str] | None = None
) -> list[Result]:
    """What a build would give now; nothing changes."""
    return _Build(Path(folder), settings or {}, dry=True).run(targets)


class _Build:
    def __init__(self, folder: Path, settings: Mapping[str, str], dry: bool) -> None:
        self._folder = folder
        self._dry = dry
        self._book = read_book((folder / "Galleyfile").read_text(encoding="utf-8"))
        self._settings = {**self._book.settings, **settings}
        self._texts: dict[str, str] = {}
        """The products of this build."""

    def run(self, targets: Iterable[str] | None) -> list[Result]:
        order = graph.order(self._book, self._book.targets if targets is None else targets)
        self._store = Store(self._folder / STATE, dry=self._dry)
        if not self._dry:
            self._remove_strangers()
        results = [self._target(self._book.targets[name]) for name in order]
        self._store.save()
        if not self._dry:
            Journal(self._folder / STATE).append(results)
        return results

    def _target(self, target: Target) -> Result:
        world = _World(self._book, Sources(self._folder), self._settings, self._texts, target.name)
        known = self._store.records(shape(target.steps))
        for record in known:
            if first_difference(record.observations, world) is None:
                text = self._store.get(record.result)
                if text is not None:
                    self._store.use(record.id)
                    status = "kept" if self._on_disk(target.name) == text.encode() else "restored"
                    self._deliver(target.name, text)
                    return Result(target.name, status, result=record.result, record=record.id)
        observer = Observer(world)
        try:
            text = run(target.steps, observer)
        except Failure as error:
            if not self._dry:
                (self._folder / target.name).unlink(missing_ok=True)
            return Result(target.name, "failed", str(error))
        result = self._store.put(text)
        id_ = self._store.add(shape(target.steps), observer.observations, result)
        self._deliver(target.name, text)
        return Result(target.name, "made", _reason(known, world), result, id_)

    def _on_disk(self, name: str) -> bytes | None:
        path = self._folder / name
        return path.read_bytes() if path.is_file() else None

    def _deliver(self, name: str, text: str) -> None:
        self._texts[name] = text
        if not self._dry and self._on_disk(name) != text.encode():
            path = self._folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())

    def _remove_strangers(self) -> None:
        """Files below out/ that are no targets, and empty folders."""
        for path in sorted((self._folder / "out").rglob("*"), reverse=True):
            if path.is_dir():
                with contextlib.suppress(OSError):
                    path.rmdir()
            elif path.relative_to(self._folder).as_posix() not in self._book.targets:
                path.unlink()


class _World:
    """What the steps of one target can see."""

    def __init__(
        self, book: Book, sources: Sources, settings: Mapping[str, str], texts: Mapping[str, str], name: str
    ) -> None:
        self._book = book
        self._sources = sources
        self._settings = settings
        self._texts = texts
        self._name = name

    def read(self, path: str) -> str:
        if not is_product(path):
            return self._sources.read(path)
        if path not in self._book.targets:
            raise Failure(f"no file {path}")
        if path not in self._texts:
            raise Failure(f"needs {path}")
        return self._texts[path]

    def exists(self, path: str) -> bool:
        return path in self._book.targets if is_product(path) else self._sources.exists(path)

    def list(self, pattern: str) -> "list[str]":
        return graph.listed(self._book, pattern, self._name) if is_product(pattern) else self._sources.list(pattern)

    def setting(self, name: str) -> str | None:
        return self._settings.get(name)

    def name(self) -> str:
        return self._name


def _reason(known: list[Record], world: _World) -> str:
    if not known:
        return "new"
    difference = first_difference(known[0].observations, world)
    return explain(difference) if difference else "result lost"
