"""What a school needs, and how it is read."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

NAME = re.compile(r"[A-Za-z0-9_-]+")
NUMBER = re.compile(r"[0-9]+")


class NeedsError(Exception):
    """A line of a file cannot be used; lines count from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line
        self.message = message


@dataclass(frozen=True)
class Room:
    name: str
    seats: int
    has: frozenset[str]


@dataclass(frozen=True)
class Exam:
    name: str
    pupils: int
    groups: tuple[str, ...]
    needs: frozenset[str]


@dataclass(frozen=True)
class Fix:
    exam: str
    slot: str | None
    room: str | None


@dataclass
class Needs:
    """All statements of a file; dicts are in the order of the file."""

    slots: dict[str, int] = field(default_factory=dict)
    """Each slot's place in time, from 0."""
    rooms: dict[str, Room] = field(default_factory=dict)
    exams: dict[str, Exam] = field(default_factory=dict)
    closed: set[tuple[str, str]] = field(default_factory=set)
    """Slot and room."""
    fixes: list[Fix] = field(default_factory=list)
    before: list[tuple[str, str]] = field(default_factory=list)
    apart: list[tuple[str, str, int]] = field(default_factory=list)
    limits: list[tuple[str, int]] = field(default_factory=list)

    @property
    def groups(self) -> list[str]:
        return list(dict.fromkeys(group for exam in self.exams.values() for group in exam.groups))

    def only(self, exams: set[str]) -> "Needs":
        """The same without the other exams and what is said about them."""
        kept = {name: exam for name, exam in self.exams.items() if name in exams}
        return Needs(
            self.slots,
            self.rooms,
            kept,
            self.closed,
            [fix for fix in self.fixes if fix.exam in exams],
            [pair for pair in self.before if exams.issuperset(pair)],
            [pair for pair in self.apart if exams.issuperset(pair[:2])],
            self.limits,
        )


def day_of(slot: str) -> str:
    return slot.partition("-")[0]


def statements(text: str) -> Iterator[tuple[int, list[str]]]:
    """Line numbers and words, comments and blank lines left out."""
    for number, line in enumerate(text.split("\n"), start=1):
        if words := line.partition("#")[0].split():
            yield number, words


class _Words:
    """The words of one statement, taken one after the other."""

    def __init__(self, line: int, words: list[str]) -> None:
        self.line = line
        self.words = words

    def fail(self, message: str) -> NeedsError:
        return NeedsError(self.line, message)

    def word(self) -> str:
        if not self.words:
            raise self.fail("a word is missing")
        return self.words.pop(0)

    def name(self) -> str:
        word = self.word()
        if not NAME.fullmatch(word):
            raise self.fail(f"{word!r} is not a name")
        return word

    def number(self) -> int:
        word = self.word()
        if not NUMBER.fullmatch(word) or not 1 <= int(word) <= 9999:
            raise self.fail(f"{word!r} is not a number from 1 to 9999")
        return int(word)

    def names(self, until: str = "") -> tuple[str, ...]:
        """One or more different names up to a word or the end."""
        found: list[str] = []
        while not found or (self.words and self.words[0] != until):
            name = self.name()
            if name in found:
                raise self.fail(f"{name!r} is listed twice")
            found.append(name)
        return tuple(found)

    def accept(self, word: str) -> bool:
        if self.words and self.words[0] == word:
            self.words.pop(0)
            return True
        return False

    def expect(self, word: str) -> None:
        if not self.accept(word):
            raise self.fail(f"{word!r} is missing")


class _Reader:
    """Reads the statements in order and collects what must be looked up at the end."""

    def __init__(self) -> None:
        self.needs = Needs()
        self.uses: list[tuple[int, str, str]] = []
        """Line, kind and name of everything that has to be defined somewhere."""

    def slots(self, words: _Words) -> None:
        for name in words.names():
            self._new(words, self.needs.slots, name)
            self.needs.slots[name] = len(self.needs.slots)

    def room(self, words: _Words) -> None:
        name = words.name()
        self._new(words, self.needs.rooms, name)
        seats = words.number()
        has = words.names() if words.accept("has") else ()
        self.needs.rooms[name] = Room(name, seats, frozenset(has))

    def exam(self, words: _Words) -> None:
        name = words.name()
        self._new(words, self.needs.exams, name)
        pupils = words.number()
        words.expect("groups")
        groups = words.names(until="needs")
        needs = words.names() if words.accept("needs") else ()
        self.needs.exams[name] = Exam(name, pupils, groups, frozenset(needs))

    def closed(self, words: _Words) -> None:
        room = self._use(words, "room", words.name())
        for slot in words.names():
            self.needs.closed.add((self._use(words, "slot", slot), room))

    def fix(self, words: _Words) -> None:
        exam = self._use(words, "exam", words.name())
        slot = self._use(words, "slot", words.name()) if words.accept("at") else None
        if slot is None:
            words.expect("in")
            room: str | None = self._use(words, "room", words.name())
        else:
            room = self._use(words, "room", words.name()) if words.accept("in") else None
        self.needs.fixes.append(Fix(exam, slot, room))

    def before(self, words: _Words) -> None:
        self.needs.before.append(self._two(words))

    def apart(self, words: _Words) -> None:
        self.needs.apart.append((*self._two(words), words.number()))

    def limit(self, words: _Words) -> None:
        self.needs.limits.append((self._use(words, "group", words.name()), words.number()))

    def _two(self, words: _Words) -> tuple[str, str]:
        one, two = (self._use(words, "exam", words.name()) for _ in range(2))
        if one == two:
            raise words.fail(f"{one!r} is named twice")
        return one, two

    def _new(self, words: _Words, known: Mapping[str, object], name: str) -> None:
        if name in known:
            raise words.fail(f"{name!r} is defined twice")

    def _use(self, words: _Words, kind: str, name: str) -> str:
        self.uses.append((words.line, kind, name))
        return name


def read_needs(text: str) -> Needs:
    """Read all statements; raises NeedsError for the first line that is wrong."""
    reader = _Reader()
    forms: dict[str, Callable[[_Words], None]] = {
        "slots": reader.slots,
        "room": reader.room,
        "exam": reader.exam,
        "closed": reader.closed,
        "fix": reader.fix,
        "before": reader.before,
        "apart": reader.apart,
        "limit": reader.limit,
    }
    errors: list[NeedsError] = []
    for line, found in statements(text):
        words = _Words(line, found[1:])
        try:
            if found[0] not in forms:
                raise words.fail(f"unknown statement {found[0]!r}")
            forms[found[0]](words)
            if words.words:
                raise words.fail(f"{words.words[0]!r} is too much")
        except NeedsError as error:
            errors.append(error)
    needs = reader.needs
    known: dict[str, Collection[str]] = {
        "slot": needs.slots,
        "room": needs.rooms,
        "exam": needs.exams,
        "group": set(needs.groups),
    }
    errors += [
        NeedsError(line, f"there is no {kind} {name!r}") for line, kind, name in reader.uses if name not in known[kind]
    ]
    if errors:
        raise min(errors, key=lambda error: error.line)
    return needs
