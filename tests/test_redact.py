"""What is taken out of records: exact secrets in every spelling, what looks like a secret, names of people and machines."""

from __future__ import annotations

import base64
import json
import string
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.dataset.redact import IDENTITIES, SHAPES, Marks, exact, identities, redact, sha256_of, shapes
from agent.dataset.scrub import says_secret, secrets_of

CHARACTERS = string.ascii_letters + string.digits + string.punctuation + " éß"
SECRET = st.text(CHARACTERS, min_size=8, max_size=60).map(str.strip)
SECRET = SECRET.filter(lambda s: len(s) > 7 and len(set(s)) > 4 and not s.isalpha())  # no common word
WRITTEN = {
    "as it is": lambda s: s,
    "base64": lambda s: base64.b64encode(s.encode()).decode(),
    "base64 for addresses": lambda s: base64.urlsafe_b64encode(s.encode()).decode(),
    "base64 after a user name": lambda s: base64.b64encode(f"ann:{s}".encode()).decode(),
    "base64 after another one": lambda s: base64.b64encode(f"anna:{s}\n".encode()).decode(),
    "in an address": lambda s: quote(s, safe=""),
    "in a form": quote_plus,
    "in JSON": lambda s: json.dumps(s)[1:-1],
    "in JSON, not ASCII": lambda s: json.dumps(s, ensure_ascii=False)[1:-1],
}


@given(secret=SECRET, way=st.sampled_from(sorted(WRITTEN)), before=st.sampled_from(["", "key: ", "x"]))
def test_no_spelling_of_a_secret_is_left(secret: str, way: str, before: str) -> None:
    (found,) = secrets_of({"OPENAI_API_KEY": secret})
    assert found == secret
    written = WRITTEN[way](secret)
    marks = Marks()
    text = exact([secret])(f"{before}{written} and {written}", marks)
    assert written not in text
    assert secret not in text
    assert text.count("‹secret:env:1›") == 2
    assert marks.counts["secret:env"] == 2


NAMES = {
    "OPENAI_API_KEY": True, "GITHUB_TOKEN": True, "PGPASSWORD": True, "AWS_SECRET_ACCESS_KEY": True, "NPM_AUTH": True,
    "SSH_PRIVATE_KEY": True, "DB_PASSWD": True, "GOOGLE_CREDENTIALS": True, "MY_KEY": True, "SMTP_PASS": True,
    "PATH": False, "PWD": False, "OLDPWD": False, "GIT_AUTHOR_NAME": False, "MAX_TOKENS": False, "KEYBOARD": False,
    "AGENT_API_KEY_ENV": False, "SSH_AUTH_SOCK": False, "TOKENIZERS_PARALLELISM": False, "PUBLIC_KEY": False,
}  # fmt: skip


@pytest.mark.parametrize(("name", "secret"), NAMES.items())
def test_the_name_of_a_variable_says_whether_it_is_secret(name: str, secret: bool) -> None:
    assert says_secret(name) is secret
    assert secrets_of({name: "rather-long-Value1"}) == (["rather-long-Value1"] if secret else [])


def test_what_is_no_secret_whatever_its_name(tmp_path: Path) -> None:
    env = {
        "A_TOKEN": "true",
        "B_TOKEN": "abc",
        "C_PASSWORD": "Password",
        "DATABASE_URL": "postgres://ann:hun-ter2@db/x",
    }
    (tmp_path / ".env").write_text(
        "# PLAIN=not this one\nexport STRIPE='s3cr3t value' # yes\nPORT=80008000\nAGENT_MODEL=some-model\nREGION_ID=eu-west-1 # yes\n"
    )
    assert secrets_of(env, tmp_path) == ["hun-ter2", "s3cr3t value", "eu-west-1"]
    assert secrets_of(env, tmp_path / "nowhere") == ["hun-ter2"]


def test_each_line_of_a_private_key_is_a_secret() -> None:
    lines = ["-----BEGIN THING-----", "QUJDREVGR0hJSktMTU5PUA", "cXJzdHV2d3h5ejAxMjM0NQ"]
    text = exact(secrets_of({"DEPLOY_KEY": "\n".join(lines) + "\n"}))(
        "\n".join(f"    {line}" for line in lines), Marks()
    )
    assert [line for line in lines if line in text] == []


# Put together here, so that no scanner of this repository takes them for real ones.
FAKE = "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8"
FOUND = {
    "OpenAI": (f"key sk-{'proj-'}{FAKE} here", "secret:token"),
    "GitHub": (f"ghp_{FAKE}", "secret:token"),
    "AWS": (f"id AKIA{'IOSFODNN7ABCDEFG'}.", "secret:token"),
    "Slack": (f"xoxb-{'123456789012'}-abc", "secret:token"),
    "JWT": ("eyJ" + "hbGciOiJIUzI1NiJ9.eyJ" + "zdWIiOiIxMjM0In0.c2lnbmF0dXJl", "secret:token"),
    "PEM": ("-----BEGIN RSA PRIVATE" + " KEY-----\nMIIEow\nIBAAK\n-----END RSA PRIVATE" + " KEY-----", "secret:pem"),
    "PEM cut off": ("-----BEGIN PRIVATE" + " KEY-----\nMIIEowIBAAK\n", "secret:pem"),
    "address": ("postgres://ann:hun-ter2@db.internal/x", "secret:url"),
    "header": (f"Authorization: Bearer {FAKE}", "secret:header"),
    "header in JSON": ('"Authorization": "Basic ' + "YW5uOmh1bnRlcjI=" + '"', "secret:header"),
    "bearer": (f"send bearer {FAKE}", "secret:header"),
    "shell": ("export DB_PASSWORD=hunter2!", "secret:value"),
    "python": ('password = "hunter22"', "secret:value"),
    "json": ('{"api_key": "abcd1234"}', "secret:value"),
}


