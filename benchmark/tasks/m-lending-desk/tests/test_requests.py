"""Pages, methods, forms, and repeated requests."""

import http.client
import json
import os
import subprocess
import sys
from contextlib import contextmanager

import pytest

ROOT = os.getcwd()


class Client:
    """Sends each request on a connection of its own, or, when it is to keep it, all on one."""

    def __init__(self, port, keep=False):
        self.port = port
        self.keep = keep
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)

    def raw(self, method, path, body=None, key=None):
        headers = {} if key is None else {"Idempotency-Key": key}
        self.connection.request(method, path, body, headers)
        response = self.connection.getresponse()
        text = response.read()
        if not self.keep:
            self.connection.close()
        return response, text

    def __call__(self, method, path, body=None, key=None):
        """Status and content; a body that is no bytes is sent as JSON."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        response, text = self.raw(method, path, data, key)
        return response.status, json.loads(text) if text else None

    def lend(self, tool, member, day=0, key=None):
        return self("POST", "/loans", {"tool": tool, "member": member, "day": day}, key)

    def give_back(self, number, day=0):
        return self("POST", f"/loans/{number}/return", {"day": day})


@contextmanager
def service(*options):
    path = os.pathsep.join(filter(None, [ROOT, os.environ.get("PYTHONPATH")]))
    process = subprocess.Popen(
        [sys.executable, "-m", "lendingdesk", *options],
        env={**os.environ, "PYTHONPATH": path, "PYTHONUTF8": "1"},
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    try:
        line = process.stdout.readline()
        assert line.startswith("listening on 127.0.0.1:")
        yield Client(int(line.rpartition(":")[2]))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture(scope="module")
def ask():
    """The service that all tests here share; their tools and members differ."""
    with service() as client:
        yield client


def error(text, status=400):
    return status, {"error": text}


def test_pages_that_do_not_exist(ask):
    for path in ("/", "/tool", "/tools/", "/tools/a/", "/loans/1", "/loans/1/return/", "/tools/a/waiting", "/TOOLS"):
        assert ask("GET", path) == error("no such page", 404)
    assert ask("POST", "/loans/", b"junk") == error("no such page", 404)


def test_methods_that_pages_do_not_have(ask):
    for method, path, allowed in [
        ("POST", "/tools", "GET"),
        ("DELETE", "/tools/a", "GET, PUT"),
        ("PUT", "/loans?x=1", "GET, POST"),
        ("GET", "/loans/1/return", "POST"),
        ("GET", "/tools/a/waiting/b", "DELETE"),
        ("PATCH", "/tools/!", "GET, PUT"),
    ]:
        response, text = ask.raw(method, path, b"junk" if method != "GET" else None)
        assert (response.status, response.headers["Allow"]) == (405, allowed)
        assert json.loads(text) == {"error": f"{method} is not possible here"}


def test_answers_are_json(ask):
    for method, path, body in [("GET", "/tools", None), ("GET", "/x", None), ("PUT", "/tools/json", b'{"copies": 1}')]:
        response, text = ask.raw(method, path, body)
        assert response.headers["Content-Type"].startswith("application/json")
        json.loads(text)


def test_bodies_that_are_no_objects(ask):
    for body in (None, b"", b"[]", b"7", b"{", b'{"copies": 1', b"\xff", b'{"copies": 1}}'):
        assert ask("PUT", "/tools/x", body) == error("the body is no JSON object")
        assert ask("POST", "/loans/1/return", body) == error("the body is no JSON object")
    assert ask("PUT", "/tools/!", b"[]") == error("the body is no JSON object")


def test_large_bodies(ask):
    full = b'{"copies": 1}'.ljust(10000)
    assert ask("PUT", "/tools/large", full)[0] == 201
    assert ask("PUT", "/tools/large", full + b" ") == error("the body is too large", 413)
    assert ask("PUT", "/x", full + b" ") == error("no such page", 404)
    assert ask("POST", "/tools", full + b" ")[0] == 405


def test_fields(ask):
    good = {"tool": "t", "member": "m", "day": 1}
    for changes, field in [
        ({"day": -1}, "day"),
        ({"day": True}, "day"),
        ({"day": 1.0}, "day"),
        ({"day": "1"}, "day"),
        ({"day": None, "member": 1}, "day"),
        ({"member": ""}, "member"),
        ({"member": "a b"}, "member"),
        ({"member": "é", "tool": 1}, "member"),
        ({"tool": "x" * 41}, "tool"),
        ({"tool": ["t"], "until": 1}, "tool"),
        ({"until": 1}, "until"),
        ({"a": 1, "day": -1}, "a"),
    ]:
        assert ask("POST", "/loans", {**good, **changes}) == error(f"bad field '{field}'")
    assert ask("POST", "/loans", {"tool": "t"}) == error("bad field 'day'")
    for copies in (-1, 1001, True, 2.0, "1", None):
        assert ask("PUT", "/tools/!", {"copies": copies}) == error("bad field 'copies'")
    assert ask("POST", "/loans/x/return", {}) == error("bad field 'day'")


def test_names_in_paths(ask):
    for name in ("a.b", "a%20b", "x" * 41, "a,b"):
        shown = name.replace("%20", " ")
        assert ask("GET", f"/tools/{name}") == error(f"bad name '{shown}'")
        assert ask("PUT", f"/tools/{name}", {"copies": 1}) == error(f"bad name '{shown}'")
        assert ask("DELETE", f"/tools/none/waiting/{name}") == error(f"bad name '{shown}'")
    assert ask("GET", f"/tools/{'x' * 40}") == error(f"no tool {'x' * 40}", 404)


def test_parameters(ask):
    for path, name in [
        ("/tools?member=a", "member"),
        ("/tools?prefix=", "prefix"),
        ("/tools?prefix=a&prefix=a", "prefix"),
        ("/tools/x?prefix=a", "prefix"),
        ("/loans?open=true", "open"),
        ("/loans?open=yes&open=yes", "open"),
        ("/loans?tool=a%20b&member=", "member"),
        ("/loans?tool=a&x=1&day=1", "day"),
    ]:
        assert ask("GET", path) == error(f"bad parameter '{name}'")
    assert ask("GET", "/loans?member=nobody&tool=nothing&open=no") == (200, [])


def test_a_connection_can_be_used_again_after_refusals(ask):
    kept = Client(ask.port, keep=True)
    for _ in range(3):
        assert kept("POST", "/nowhere", b'{"day": 1}')[0] == 404
        assert kept("DELETE", "/loans", b"some body")[0] == 405
        assert kept("PUT", "/tools/again", b"junk")[0] == 400
        assert kept("GET", "/tools?prefix=again") == (200, [])
    kept.connection.close()


def test_a_repeated_request_is_carried_out_once(ask):
    ask("PUT", "/tools/rep", {"copies": 2})
    first = ask.lend("rep", "rep1", 3, key="k1")
    assert first[0] == 201
    assert ask.lend("rep", "rep1", 3, key="k1") == first
    assert ask("GET", "/tools/rep")[1]["free"] == 1
    assert ask.lend("rep", "rep1", 3) == error("rep1 has this tool", 409)
    assert ask.lend("rep", "rep1", 3, key="k2") == error("rep1 has this tool", 409)
    assert ask.give_back(first[1]["id"], 4)[0] == 200
    assert ask.lend("rep", "rep1", 3, key="k1") == first
    assert ask.lend("rep", "rep1", 3, key="k2") == error("rep1 has this tool", 409)
    assert ask("GET", "/tools/rep")[1]["free"] == 2


def test_a_key_is_for_one_request(ask):
    assert ask("POST", "/loans", b"junk", key="k3") == error("the body is no JSON object")
    assert ask("POST", "/loans", b"junk ", key="k3") == error("the key was used for another request", 422)
    assert ask("POST", "/loans/1/return", b"junk", key="k3") == error("the key was used for another request", 422)
    assert ask("POST", "/loans", b"junk", key="k3") == error("the body is no JSON object")
    assert ask("POST", "/loans", b"junk", key="K3") == error("the body is no JSON object")


def test_keys_matter_only_where_posts_are_possible(ask):
    assert ask("POST", "/tools", b"a", key="k4")[0] == 405
    assert ask("POST", "/nowhere", b"a", key="k4")[0] == 404
    assert ask("POST", "/loans", b"x" * 10001, key="k4")[0] == 413
    assert ask("PUT", "/tools/k4", {"copies": 1}, key="k4")[0] == 201
    assert ask("PUT", "/tools/k4", {"copies": 2}, key="k4")[0] == 200
    assert ask("POST", "/loans", b"b", key="k4") == error("the body is no JSON object")
    assert ask("PUT", "/tools/k4", {"copies": 3}, key="k4")[1]["copies"] == 3
