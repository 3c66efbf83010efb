"""Values and records, in both directions."""

import csv
import io
import os
import random
import subprocess
import sys

ROOT = os.getcwd()


def run(where, layout, direction, data):
    (where / "plan").write_text(layout, encoding="utf-8")
    (where / "data").write_bytes(data.encode())
    path = os.pathsep.join(filter(None, [ROOT, os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-m", "colfix", direction, "plan", "data"],
        cwd=where,
        env={**os.environ, "PYTHONPATH": path, "PYTHONUTF8": "1"},
        capture_output=True,
        timeout=20,
        check=False,
    )
    return done.stdout.decode(), done.stderr.decode(), done.returncode


def test_text_keeps_blanks_at_its_start_only(tmp_path):
    out, err, status = run(tmp_path, "a 5 text\nb 3 text\n", "to-csv", "  x  yes\nab\n")
    assert (out, err, status) == ("a,b\n  x,yes\nab,\n", "", 0)


def test_a_place_is_a_character(tmp_path):
    out, _, _ = run(tmp_path, "a 4 text\nb 3 int\n", "to-csv", "Zoë   7\n")
    assert out == "a,b\nZoë,7\n"
    out, _, _ = run(tmp_path, "a 4 text\nb 3 int\n", "to-fixed", "a,b\nZoë,7\n")
    assert out == "Zoë   7\n"


def test_ints_are_read(tmp_path):
    table = {"  42 ": "42", "00042": "42", "+7   ": "7", "-0007": "-7", "-0   ": "0", "     ": "", "   -0": "0"}
    out, err, status = run(tmp_path, "n 5 int\nx 1 text\n", "to-csv", "".join(f"{field}.\n" for field in table))
    assert (err, status) == ("", 0)
    assert out.splitlines() == ["n,x", *(f"{value},." for value in table.values())]


def test_ints_that_are_none(tmp_path):
    fields = ["4 2", "- 7", "1.0", "٣", "--1", "0x1", "1_0"]
    out, err, status = run(tmp_path, "n 5 int\n", "to-csv", "".join(f" {field}\n    1\n" for field in fields))
    assert (out.split(), status) == (["n", *("1" for _ in fields)], 1)
    assert err.splitlines() == [f"line {2 * i + 1}: column n: not an int: '{f}'" for i, f in enumerate(fields)]


def test_ints_are_written(tmp_path):
    table = {
        "42": ("   42", "00042"),
        "-42": ("  -42", "-0042"),
        "+0": ("    0", "00000"),
        "-00": ("    0", "00000"),
        "": ("     ", "     "),
        "00000123": ("  123", "00123"),
    }
    rows = "".join(f"{value},{value},.\n" for value in table)
    out, err, _ = run(tmp_path, "a 5 int\n- 1\nb 5 int zeros\nc 1 text\n", "to-fixed", f"a,b,c\n{rows}")
    assert err == ""
    assert out.splitlines() == [f"{plain} {zeros}." for plain, zeros in table.values()]


def test_blanks_around_numbers_of_a_csv_are_errors(tmp_path):
    out, err, status = run(tmp_path, "n 5 int\nm 5 money\n", "to-fixed", "n,m\n 1,1\n1,1 \n1,1\n")
    assert (out, status) == ("    10100 \n", 1)
    assert err == "line 2: column n: not an int: ' 1'\nline 3: column m: not an amount: '1 '\n"


def test_money_is_read(tmp_path):
    table = {
        "0001234 ": "12.34",
        "0000123-": "-1.23",
        "      5 ": "0.05",
        "     45-": "-0.45",
        "0000000-": "0.00",
        "        ": "",
        "9999999 ": "99999.99",
    }
    out, err, _ = run(tmp_path, "m 8 money\nx 1 text\n", "to-csv", "".join(f"{field}.\n" for field in table))
    assert err == ""
    assert out.splitlines() == ["m,x", *(f"{value},." for value in table.values())]


def test_money_that_is_none(tmp_path):
    fields = ["00012345", "-0000123", "0000 12 ", "00012.3 ", "       -", "12     -"]
    out, err, status = run(tmp_path, "m 8 money\nx 1 text\n", "to-csv", "".join(f"{field}.\n" for field in fields))
    assert (out, status) == ("m,x\n", 1)
    assert err.splitlines() == [
        f"line {i}: column m: not an amount: '{field.strip()}'" for i, field in enumerate(fields, 1)
    ]


def test_money_is_written(tmp_path):
    table = {
        "12.34": "0001234 ",
        "-1.23": "0000123-",
        "12": "0001200 ",
        "12.3": "0001230 ",
        "-0.5": "0000050-",
        "-0.00": "0000000 ",
        '""': "        ",
        "99999.99": "9999999 ",
        "000000001.5": "0000150 ",
    }
    out, err, _ = run(tmp_path, "m 8 money\n", "to-fixed", "m\n" + "".join(f"{value}\n" for value in table))
    assert (out.split("\n"), err) == ([*table.values(), ""], "")


def test_amounts_of_a_csv_that_are_none(tmp_path):
    values = ["1.234", "0.000", "1.", ".5", "+1", "1,5", "1e2", " 1", "- 1"]
    out, err, status = run(tmp_path, "m 8 money\n", "to-fixed", "m\n" + "".join(f'"{v}"\n' for v in values))
    assert (out, status) == ("", 1)
    assert err.splitlines() == [f"line {i}: column m: not an amount: '{v}'" for i, v in enumerate(values, 2)]


def test_dates_are_read_and_must_be_days(tmp_path):
    fields = ["20260230", "20251301", "2026 101", "2026-1-1", "202602  ", "20230229", "00000001"]
    good = "20240229.\n00000000.\n        .\n"
    out, err, status = run(
        tmp_path, "d 8 date\nx 1 text\n", "to-csv", good + "".join(f"{field}.\n" for field in fields)
    )
    assert (out, status) == ("d,x\n2024-02-29,.\n,.\n,.\n", 1)
    assert err.splitlines() == [f"line {i}: column d: not a date: '{f.strip()}'" for i, f in enumerate(fields, 4)]


def test_dates_are_written(tmp_path):
    out, err, status = run(
        tmp_path, "d 8 date\nx 1 text\n", "to-fixed", "d,x\n2024-02-29,a\n,b\n2024-2-9,c\n20240229,d\n0987-06-05,e\n"
    )
    assert (out, status) == ("20240229a\n        b\n09870605e\n", 1)
    assert err == "line 4: column d: not a date: '2024-2-9'\nline 5: column d: not a date: '20240229'\n"


def test_required_values(tmp_path):
    layout = "a 2 text required\nd 8 date required\nn 3 int zeros required\n"
    data = "  20240229001\nx 00000000  1\nx 20240229\n\nx 20240229001\n"
    out, err, status = run(tmp_path, layout, "to-csv", data)
    assert (out, status) == ("a,d,n\nx,2024-02-29,1\n", 1)
    assert err == "line 1: column a: missing\nline 2: column d: missing\nline 3: column n: missing\n"
    out, err, status = run(tmp_path, layout, "to-fixed", "a,d,n\n,,\nx,2024-02-29\n")
    assert (out, status) == ("", 1)
    assert err == "line 2: column a: missing\nline 3: column n: missing\n"


def test_length_of_records(tmp_path):
    out, err, status = run(tmp_path, "a 3 text\nn 2 int\n", "to-csv", "abc 1   \nab\n   \nabc 1 xy  \nzzz x!!\n")
    assert (out, status) == ("a,n\nabc,1\nab,\n", 1)
    assert err == "line 4: 3 characters too many\nline 5: 2 characters too many\n"


def test_only_the_first_problem_of_a_record(tmp_path):
    out, err, _ = run(tmp_path, "a 2 int\nb 2 int required\n", "to-csv", "x y \nz   \n")
    assert (out, err) == ("a,b\n", "line 1: column a: not an int: 'x'\nline 2: column a: not an int: 'z'\n")


def test_width_of_what_is_written(tmp_path):
    layout = "a 3 text\nn 3 int\nm 4 money\n"
    rows = ["abcd,1,1", "abc,-123,1", "abc,-12,10", "abc,-12,-9.99", "abc,0000123,1"]
    out, err, status = run(tmp_path, layout, "to-fixed", "a,n,m\n" + "\n".join(rows) + "\n")
    assert (out, status) == ("abc-12999-\nabc123100 \n", 1)
    assert err == (
        "line 2: column a: needs 4 places, has 3\n"
        "line 3: column n: needs 4 places, has 3\n"
        "line 4: column m: needs 5 places, has 4\n"
    )


def test_lines_are_those_on_which_records_start(tmp_path):
    data = 'a,n\n"x\ny",1\n\nok,2\n"a\r\nb\nc",3\nlong text,4\nok,z\n'
    out, err, status = run(tmp_path, "a 4 text\nn 1 int\n", "to-fixed", data)
    assert (out, status) == ("ok  2\n", 1)
    assert err == (
        "line 2: column a: line breaks cannot be written\n"
        "line 6: column a: line breaks cannot be written\n"
        "line 9: column a: needs 9 places, has 4\n"
        "line 10: column n: not an int: 'z'\n"
    )


def test_the_heading_decides_where_columns_are(tmp_path):
    out, _, status = run(tmp_path, "a 2 text\nb 2 text\n", "to-fixed", "x,b,a\n1,2,3\n4,5\n")
    assert (out, status) == ("3 2 \n  5 \n", 0)
    out, err, status = run(tmp_path, "a 2 text\nb 2 text\nc 1 int\n", "to-fixed", "a\nx\n")
    assert (out, err, status) == ("", "colfix: the CSV has no column 'b'\n", 2)
    out, err, status = run(tmp_path, "a 2 text\n", "to-fixed", "")
    assert (out, err, status) == ("", "colfix: the CSV has no column 'a'\n", 2)


def test_quoting_of_csv(tmp_path):
    out, _, _ = run(tmp_path, "a 6 text\nb 3 text\n", "to-csv", 'x,y   "q"\nplain yes\n')
    assert out == 'a,b\n"x,y","""q"""\nplain,yes\n'


def test_converting_there_and_back_changes_nothing(tmp_path):
    rng = random.Random(20260301)
    rows = []
    for _ in range(300):
        cents = rng.randrange(-99999, 99999)
        rows.append(
            [
                "".join(rng.choice('ab "é,') for _ in range(rng.randrange(6))).rstrip(),
                str(rng.choice(["", rng.randrange(-999, 9999)])),
                f"{'-' * (cents < 0)}{abs(cents) // 100}.{abs(cents) % 100:02}",
                rng.choice(["", f"20{rng.randrange(10, 99)}-0{rng.randrange(1, 10)}-1{rng.randrange(10)}"]),
                "end",
            ]
        )
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([["t", "n", "m", "d", "e"], *rows])
    layout = "t 5 text\n- 2\nn 4 int zeros\nm 6 money\n- 1\nd 8 date\ne 3 text\n"
    fixed, err, status = run(tmp_path, layout, "to-fixed", text.getvalue())
    assert (err, status) == ("", 0)
    assert {len(line) for line in fixed.splitlines()} == {29}
    assert run(tmp_path, layout, "to-csv", fixed) == (text.getvalue(), "", 0)
