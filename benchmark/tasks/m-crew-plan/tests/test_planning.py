"""Plans: which task, when, by whom, and how they are printed."""

import json
import os
import random
import subprocess
import sys

import pytest

ROOT = os.getcwd()


@pytest.fixture
def crewplan(tmp_path):
    def run(text, *arguments):
        (tmp_path / "t").write_text(text, encoding="utf-8")
        path = os.pathsep.join(filter(None, [ROOT, os.environ.get("PYTHONPATH")]))
        done = subprocess.run(
            [sys.executable, "-m", "crewplan", "t", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": path, "PYTHONUTF8": "1"},
            capture_output=True,
            encoding="utf-8",
            timeout=20,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    return run


@pytest.fixture
def planned(crewplan):
    def run(text, *arguments):
        rows = json.loads(crewplan(text, "--format", "json", *arguments))
        return " ".join(f"{row['task']}:{row['start']}-{row['end']}@{row['member']}" for row in rows)

    return run


def test_nothing_to_do(crewplan):
    assert crewplan("# nothing\n") == ""
    assert crewplan("\n", "--format", "json") == "[]\n"


def test_tables(crewplan):
    assert crewplan("a 10h\nb 5m\n  needs a\n") == (" 0:00  10:00  1  a\n10:00  10:05  1  b\ntotal: 10:05, busy 100%\n")
    text = "".join(f"t{number} {20 - number}m\n" for number in range(11))
    lines = crewplan(text, "--crew", "11").splitlines()
    assert lines[0] == "0:00  0:20   1  t0"
    assert lines[-2:] == ["0:00  0:10  11  t10", "total: 0:20, busy 75%"]


def test_the_share_is_of_the_whole_crew_and_rounded_half_up(crewplan):
    assert crewplan("a 1h\n", "--crew", "3").endswith("busy 33%\n")
    assert crewplan("a 1h\n", "--crew", "8").endswith("busy 13%\n")
    assert crewplan("a 1m\n  not before 39m\n").endswith("total: 0:40, busy 3%\n")
    assert crewplan("a 1m\n  not before 199m\n").endswith("total: 3:20, busy 1%\n")


def test_json_is_compact(crewplan):
    text = "b 1h\na 2m\n  needs b\n"
    assert crewplan(text, "--format", "json") == (
        '[{"task":"b","start":0,"end":60,"member":1},{"task":"a","start":60,"end":62,"member":1}]\n'
    )


def test_most_minutes_ahead_come_first(planned):
    assert planned("a 10m\nb 20m\nc 20m\n") == "b:0-20@1 c:20-40@1 a:40-50@1"
    assert planned("big 50m\nsmall 1m\nlast 60m\n  needs small\n") == "small:0-1@1 last:1-61@1 big:61-111@1"


def test_times_between_count_as_minutes_ahead(planned):
    text = "big 50m\ncoat 10m\nsand 5m\n  needs coat+40m\n"
    assert planned(text) == "coat:0-10@1 big:10-60@1 sand:60-65@1"
    assert planned(text, "--for", "big,coat") == "big:0-50@1 coat:50-60@1"


def test_the_longest_chain_counts_and_not_the_sum(planned):
    text = "hub 10m\nu1 20m\n  needs hub\nu2 20m\n  needs hub\nu3 20m\n  needs hub\nlone 31m\n"
    assert planned(text).startswith("lone:0-31@1 hub:31-41@1 u1:")


def test_the_lowest_free_member(planned):
    text = "a 30m\nb 20m\nc 20m\nd 5m\ne 4m\n"
    assert planned(text, "--crew", "3") == "a:0-30@1 b:0-20@2 c:0-20@3 d:20-25@2 e:20-24@3"


def test_nobody_waits_for_a_task_that_becomes_ready_later(planned):
    text = "long 3h\nready 10m\nkey 100m\n  needs ready\n"
    assert planned(text, "--crew", "1") == "long:0-180@1 ready:180-190@1 key:190-290@1"
    text = "long 30m\nready 10m\nkey 100m\n  not before 5m\n"
    assert planned(text) == "long:0-30@1 key:30-130@1 ready:130-140@1"


def test_times_after_a_task(planned):
    text = "a 10m\nb 10m\n  needs a + 1h\nc 5m\n  needs a\n"
    assert planned(text, "--crew", "2") == "a:0-10@1 c:10-15@1 b:70-80@1"
    assert planned("a 10m\nb 10m\n  needs a+5m, a+1h, a, *+10m\n") == "a:0-10@1 b:70-80@1"


def test_not_before(planned):
    assert planned("a 10m\n  not before 1h\nb 10m\n  needs a\nc 30m\n") == "c:0-30@1 a:60-70@1 b:70-80@1"
    assert planned("a 10m\n  not before 0m\n") == "a:0-10@1"


def test_stars(planned):
    text = "all 1m\n  needs *\nx.1 2m\nx.2 3m\ny 4m\n  needs x.*\nx.3 5m\n  needs x.1\n"
    assert planned(text, "--crew", "9") == "x.1:0-2@1 x.2:0-3@2 x.3:2-7@1 y:7-11@1 all:11-12@1"
    text = "x.1 2m\nx.all 1m\n  needs x.*\n"
    assert planned(text) == "x.1:0-2@1 x.all:2-3@1"
    assert planned("x 2m\nxy 1m\n  needs x*\n", "--crew", "2") == "x:0-2@1 xy:2-3@1"


def test_alone_means_nobody_else(planned):
    text = "a 30m\nb 20m\n  alone\nc 10m\n"
    assert planned(text, "--crew", "3") == "a:0-30@1 b:30-50@1 c:50-60@1"
    text = "a 30m\n  alone\nb 20m\nc 10m\n"
    assert planned(text, "--crew", "3") == "a:0-30@1 b:30-50@1 c:30-40@2"


def test_alone_does_not_step_back_but_only_when_it_is_first(planned):
    text = "a 30m\nb 25m\nc 12m\n  alone\nd 10m\n"
    assert planned(text, "--crew", "2") == "a:0-30@1 b:0-25@2 c:30-42@1 d:42-52@1"
    text = "a 30m\nb 25m\nc 9m\n  alone\nd 10m\n"
    assert planned(text, "--crew", "2") == "a:0-30@1 b:0-25@2 d:25-35@2 c:35-44@1"


def test_a_task_that_becomes_ready_may_go_before_one_that_is_alone(planned):
    text = "a 30m\nlone 20m\n  alone\nb 5m\nlate 40m\n  needs b\n"
    assert planned(text, "--crew", "2") == "b:0-5@1 a:0-30@2 late:5-45@1 lone:45-65@1"


def test_what_is_not_asked_for_counts_for_nothing(planned):
    text = "a 10m\nb 11m\nc 60m\n  needs a\nd 1m\n  needs a, b\nlone 90m\n  alone\n"
    assert planned(text, "--for", "d") == "b:0-11@1 a:11-21@1 d:21-22@1"
    assert planned(text, "--for", "b,a") == "b:0-11@1 a:11-21@1"
    assert planned(text) == "lone:0-90@1 a:90-100@1 c:100-160@1 b:160-171@1 d:171-172@1"


def test_large_plans_keep_all_rules(crewplan):
    rng = random.Random(5)
    for crew in (1, 3, 7):
        lines, needs, minutes = [], {}, {}
        for number in range(120):
            name = f"t{number}"
            minutes[name] = rng.randrange(1, 90)
            needs[name] = {f"t{other}": rng.randrange(30) for other in rng.sample(range(number), min(number, 2))}
            lines.append(f"{name} {minutes[name]}m")
            if needs[name]:
                lines.append("  needs " + ", ".join(f"{other}+{pause}m" for other, pause in needs[name].items()))
            if rng.random() < 0.1:
                lines.append("  alone")
        rows = json.loads(crewplan("\n".join(lines), "--crew", str(crew), "--format", "json"))
        at = {row["task"]: row for row in rows}
        assert len(at) == len(rows) == 120
        alone = {
            lines[i - 1].split()[0] for i, line in enumerate(lines) if line == "  alone" and lines[i - 1][0] == "t"
        }
        alone |= {
            lines[i - 2].split()[0] for i, line in enumerate(lines) if line == "  alone" and lines[i - 1][0] == " "
        }
        for row in rows:
            assert row["end"] - row["start"] == minutes[row["task"]]
            assert all(at[other]["end"] + pause <= row["start"] for other, pause in needs[row["task"]].items())
            meanwhile = [one for one in rows if one["start"] < row["end"] and row["start"] < one["end"]]
            assert sum(one["member"] == row["member"] for one in meanwhile) == 1
            assert row["task"] not in alone or meanwhile == [row]
        assert {row["member"] for row in rows} == set(range(1, crew + 1))
