"""The command line."""

import os
import subprocess
import sys

import pytest

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([os.getcwd(), *filter(None, sys.path)]), "PYTHONUTF8": "1"}

FERRY = """# Boats
let free = 2;
let wide = length > 7 or weight > 3_500;

rule "vehicle" when kind in ("bike", "car") {
    add 40;
    add 1.5 * max(0, passengers - free);
}
rule "late" when hour >= 21 or hour < 5 { scale 9_0%; }
rule "oversize" when wide { reject "ask at the harbour"; }
rule "bounds" { floor 6; cap 99; stop; }
"""


@pytest.fixture
def run(tmp_path):
    (tmp_path / "ferry.tariff").write_bytes(FERRY.encode())

    def call(*arguments, stdin=""):
        return subprocess.run(
            [sys.executable, "-m", "tariff", *arguments],
            cwd=tmp_path,
            env=ENVIRONMENT,
            input=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )

    return call


CAR = '{"kind": "car", "passengers": 4, "length": 4, "weight": 900, "hour": 23}\n'


def test_check(run):
    done = run("check", "ferry.tariff")
    assert (done.returncode, done.stdout, done.stderr) == (0, "rules: 4\n", "")


def test_price(run):
    done = run("price", "ferry.tariff", stdin=CAR + "\n" + CAR.replace("900", "3501"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "38.70\nrejected: ask at the harbour\n", "")


def test_steps(run):
    done = run("price", "ferry.tariff", "--steps", stdin=CAR)
    assert done.stdout == (
        "  vehicle: add 40 -> 40.00\n"
        "  vehicle: add 1.5 * max(0, passengers - free) -> 43.00\n"
        "  late: scale 0.9 -> 38.70\n"
        "  bounds: floor 6 -> 38.70\n"
        "  bounds: cap 99 -> 38.70\n"
        "  bounds: stop -> 38.70\n"
        "38.70\n"
    )


def test_records_that_fail_are_reported_by_line_and_the_rest_is_priced(run):
    done = run(
        "price",
        "ferry.tariff",
        "--steps",
        stdin="\n"
        + '{"kind": "car", "hour": 1}\n'
        + "oops\n[1]\n\n"
        + '{"kind": "bus", "hour": 7, "length": 1, "weight": 1}\n',
    )
    assert done.returncode == 1
    assert (
        done.stdout
        == "error\nerror\nerror\n  bounds: floor 6 -> 6.00\n  bounds: cap 99 -> 6.00\n  bounds: stop -> 6.00\n6.00\n"
    )
    first, *others = done.stderr.splitlines()
    assert first.startswith("record 2: ferry.tariff:7:22: ")
    assert others == ["record 3: not a JSON object", "record 4: not a JSON object"]


def test_json_numbers_are_decimals_as_written(run, tmp_path):
    (tmp_path / "x.tariff").write_text('rule "a" { add x; }')
    done = run("price", "x.tariff", stdin='{"x": 1.00500000000000000000001}\n{"x": 1.0049999999999999999999}\n')
    assert done.stdout == "1.01\n1.00\n"


def test_normal(run, tmp_path):
    (tmp_path / "n.tariff").write_bytes('# é\r\nrule "é" {add 1_0;}'.encode())
    done = run("normal", "n.tariff")
    assert (done.returncode, done.stdout) == (0, 'rule "é" {\n    add 10;\n}\n')


@pytest.mark.parametrize("command", ["check", "normal", "price"])
def test_a_tariff_that_cannot_be_read(run, tmp_path, command):
    (tmp_path / "bad.tariff").write_bytes(b'rule "a" {\r\n\tadd 1 }\r\n')
    done = run(command, "bad.tariff", stdin="{}\n")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("bad.tariff:2:8: ")
    assert "Traceback" not in done.stderr


def test_a_file_that_is_not_there(run):
    done = run("check", "none.tariff")
    assert done.returncode == 2
    assert done.stderr.startswith("none.tariff: ")
    assert "Traceback" not in done.stderr
