"""What must never be in a record: the exact values of this environment's secrets, however they were written down."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, quote_plus

LEAST_CHARACTERS = 6
"""Of a value that is searched for: shorter ones occur by chance."""
_LEAST_LINE = 16
"""Characters of one line of a value of several lines, such as a private key, that is searched for by itself."""

_SECRET_NAME = re.compile(
    r"API_?KEY|ACCESS_?KEY|SECRET|TOKEN(?!S(?:_|$)|IZER)|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|PRIVATE"
    r"|(?:^|_)(?:AUTH|PASS|PWD|DSN|COOKIE)(?:_|$)|KEYS?$|(?:^|_)KEY_"
)
_HARMLESS_NAME = re.compile(r"^(?:OLD)?PWD$|AUTH_SOCK$|PUBLIC_?KEY|_KEY_(?:ENV|FILE|PATH|ID)$")
_COMMON = {
    "true", "false", "none", "null", "enabled", "disabled", "default", "localhost", "password", "secret", "changeme", "example",
    "testing", "production", "development", "staging", "passed", "failed", "error", "planned", "declined", "cancelled", "limit",
    "interrupted", "system", "assistant", "message", "messages", "content", "component", "requirements", "strategy", "python",
    "plain", "guided", "native", "recording", "stepgraph",
}  # fmt: skip
"""Words that some people have as values of such variables; blanking them would leave no text whole."""
_USERINFO = re.compile(r"[a-zA-Z][\w+.-]*://[^\s/:@]*:([^\s/@]+)@")
_ENTRY = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.]*)\s*=\s*(.*?)\s*$")


def secrets_of(env: Mapping[str, str], directory: Path | None = None) -> list[str]:
    """The values to take out, in a stable order: of variables whose name says that they are secret, passwords in
    addresses, and the entries of ``.env`` in ``directory``. Short values, plain numbers and common words are none."""
    found: dict[str, None] = {}
    for name, value in sorted(env.items()):
        if says_secret(name):
            found.update(dict.fromkeys(_values(value)))
        found.update((match[1], None) for match in _USERINFO.finditer(value) if _telling(match[1]))
    for name, value in _dotenv(directory) if directory else ():
        if says_secret(name) or not (name.startswith("AGENT_") or re.fullmatch(r"[\d.,:\s]*", value)):
            found.update(dict.fromkeys(_values(value)))
    return list(found)


def says_secret(name: str) -> bool:
    """Whether a variable of that name holds a secret, as far as its name says."""
    upper = name.upper()
    return bool(_SECRET_NAME.search(upper)) and not _HARMLESS_NAME.search(upper)


def spellings(secret: str) -> list[str]:
    """The ways in which a value may stand in a text: as it is, escaped for JSON, URL-encoded, in base64 alone or within
    something longer. The longest first."""
    data = secret.encode("utf-8", "surrogateescape")
    found = {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    for url in (quote(data, safe=""), quote(data), quote_plus(data)):
        found |= {url, re.sub(r"%..", lambda m: m[0].lower(), url)}
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        whole = encode(data).decode()
        found |= {whole, whole.rstrip("=")}
        for before in range(
            3
        ):  # what stands before it shifts the digits; those it alone decides are the same everywhere
            digits = encode(b"\0" * before + data).decode()
            found.add(digits[-(-before * 8 // 6) : (before + len(data)) * 8 // 6])
    return sorted((s for s in found if len(s) >= LEAST_CHARACTERS), key=lambda s: (-len(s), s))


def _values(value: str) -> Iterator[str]:
    """A value and, of several lines, each line that tells something by itself."""
    value = value.strip()
    if _telling(value):
        yield value
    lines = value.replace("\\n", "\n").splitlines()
    yield from (line.strip() for line in lines if len(lines) > 1 and len(line.strip()) >= _LEAST_LINE)


def _telling(value: str) -> bool:
    return len(value) >= LEAST_CHARACTERS and value.lower() not in _COMMON


def _dotenv(directory: Path) -> Iterator[tuple[str, str]]:
    try:
        text = (directory / ".env").read_text("utf-8", "surrogateescape")
    except OSError:
        return
    for line in text.splitlines():
        if entry := _ENTRY.match(line):
            value = entry[2]
            quoted = re.match(r"""(["'])(.*?)\1""", value)
            yield entry[1], quoted[2] if quoted else re.sub(r"\s+#.*$", "", value)
