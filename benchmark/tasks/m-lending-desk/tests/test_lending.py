"""Tools, loans, and who waits."""

import http.client
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
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


def error(text, status=409):
    return status, {"error": text}


def tool(name, copies, free, kept=(), waiting=()):
    return {"name": name, "copies": copies, "free": free, "kept": list(kept), "waiting": list(waiting)}


def test_tools(ask):
    assert ask("GET", "/tools/saw") == error("no tool saw", 404)
    assert ask("PUT", "/tools/saw", {"copies": 0}) == (201, tool("saw", 0, 0))
    assert ask("PUT", "/tools/saw", {"copies": 3}) == (200, tool("saw", 3, 3))
    assert ask("GET", "/tools/saw") == (200, tool("saw", 3, 3))


def test_lists_of_tools(ask):
    for name in ("p-2", "p-10", "P-1", "p_3"):
        ask("PUT", f"/tools/{name}", {"copies": 1})
    assert [one["name"] for one in ask("GET", "/tools?prefix=p-")[1]] == ["p-10", "p-2"]
    names = [one["name"] for one in ask("GET", "/tools")[1]]
    assert names == sorted(names)
    assert {"p-2", "p-10", "P-1", "p_3"} <= set(names)


def test_loans_and_returns(ask):
    ask("PUT", "/tools/axe", {"copies": 2})
    status, loan = ask.lend("axe", "ann", 10)
    assert (status, loan) == (
        201,
        {"id": loan["id"], "tool": "axe", "member": "ann", "day": 10, "due": 24, "returned": None},
    )
    assert ask("GET", "/tools/axe") == (200, tool("axe", 2, 1))
    other = ask.lend("axe", "bo", 5)[1]
    assert other["id"] == loan["id"] + 1
    assert ask.give_back(loan["id"], 10) == (200, {"loan": {**loan, "returned": 10}, "late": 0, "fee": 0})
    assert ask("GET", "/loans?tool=axe") == (200, [{**loan, "returned": 10}, other])
    assert ask("GET", "/loans?tool=axe&open=yes") == (200, [other])
    assert ask("GET", "/loans?member=ann&open=no") == (200, [{**loan, "returned": 10}])
    assert ask("GET", "/loans?member=ann&tool=axe&open=yes") == (200, [])


def test_returns_that_are_refused(ask):
    ask("PUT", "/tools/awl", {"copies": 1})
    number = ask.lend("awl", "al", 7)[1]["id"]
    for unknown in ("99999", "x", "0", f"0{number}", "-1"):
        assert ask.give_back(unknown) == error(f"no loan {unknown}", 404)
    assert ask.give_back(number, 6) == error(f"loan {number} began on day 7")
    assert ask.give_back(number, 7)[0] == 200
    assert ask.give_back(number, 6) == error(f"loan {number} was returned")


def test_fees(ask):
    ask("PUT", "/tools/fee", {"copies": 1})
    for late, fee in [(0, 0), (1, 20), (7, 140), (8, 190), (24, 990), (25, 1000), (400, 1000)]:
        number = ask.lend("fee", "f", 100)[1]["id"]
        answer = ask.give_back(number, 114 + late)[1]
        assert (answer["late"], answer["fee"]) == (late, fee)


def test_what_a_member_may_not(ask):
    for name in ("m1", "m2", "m3", "m4"):
        ask("PUT", f"/tools/{name}", {"copies": 5})
    assert ask.lend("none", "max") == error("no tool none", 404)
    first = ask.lend("m2", "max", 0)[1]
    ask.lend("m1", "max", 0)
    assert ask.lend("m1", "max", 99) == error("max has this tool")
    assert ask.lend("m3", "max", 15) == error("max must return m2 first")
    ask.lend("m3", "max", 14)
    assert ask.lend("m4", "max", 14) == error("max has 3 loans")
    assert ask.lend("m4", "max", 15) == error("max must return m2 first")
    ask.give_back(first["id"], 20)
    assert ask.lend("m4", "max", 15) == error("max must return m1 first")
    assert ask.lend("m4", "max", 14)[0] == 201


def test_members_wait_and_copies_are_kept_in_their_order(ask):
    ask("PUT", "/tools/q", {"copies": 1})
    loan = ask.lend("q", "a")[1]
    assert ask.lend("q", "b") == (202, {"position": 1})
    assert ask.lend("q", "c") == (202, {"position": 2})
    assert ask.lend("q", "b") == (202, {"position": 1})
    ask.give_back(loan["id"])
    assert ask("GET", "/tools/q") == (200, tool("q", 1, 0, ["b"], ["c"]))
    assert ask.lend("q", "d") == (202, {"position": 2})
    assert ask.lend("q", "a") == (202, {"position": 3})
    status, loan = ask.lend("q", "b", 30)
    assert (status, loan["due"]) == (201, 44)
    assert ask("GET", "/tools/q") == (200, tool("q", 1, 0, [], ["c", "d", "a"]))


