"""What is taken out of records: exact secrets, what looks like a secret, and who and where the user is.

What is found is replaced by a placeholder such as ``‹secret:env:1›``, the same one for the same value throughout a record, so that
code stays code and who reads it sees that two places held the same. Placeholders are never taken for something to redact.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.dataset.scrub import LEAST_CHARACTERS, spellings

EXACT, SHAPES, IDENTITIES = "exact", "shapes", "identities"
"""The layers: values of this environment's secrets; what looks like one; names of the machine and of people."""

_MARK = re.compile(r"‹([a-z:]+):(\d+)›")
_STRUCTURE = frozenset({"schema", "sha256", "answer", "key", "digest", "status", "state", "step", "role", "read"})
"""Keys of a record whose values are the program's own words."""


@dataclass
class Marks:
    """The placeholders of one record: the same value gets the same one."""

    counts: Counter[str] = field(default_factory=Counter)
    """Kind → how many places were blanked."""
    values: dict[tuple[str, str], str] = field(default_factory=dict)
    """(kind, value) → its placeholder."""
    last: Counter[str] = field(default_factory=Counter)
    """Kind → the highest number that is taken."""

    def reserve(self, texts: Iterable[str]) -> None:
        """Give no number that a placeholder in these texts has."""
        for text in texts:
            for kind, number in _MARK.findall(text) if "‹" in text else ():
                self.last[kind] = max(self.last[kind], int(number))

    def of(self, kind: str, value: str, places: int = 1) -> str:
        """The placeholder for a value that stands in so many places."""
        self.counts[kind] += places
        if (kind, value) not in self.values:
            self.last[kind] += 1
            self.values[kind, value] = f"‹{kind}:{self.last[kind]}›"
        return self.values[kind, value]

    def known(self, kind: str) -> list[str]:
        """The values of a kind that were found, in the order of their numbers."""
        return [value for found, value in self.values if found == kind]


Layer = Callable[[str, Marks], str]
"""A text → the text without what the layer finds."""


def exact(secrets: Sequence[str]) -> Layer:
    """Takes out these values in all their spellings."""
    wanted = sorted(((s, secret) for secret in secrets for s in spellings(secret)), key=lambda pair: -len(pair[0]))

    def layer(text: str, marks: Marks) -> str:
        for spelling, secret in wanted:
            if spelling in text:
                text = text.replace(spelling, marks.of("secret:env", secret, text.count(spelling)))
        return text

    return layer


_NAME = (
    r"[\w.-]{0,40}(?:api[_-]?key|access[_-]?key|secret|token|passwd|password|passphrase|credentials?|private[_-]?key)"
)
_TOKENS = "|".join(
    (
        r"sk-(?=[\w-]*\d)[\w-]{20,}",
        r"gh[pousr]_[A-Za-z0-9]{30,}",
        r"github_pat_\w{22,}",
        r"glpat-[\w-]{20,}",
        r"(?:AKIA|ASIA)[0-9A-Z]{16}",
        r"xox[abeprs]-[\w-]{10,}",
        r"hf_[A-Za-z0-9]{30,}",
        r"AIza[\w-]{35}",
        r"ya29\.[\w-]{20,}",
        r"[srp]k_(?:live|test)_[A-Za-z0-9]{16,}",
        r"npm_[A-Za-z0-9]{36}",
        r"pypi-[\w-]{50,}",
        r"SG\.[\w-]{16,}\.[\w-]{16,}",
        r"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{5,}",
    )
)
_SHAPES: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "secret:pem",
        re.compile(
            r"(?P<v>-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"
            r"(?:(?:(?!-----BEGIN)[\s\S]){0,20000}?-----END (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"
            r"|(?:[A-Za-z0-9+/=\s]|\\n)*))"
        ),
    ),
    ("secret:token", re.compile(rf"(?<![\w-])(?P<v>{_TOKENS})(?![\w-])")),
    ("secret:url", re.compile(r"\b[a-zA-Z][\w+.-]{0,20}://[^\s/:@\"'‹]{0,200}:(?P<v>[^\s/@\"'‹›{}$<>]+)@")),
    (
        "secret:header",
        re.compile(
            r"(?i)\b(?:authorization|proxy-authorization|x-api-key|x-auth-token)[\"']?\s*[:=]\s*[\"']?"
            r"(?:(?:bearer|basic|token|digest)\s+(?P<v>[^\s\"',;‹{}$<>]{6,})|(?P<w>(?=[\w.+/=-]*\d)[\w.+/=-]{12,}))"
            r"|\bbearer\s+(?P<x>(?=[\w.+/~=-]*\d)[\w.+/~=-]{16,})"
        ),
    ),
    # As in a shell or an environment file: no blanks around the sign, nothing of a programming language in the value.
    (
        "secret:value",
        re.compile(
            r"\b[A-Z0-9_]{0,40}(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?)"
            r"=(?P<v>(?![$<‹])[^\s\"'`,;()\[\]{}<>$‹›]{6,})(?![(\[])"
        ),
    ),
    # A quoted value beside a name: of a password any, of others only what is no word or name of a programming language.
    ("secret:value", re.compile(rf"(?i)\b{_NAME}[\"']?\s*[:=]\s*(?P<q>[\"'])(?P<v>[^\s\"'‹›{{}}$<>%()]{{6,}})(?P=q)")),
)


