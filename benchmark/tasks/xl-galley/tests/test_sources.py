"""The files that people write."""

import pytest
from galley.errors import Failure
from galley.sources import Sources


@pytest.fixture
def folder(tmp_path):
    for name in (
        "b.txt",
        "a/c.txt",
        "a/b/d.md",
        "Galleyfile",
        "a/Galleyfile",
        "out/x.txt",
        "a/out/y.txt",
        ".galley/blobs/e",
        ".hidden",
        "has blank",
        "a/.f",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "empty.txt").mkdir()
    return tmp_path


def test_what_is_a_source(folder):
    sources = Sources(folder)
    assert sources.list("**") == ["a/Galleyfile", "a/b/d.md", "a/c.txt", "a/out/y.txt", "b.txt"]
    assert sources.list("*") == ["b.txt"]
    assert sources.list("**/*.txt") == ["a/c.txt", "a/out/y.txt", "b.txt"]
    assert sources.list("*/*.txt") == ["a/c.txt"]
    assert sources.list("none/*") == []
    assert [name for name in ("b.txt", "a/b/d.md", "a/Galleyfile") if not sources.exists(name)] == []
    assert [
        name
        for name in ("Galleyfile", "out/x.txt", "a", "empty.txt", "a/x", "b.txt/c", ".hidden")
        if sources.exists(name)
    ] == []


def test_reading(folder):
    (folder / "a" / "crlf").write_bytes("ä\r\nb".encode())
    (folder / "latin").write_bytes(b"\xe4")
    sources = Sources(str(folder))
    assert sources.read("a/crlf") == "ä\r\nb"
    for path, message in (
        ("gone", "no file gone"),
        ("a", "no file a"),
        ("latin", "latin is not UTF-8 text"),
        ("Galleyfile", "no file Galleyfile"),
    ):
        with pytest.raises(Failure) as caught:
            sources.read(path)
        assert str(caught.value) == message


def test_each_look_is_at_the_files_as_they_are_now(folder):
    sources = Sources(folder)
    assert sources.read("b.txt") == "b.txt"
    (folder / "b.txt").write_text("new")
    (folder / "c.txt").write_text("")
    assert (sources.read("b.txt"), sources.list("*"), sources.read("c.txt")) == ("new", ["b.txt", "c.txt"], "")
