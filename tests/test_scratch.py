"""Temporary directories: those of the living stay, those of the killed go, those of others are not ours."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from agent.checks.python import PytestToolchain
from agent.checks.scratch import PREFIX, YOUNG, Scratch, sweep
from agent.sandbox import open_sandbox

ROOT = Path(__file__).parents[1]
HOLD = "from agent.checks.scratch import Scratch; held = Scratch(); print(held.path, flush=True); input()"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def aged(path: Path) -> Path:
    long_ago = time.time() - YOUNG - 5
    os.utime(path, (long_ago, long_ago), follow_symlinks=False)
    return path


def test_what_a_killed_process_left_goes_and_what_a_living_one_has_stays(place: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        path = Path(process.stdout.readline().strip())
        (path / "tree").mkdir()
        (path / "tree" / "a.py").write_text("")
        aged(path)
        sweep()
        assert path.is_dir(), "its process lives"
        process.kill()
    sweep()
    assert not path.exists()
    assert list(place.iterdir()) == []


def test_a_new_toolchain_sweeps(place: Path) -> None:
    left = aged(Path(tempfile.mkdtemp(prefix=PREFIX)))
    toolchain = PytestToolchain(open_sandbox("none"))
    assert not left.exists()
    assert [path.name.startswith(PREFIX) for path in place.iterdir()] == [True]
    del toolchain
    gc.collect()
    assert list(place.iterdir()) == []


def test_nothing_else_is_swept(place: Path) -> None:
    notes = place / f"{PREFIX}notes"
    notes.mkdir()
    file = place / f"{PREFIX}abcd1234"
    file.write_text("")
    target = place / "target"
    target.mkdir()
    link = place / f"{PREFIX}abcd5678"
    link.symlink_to(target)
    young = Path(tempfile.mkdtemp(prefix=PREFIX))
    for path in (notes, file, target, link):
        aged(path)
    if os.geteuid() == 0:
        others = Path(tempfile.mkdtemp(prefix=PREFIX))
        os.chown(others, 65534, 65534)
        aged(others)
    before = sorted(place.iterdir())
    sweep()
    assert sorted(place.iterdir()) == before
    assert young in before


def test_no_descriptor_stays_open() -> None:
    gc.collect()
    before = os.listdir("/proc/self/fd")
    scratch = Scratch()
    path = scratch.path
    del scratch
    gc.collect()
    assert os.listdir("/proc/self/fd") == before
    assert not path.exists()


def test_a_machine_without_room_is_no_fault_of_a_file_name() -> None:
    """Too few descriptors stand for a full disk, which only root can make."""
    code = (
        "import os, resource\n"
        "from agent.checks.python import PytestToolchain\n"
        "from agent.sandbox import open_sandbox\n"
        "from graphs.errors import PrerequisiteError\n"
        "toolchain = PytestToolchain(open_sandbox('none'))\n"
        "last = os.dup(0)\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (last + 1, last + 1))\n"
        "try: toolchain.prove_tree({'a.py': ''}, {'test_a.py': 'def test_a(): assert 1'}, ['test_a.py::test_a'])\n"
        "except PrerequisiteError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "Too many open files; make room" in done.stdout, done