def test_more_copies_are_kept_at_once(ask):
    ask("PUT", "/tools/more", {"copies": 0})
    for member in "abc":
        ask.lend("more", f"more-{member}")
    assert ask("PUT", "/tools/more", {"copies": 2}) == (200, tool("more", 2, 0, ["more-a", "more-b"], ["more-c"]))
    assert ask("PUT", "/tools/more", {"copies": 5}) == (200, tool("more", 5, 2, ["more-a", "more-b", "more-c"]))
    assert ask.lend("more", "more-d")[0] == 201
    assert ask("PUT", "/tools/more", {"copies": 3}) == error("4 copies are in use")
    assert ask("PUT", "/tools/more", {"copies": 4}) == (200, tool("more", 4, 0, ["more-a", "more-b", "more-c"]))


def test_withdrawing(ask):
    ask("PUT", "/tools/w", {"copies": 0})
    for member in ("wa", "wb", "wc", "wd"):
        ask.lend("w", member)
    ask("PUT", "/tools/w", {"copies": 1})
    assert ask("DELETE", "/tools/w/waiting/wc") == (204, None)
    assert ask("DELETE", "/tools/w/waiting/wa") == (204, None)
    assert ask("GET", "/tools/w") == (200, tool("w", 1, 0, ["wb"], ["wd"]))
    assert ask("DELETE", "/tools/w/waiting/wa") == error("wa does not wait for w", 404)
    assert ask("DELETE", "/tools/none/waiting/wa") == error("no tool none", 404)
    assert ask("DELETE", "/tools/w/waiting/wd")[0] == 204
    assert ask("DELETE", "/tools/w/waiting/wb")[0] == 204
    assert ask("GET", "/tools/w") == (200, tool("w", 1, 1))


def test_a_copy_stays_kept_for_a_member_who_may_not_take_it(ask):
    for name in ("s1", "s2", "s3"):
        ask("PUT", f"/tools/{name}", {"copies": 1})
    held = [ask.lend(name, "sam", 0)[1]["id"] for name in ("s1", "s2")]
    loan = ask.lend("s3", "sue", 0)[1]
    assert ask.lend("s3", "sam", 0) == (202, {"position": 1})
    ask.give_back(loan["id"], 0)
    assert ask.lend("s3", "sam", 15) == error("sam must return s1 first")
    assert ask("GET", "/tools/s3") == (200, tool("s3", 1, 0, ["sam"]))
    for number in held:
        ask.give_back(number, 15)
    assert ask.lend("s3", "sam", 15)[0] == 201


def test_options():
    with service("--days", "2", "--limit", "1") as ask:
        ask("PUT", "/tools/a", {"copies": 1})
        ask("PUT", "/tools/b", {"copies": 1})
        assert ask.lend("a", "x", 5) == (
            201,
            {"id": 1, "tool": "a", "member": "x", "day": 5, "due": 7, "returned": None},
        )
        assert ask.lend("b", "x", 5) == error("x has 1 loans")
        assert ask.lend("b", "y", 5)[1]["id"] == 2
        assert ask("GET", "/loans")[1][1]["member"] == "y"


def test_many_clients_at_the_same_time(ask):
    ask("PUT", "/tools/busy", {"copies": 10})

    def hurry(number):
        client = Client(ask.port)
        results = []
        for turn in range(5):
            status, content = client.lend("busy", f"busy-{number}-{turn}")
            results.append(status)
            if status == 201 and turn % 2:
                client.give_back(content["id"])
        return results

    with ThreadPoolExecutor(8) as pool:
        statuses = [status for results in pool.map(hurry, range(8)) for status in results]
    assert set(statuses) <= {201, 202}
    loans = ask("GET", "/loans?tool=busy")[1]
    assert len(loans) == statuses.count(201)
    assert len({loan["id"] for loan in loans}) == len(loans)
    found = ask("GET", "/tools/busy")[1]
    lent = len(ask("GET", "/loans?tool=busy&open=yes")[1])
    assert lent + len(found["kept"]) + found["free"] == 10
    assert len(found["kept"]) + len(found["waiting"]) == statuses.count(202)
    assert not (found["free"] and found["waiting"])


def test_clients_that_keep_their_connection_do_not_stop_others(ask):
    assert ask("GET", "/tools?prefix=none") == (200, [])
    others = [Client(ask.port, keep=True) for _ in range(5)]
    for client in others:
        assert client("GET", "/tools?prefix=none") == (200, [])
    for client in others:
        assert client("GET", "/tools?prefix=none") == (200, [])
        client.connection.close()
