"""What commands do and how they are answered."""

import os
import random
import subprocess
import sys

import pytest

ROOT = os.getcwd()


@pytest.fixture
def stockroom(tmp_path):
    def run(*lines, options=(), status=0):
        path = os.pathsep.join(filter(None, [ROOT, os.environ.get("PYTHONPATH")]))
        done = subprocess.run(
            [sys.executable, "-m", "stockroom", "s.json", *options],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": path, "PYTHONUTF8": "1"},
            input="".join(f"{line}\n" for line in lines),
            capture_output=True,
            encoding="utf-8",
            timeout=20,
            check=False,
        )
        assert (done.stderr, done.returncode) == ("", status)
        return done.stdout.splitlines()

    return run


def test_receiving(stockroom):
    lines = ["receive tea 10 A 2026-05-01", "receive tea 5 B", "receive  ham  1  A ", "receive tea 7 A 2026-05-01"]
    assert stockroom(*lines, "receive tea 1 B", "stock") == [
        *(["ok"] * 5),
        "ham A 1 free 1",
        "tea A 17 free 17 expires 2026-05-01",
        "tea B 6 free 6",
    ]


def test_a_lot_keeps_its_expiry(stockroom):
    lines = ["receive tea 1 A 2026-05-01", "receive tea 1 B", "receive tea 1 A", "receive tea 1 B 2026-05-01"]
    assert stockroom(*lines, "receive tea 1 A 2026-05-02", "stock tea", status=1)[2:] == [
        "line 3: lot A of tea expires on 2026-05-01",
        "line 4: lot B of tea never expires",
        "line 5: lot A of tea expires on 2026-05-01",
        "tea A 1 free 1 expires 2026-05-01",
        "tea B 1 free 1",
    ]


def test_lots_are_taken_by_expiry_then_by_arrival(stockroom):
    lots = ["n1", "z 2026-05-02", "y 2026-05-01", "n0", "a 2026-05-02", "b 2026-05-01"]
    lines = [f"receive x 2 {lot}" for lot in lots]
    assert stockroom(*lines, "receive x 1 y 2026-05-01", "reserve o 2026-01-01 x 10", "ship o")[8:] == [
        "pick x y 3",
        "pick x b 2",
        "pick x z 2",
        "pick x a 2",
        "pick x n1 1",
        "ok",
    ]
    assert stockroom("stock") == ["x n1 1 free 1", "x n0 2 free 2"]


def test_a_lot_that_was_gone_is_new(stockroom):
    lines = ["receive x 1 a", "receive x 1 b", "count x a 0", "receive x 1 a", "stock"]
    assert stockroom(*lines)[4:] == ["x b 1 free 1", "x a 1 free 1"]


def test_expired_lots_are_not_reserved(stockroom):
    lines = ["receive x 1 a 2026-05-01", "receive x 1 b 2026-05-02", "receive x 1 c"]
    assert stockroom(*lines, "reserve o 2026-05-01 x 3", "reserve o 2026-05-01 x 2", "ship o", status=1)[3:] == [
        "line 4: short of x by 1",
        "ok",
        "pick x b 1",
        "pick x c 1",
        "ok",
    ]


def test_a_reservation_is_whole_or_not_at_all(stockroom):
    lines = ["receive x 5 a", "receive y 1 a", "reserve o1 2026-01-01 x 2"]
    lines += ["reserve o2 2026-01-01 y 3 x 1 z 4 y 1 x 9", "reserve o4 2026-01-01 x 1 y 9", "orders"]
    lines += ["reserve o3 2026-01-01 x 1 y 1 x 2", "orders", "stock"]
    assert stockroom(*lines, status=1)[3:] == [
        "line 4: short of y by 3, short of x by 7, short of z by 4",
        "line 5: short of y by 8",
        "o1 x 2",
        "ok",
        "o1 x 2",
        "o3 x 3",
        "o3 y 1",
        "x a 5 free 0",
        "y a 1 free 0",
    ]


def test_an_order_may_reserve_again(stockroom):
    lines = [
        "receive x 2 a",
        "receive x 5 b",
        "reserve o 2026-01-01 x 1",
        "reserve o 2026-01-01 x 3",
        "orders",
        "ship o",
    ]
    assert stockroom(*lines)[4:] == ["o x 4", "pick x a 2", "pick x b 2", "ok"]


def test_releasing(stockroom):
    lines = [f"receive x 2 {lot}" for lot in ("c", "a 2026-03-01", "b 2026-04-01")]
    lines += ["receive y 3 a", "reserve o 2026-01-01 x 5 y 2", "release o x 2", "stock x", "release o y", "orders"]
    assert stockroom(*lines, "release o x 3", "orders", "ship o", status=1)[5:] == [
        "ok",
        "x a 2 free 0 expires 2026-03-01",
        "x b 2 free 1 expires 2026-04-01",
        "x c 2 free 2",
        "ok",
        "o x 3",
        "ok",
        "line 12: no order o",
    ]


def test_releasing_everything_or_too_much(stockroom):
    lines = [
        "receive x 5 a",
        "receive y 5 a",
        "reserve o 2026-01-01 x 3 y 1",
        "release o x 4",
        "release o z",
        "release o y 2",
    ]
    assert stockroom(*lines, "orders", "release o", "orders", "stock", status=1)[3:] == [
        "line 4: the order has 3 of x",
        "line 5: the order has 0 of z",
        "line 6: the order has 1 of y",
        "o x 3",
        "o y 1",
        "ok",
        "x a 5 free 5",
        "y a 5 free 5",
    ]