@pytest.mark.parametrize("name", FOUND)
def test_what_looks_like_a_secret_is_blanked_once(name: str) -> None:
    text, kind = FOUND[name]
    marks = Marks()
    done = shapes(text, marks)
    assert dict(marks.counts) == {kind: 1}
    assert f"‹{kind}:1›" in done
    for part in (FAKE, "hun-ter2", "hunter2", "abcd1234", "MIIEow", "IOSFODNN7", "YW5uOmh1bnRlcjI", "zdWIiOiIxMjM0In0"):
        assert part not in done
    assert shapes(done, Marks()) == done


BENIGN = """\
commit 9533417c0ffee1234567890abcdef1234567890ab
sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
123e4567-e89b-12d3-a456-426614174000
token = tokens[0]
self.token = token
return Token(kind="NUMBER", token="identifier")
def login(user: str, password: str) -> None:
password = getpass.getpass("Password: ")
SECRET_KEY = os.environ["SECRET_KEY"]
API_KEY=$OPENAI_API_KEY
API_KEY=<your key>
max_tokens=32000
key=lambda pair: pair[1]
PRIMARY_KEY=id
https://example.com/a:b@c
https://example.com/path?x=1
git@github.com:owner/name.git
ssh://git@host/name.git
Authorization is required
the header Authorization: required
a bearer of bad news
task-1234567890-abcdefghijklm
.sk-fading-circle-child-before-after { color: red }
-----BEGIN CERTIFICATE-----
print("ann@example.com", "bob@mail.test")
@pytest.mark.parametrize("x", [1])
/home/ann/notes.txt
x = "‹secret:env:1›"
"""
WHO = identities("/home/jdoe-private", "jdoe", "thinkpad-7")


@pytest.mark.parametrize("line", BENIGN.splitlines())
def test_code_and_digests_stay_as_they_are(line: str) -> None:
    marks = Marks()
    assert WHO(shapes(line, marks), marks) == line
    assert not marks.counts


def test_people_and_machines_are_blanked_but_not_words_that_hold_their_names() -> None:
    marks = Marks()
    text = "/home/jdoe-private/x /home/jdoe-private2/x jdoe@thinkpad-7 jdoes thinkpad-71 j@corp.io k@corp.io j@corp.io"
    done = WHO(text, marks)
    assert done == ("‹home›/x /home/‹user›-private2/x ‹user›@‹host› jdoes thinkpad-71 ‹email:1› ‹email:2› ‹email:1›")
    assert marks.counts == {"home": 1, "user": 2, "host": 1, "email": 3}
    assert WHO(done, Marks()) == done
    assert (
        identities("/root", "root", "localhost")("root of /root on localhost", Marks()) == "root of /root on localhost"
    )


def test_a_record_keeps_its_joints_and_a_second_time_changes_nothing() -> None:
    said = 'password = "hunter22" from j@corp.io'
    texts = {sha256_of(text): text for text in (said, "plain")}
    call = {"key": "j@corp.io", "answer": sha256_of(said), "messages": [{"role": "user", "sha256": sha256_of("plain")}]}
    record = {"schema": "run/1", "run": "r", "calls": [call], "of": {"a/j@corp.io": 1}, "unknown": ["j@corp.io", 7]}
    layers = {SHAPES: shapes, IDENTITIES: WHO}
    once = redact(record, texts, layers, Marks())
    (made,) = once.record["calls"]
    assert once.texts[made["answer"]] == 'password = "‹secret:value:1›" from ‹email:1›'
    assert all(sha256_of(text) == digest for digest, text in once.texts.items())
    assert made["messages"] == call["messages"]
    assert made["key"] == "j@corp.io", "the program's own word"
    assert (once.record["of"], once.record["unknown"]) == ({"a/‹email:1›": 1}, ["‹email:1›", 7])
    assert once.record["redaction"] == {"layers": [SHAPES, IDENTITIES], "found": {"email": 3, "secret:value": 1}}
    twice = redact(once.record, once.texts, layers, Marks())
    assert (twice.record, twice.texts, twice.found) == (once.record, once.texts, {})


@pytest.mark.timeout(60)  # quadratic time would take minutes
@pytest.mark.parametrize("piece", ["a-", "a.", "A_KEY", "x://", "://", "a:", "token=", "eyJaaaaaaaaaa.", "sk-", "a@b."])
def test_a_hostile_text_takes_no_longer_than_another(piece: str) -> None:
    text = piece * (60_000 // len(piece))
    assert WHO(shapes(text, Marks()), Marks())


def test_new_placeholders_take_no_number_that_is_taken() -> None:
    texts = {sha256_of("‹email:4› k@corp.io"): "‹email:4› k@corp.io"}
    done = redact({"schema": "run/1"}, texts, {IDENTITIES: WHO}, Marks())
    assert list(done.texts.values()) == ["‹email:4› ‹email:5›"]