def shapes(text: str, marks: Marks) -> str:
    """Takes out what looks like a secret: tokens of well-known services, private keys, passwords in addresses,
    authorisation headers, and values beside a name that says so."""

    def blanked(kind: str) -> Callable[[re.Match[str]], str]:
        def replace(match: re.Match[str]) -> str:
            group = next(name for name in ("v", "w", "x") if name in match.re.groupindex and match[name] is not None)
            value = match[group]
            if "q" in match.re.groupindex and not _literal(match[0], value):
                return match[0]
            start, end = match.start(group) - match.start(), match.end(group) - match.start()
            return f"{match[0][:start]}{marks.of(kind, value)}{match[0][end:]}"

        return replace

    for kind, pattern in _SHAPES:
        text = pattern.sub(blanked(kind), text)
    return text


def _literal(match: str, value: str) -> bool:
    """Whether a quoted value is likely a secret and not a word of a program."""
    if re.match(r"(?i)[\w.-]*pass", match):
        return True
    return bool(re.search(r"\d", value) and re.search(r"[A-Za-z]", value)) and len(value) >= 8


_EMAIL = re.compile(r"(?<![\w.+-])(?!git@)(?P<v>[A-Za-z0-9][\w.+-]*@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,})(?![\w-])")
_NOBODY = re.compile(r"(?i)@(?:.*\.)?(?:example\.(?:com|org|net)|[\w.-]*\.(?:example|test|invalid|localhost))$")
_EVERYBODY = {
    "root", "user", "users", "ubuntu", "debian", "admin", "runner", "test", "tests", "agent", "dev", "app", "node", "work", "home",
    "code", "main", "localhost",
}  # fmt: skip
"""Names of accounts and machines that say nothing, and that code is full of."""


def identities(home: str, user: str, host: str) -> Layer:
    """Takes out where this user's files are, who they are, what the machine is called, and e-mail addresses.

    Addresses of the domains that are there for examples stay; so do account and host names that anybody may have.
    """
    names = [(kind, name) for kind, name in (("host", host), ("user", user)) if _says_something(name)]
    patterns = [(kind, re.compile(rf"(?<![\w‹]){re.escape(name)}(?![\w›])")) for kind, name in names]
    if len(home) > len("/root") and home.count("/") >= 2:
        patterns.insert(0, ("home", re.compile(rf"{re.escape(home)}(?![\w-])")))

    def layer(text: str, marks: Marks) -> str:
        for kind, pattern in patterns:
            text, places = pattern.subn(f"‹{kind}›", text)
            if places:
                marks.counts[kind] += places
        return _EMAIL.sub(lambda m: m[0] if _NOBODY.search(m["v"]) else marks.of("email", m["v"]), text)

    return layer


def of_this_machine(secrets: Sequence[str]) -> dict[str, Layer]:
    """The layers of an export, by name."""
    import getpass

    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # an account without a name
        user = ""
    names = identities(str(Path.home()), user, os.uname().nodename.partition(".")[0])
    return {EXACT: exact(secrets), SHAPES: shapes, IDENTITIES: names}


def sha256_of(text: str) -> str:
    """SHA-256 (hex) of a text; half characters, which models write too, count as they are."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _says_something(name: str) -> bool:
    return len(name) >= LEAST_CHARACTERS // 2 and name.lower() not in _EVERYBODY


@dataclass(frozen=True)
class Redacted:
    """A record without what was found, and the account of it."""

    record: dict[str, Any]
    """With ``redaction`` brought up to date."""
    texts: dict[str, str]
    """SHA-256 → text, under new digests where texts changed."""
    found: Mapping[str, int]
    """Kind → how many places were blanked now."""


def redact(record: Mapping[str, Any], texts: Mapping[str, str], layers: Mapping[str, Layer], marks: Marks) -> Redacted:
    """Every text of a record led through the layers, in order. Doing it twice changes nothing more.

    ``marks`` holds the placeholders that were given before; its counts must be fresh.
    """

    def cleaned(text: str) -> str:
        for layer in layers.values():
            text = layer(text, marks)
        return text

    marks.reserve([*texts.values(), *_strings(record)])
    moved: dict[str, str] = {}
    fresh: dict[str, str] = {}
    for digest, text in texts.items():
        new = cleaned(text)
        moved[digest] = digest if new == text else sha256_of(new)
        fresh[moved[digest]] = new

    def walk(value: Any, key: str = "") -> Any:
        if isinstance(value, str):
            return moved.get(value, value) if key in _STRUCTURE else cleaned(value)
        if isinstance(value, Mapping):
            return {
                (name if name.isidentifier() else cleaned(name)): walk(inner, name) for name, inner in value.items()
            }
        if isinstance(value, (list, tuple)):
            return [walk(inner, key) for inner in value]
        return value

    result: dict[str, Any] = walk({name: value for name, value in record.items() if name != "redaction"})
    before = record.get("redaction") or {}
    counts = Counter(before.get("found") or {}) + marks.counts
    done = [*dict.fromkeys([*(before.get("layers") or ()), *layers])]
    result["redaction"] = {"layers": done, "found": dict(sorted(counts.items()))}
    return Redacted(result, fresh, dict(sorted(marks.counts.items())))


def _strings(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _strings(inner)