def test_lots_that_expire_or_go_stay_reserved_as_they_are(stockroom):
    lines = [
        "receive x 5 a 2026-03-01",
        "reserve o 2026-01-01 x 2",
        "receive x 9 b 2026-02-01",
        "scrap 2026-03-01",
        "stock",
    ]
    assert stockroom(*lines, "scrap 2026-03-01", "ship o", "stock")[3:] == [
        "scrap x b 9",
        "scrap x a 3",
        "ok",
        "x a 2 free 0 expires 2026-03-01",
        "ok",
        "pick x a 2",
        "ok",
    ]


def test_scrapping_looks_at_the_day(stockroom):
    lines = [
        "receive y 1 a 2026-03-01",
        "receive x 1 b 2026-03-02",
        "receive x 1 c",
        "scrap 2026-02-28",
        "scrap 2026-03-01",
    ]
    assert stockroom(*lines, "stock")[3:] == [
        "ok",
        "scrap y a 1",
        "ok",
        "x b 1 free 1 expires 2026-03-02",
        "x c 1 free 1",
    ]


def test_counting(stockroom):
    lines = [
        "receive x 5 a",
        "reserve o 2026-01-01 x 3",
        "count x a 2",
        "count x a 3",
        "stock",
        "count x a 9",
        "stock x",
    ]
    lines += ["count x b 1", "count y a 1", "release o", "count x a 0", "stock", "stock x"]
    assert stockroom(*lines, status=1)[2:] == [
        "line 3: 3 are reserved",
        "ok",
        "x a 3 free 0",
        "ok",
        "x a 9 free 6",
        "line 8: no lot b of x",
        "line 9: no lot a of y",
        "ok",
        "ok",
        "line 13: no x",
    ]


def test_shipping_is_by_sku(stockroom):
    lines = ["receive z 1 a", "receive b 1 q", "receive B 1 a", "reserve o 2026-01-01 z 1 b 1 B 1", "ship o", "ship o"]
    assert stockroom(*lines, status=1)[4:] == ["pick B a 1", "pick b q 1", "pick z a 1", "ok", "line 6: no order o"]


@pytest.mark.parametrize(
    ("usage", "lines"),
    [
        ("receive SKU QTY LOT [DAY]", ["", "x 1", "x 0 a", "x -1 a", "x 1000001 a", "x 1.0 a", "x ١ a", "x/y 1 a"]),
        ("receive SKU QTY LOT [DAY]", ["x 1 a 2026-02-29", "x 1 a 2026-3-1", "x 1 a 20260301", "x 1 a 2026-03-01 b"]),
        (
            "reserve ORDER DAY SKU QTY [SKU QTY ...]",
            ["o 2026-01-01", "o 2026-01-01 x", "o 2026-01-01 x 1 y", "o x 1 1"],
        ),
        ("release ORDER [SKU [QTY]]", ["", "o x 0", "o x 1 2", "é"]),
        ("ship ORDER", ["", "o p", "o,p"]),
        ("count SKU LOT QTY", ["x a", "x a -1", "x a 1 1"]),
        ("scrap DAY", ["", "today", "2026-13-01", "2026-01-01 x"]),
        ("stock [SKU]", ["x y", "x:"]),
        ("orders", ["o"]),
    ],
)
def test_usage(stockroom, usage, lines):
    verb = usage.split()[0]
    given = ["receive x 1000000 a", *(f"{verb} {words}" for words in lines)]
    assert stockroom(*given, status=1) == ["ok", *(f"line {n}: usage: {usage}" for n, _ in enumerate(lines, 2))]


def test_lines_that_are_no_commands(stockroom):
    lines = ["# receive x 1 a", "", "  # x", "Receive x 1 a", "  orders", "undo now"]
    assert stockroom(*lines, status=1) == ["line 4: unknown command 'Receive'", "line 6: unknown command 'undo'"]


def test_the_first_reason_that_applies(stockroom):
    lines = ["receive x 1 a", "release o x 0", "release o q 5", "count x b 0", "stock q"]
    assert stockroom(*lines, status=1)[1:] == [
        "line 2: usage: release ORDER [SKU [QTY]]",
        "line 3: no order o",
        "line 4: no lot b of x",
        "line 5: no q",
    ]


def test_goods_are_neither_made_nor_lost(stockroom):
    rng = random.Random(99)
    lines, inside = [], dict.fromkeys("xyz", 0)
    for _ in range(400):
        sku, order = rng.choice("xyz"), rng.choice("opqr")
        day = f"2026-0{rng.randrange(1, 6)}-01"
        lines.append(
            rng.choice(
                [
                    f"receive {sku} {rng.randrange(1, 9)} {rng.choice('abcd')}{day[6]} {day}",
                    f"receive {sku} {rng.randrange(1, 9)} n",
                    f"reserve {order} {day} {sku} {rng.randrange(1, 12)} {rng.choice('xyz')} 1",
                    f"release {order} {sku} {rng.randrange(1, 6)}",
                    f"ship {order}",
                    f"scrap {day}",
                ]
            )
        )
    answers = stockroom(*lines, status=1)
    for text in answers:
        words = text.split()
        if words[0] in ("pick", "scrap"):
            inside[words[1]] -= int(words[3])
    results = [text for text in answers if text == "ok" or text.startswith("line ")]
    for line, result in zip(lines, results, strict=True):
        if line.startswith("receive"):
            assert result == "ok"
            inside[line.split()[1]] += int(line.split()[2])
    reserved = dict.fromkeys("xyz", 0)
    for text in stockroom("stock"):
        sku, _, quantity, _, free, *_ = text.split()
        assert 0 <= int(free) <= int(quantity)
        inside[sku] -= int(quantity)
        reserved[sku] += int(quantity) - int(free)
    for text in stockroom("orders"):
        _, sku, quantity = text.split()
        reserved[sku] -= int(quantity)
    assert set(inside.values()) == set(reserved.values()) == {0}
