"""What must hold between all parts, whatever happened before."""

import hashlib
import random
import re
import shutil

import galley
import pytest


def lay(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode())


def tree(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")
    }


def short(results):
    return [f"{r.status} {r.name}" + f" ({r.reason})" * bool(r.reason) for r in results]


def products(folder):
    return {name: text.decode() for name, text in tree(folder).items() if name.startswith("out/") and text is not None}


# -- a model of all rules: it remembers what each run saw, in plain values


class Stop(Exception):
    pass


SOURCES = ["a.txt", "b.txt", "d/a.txt", "d/b.txt", "note.md"]
TARGETS = ["out/a.txt", "out/b.txt", "out/c/d.txt", "out/e.txt"]
NAMES = ["s", "t"]
VALUES = ["1", "2"]


class Model:
    def __init__(self):
        self.sources, self.book, self.settings = {}, {}, {}
        self.records = []
        """(steps, what was seen, text), the one used last at the end."""
        self.present = set()
        """Texts that the store has."""
        self.disk, self.builds = {}, []

    def galleyfile(self):
        head = [f"set {name} = {value}" for name, value in self.settings.items()]
        return "\n".join(
            head + [line for name, steps in self.book.items() for line in [f"make {name}", *(f"  {s}" for s in steps)]]
        )

    def meant(self, pattern, name):
        regex = re.escape(pattern).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*")
        pool = [t for t in self.book if t != name] if pattern.startswith("out/") else self.sources
        return sorted(path for path in pool if re.fullmatch(regex, path))

    def see(self, kind, subject, name, texts):
        if kind == "file":
            if not subject.startswith("out/"):
                return self.sources.get(subject)
            return texts.get(subject)
        if kind == "exists":
            return subject in (self.book if subject.startswith("out/") else self.sources)
        if kind == "list":
            return self.meant(subject, name)
        return self.settings.get(subject) if kind == "setting" else name

    def run(self, name, texts):  # noqa: PLR0912
        """The text and what was seen, or Stop."""
        seen = {}

        def look(kind, subject=""):
            value = self.see(kind, subject, name, texts)
            if kind == "file" and value is None:
                raise Stop(f"needs {subject}" if subject in self.book else f"no file {subject}")
            seen.setdefault((kind, subject), value)
            return value

        def whole(path):
            text = look("file", path)
            return text + "\n" * (text != "" and not text.endswith("\n"))

        text = ""
        for step in self.book[name]:
            if step.startswith("when "):
                setting, operator, value, step = re.fullmatch(r"when (\w+) (!?=) (\w+): (.*)", step).groups()  # noqa: PLW2901
                if (look("setting", setting) == value) != (operator == "="):
                    continue
            verb, _, argument = step.partition(" ")
            if verb == "say":
                text += f"{argument}\n"
            elif verb == "paste":
                text += whole(argument)
            elif verb == "maybe":
                text += whole(argument) if look("exists", argument) else ""
            elif verb == "each":
                text += "".join([whole(path) for path in look("list", argument)])
            elif verb == "count":
                text += f"{len(look('list', argument))}\n"
            elif verb == "name":
                text += f"{look('name')}\n"
            elif verb == "fill":
                for setting in re.findall("@([st])@", text):
                    if look("setting", setting) is None:
                        raise Stop(f"no setting {setting}")
                text = re.sub("@([st])@", lambda found: self.settings[found[1]], text)
            elif verb == "sort":
                text = "".join(sorted(text.splitlines(keepends=True)))
            elif verb == "head":
                text = "".join(text.splitlines(keepends=True)[: int(argument)])
        return text, seen

    def needs(self, name):
        steps = [step.rpartition(": ")[2].partition(" ")[::2] for step in self.book[name]]
        found = {argument for verb, argument in steps if verb in ("paste", "maybe") and argument in self.book}
        return found.union(*(self.meant(a, name) for verb, a in steps if verb == "each" and a.startswith("out/")))

    def build(self, wanted):
        todo, grown = set(wanted), set()
        while grown != todo:
            grown = set(todo)
            todo |= {other for name in grown for other in self.needs(name)}
        for name in list(self.disk):
            if name not in self.book:
                del self.disk[name]
        texts, results, used = {}, [], []
        while todo:
            name = min(n for n in todo if not self.needs(n) & todo)
            todo.discard(name)
            steps = tuple(self.book[name])
            try:
                text, seen = self.run(name, texts)
            except Stop as stop:
                results.append(f"failed {name} ({stop})")
                self.disk.pop(name, None)
                continue
            texts[name] = text
            known = [record for record in self.records if record[0] == steps]
            record = (steps, seen, text)
            again = any(record == k and list(record[1]) == list(k[1]) for k in known) and text in self.present
            if again:
                results.append(f"{'kept' if self.disk.get(name) == text else 'restored'} {name}")
            else:
                results.append(f"made {name} ({self.reason(known, name, texts)})")
                self.present.add(text)
            if record in self.records:
                self.records.remove(record)
            self.records.append(record)
            used.append(record)
            self.disk[name] = text
        self.builds.append((texts, used))
        return results

    def reason(self, known, name, texts):
        if not known:
            return "new"
        texts = {other: text for other, text in texts.items() if other != name}
        for (kind, subject), then in known[-1][1].items():
            now = self.see(kind, subject, name, texts)
            if now == then:
                continue
            if kind == "file":
                return f"file {subject} {'is gone' if now is None else 'changed'}"
            if kind == "exists":
                return f"{subject} {'appeared' if now else 'is gone'}"
            if kind == "list":
                return " ".join(
                    [
                        f"list {subject}:",
                        *(f"+{p}" for p in now if p not in then),
                        *(f"-{p}" for p in then if p not in now),
                    ]
                )
            what = "name" if kind == "name" else f"setting {subject}"
            return f"{what}: {then or '(none)'} -> {now or '(none)'}"
        return "result lost"

    def sweep(self, builds):
        kept = [record for _, used in self.builds[max(0, len(self.builds) - builds) :] for record in used]
        before = len(self.records)
        self.records = [record for record in self.records if record in kept]
        self.present &= {text for _, _, text in self.records}
        return before - len(self.records)


def random_step(dice, target):
    place = TARGETS.index(target)
    below = dice.choice(TARGETS[:place]) if place else "a.txt"
    step = dice.choice(
        [
            *(f"say {dice.choice('xyz')}", "say @s@ @t@", "name", "fill", "sort", "head 2"),
            *(f"paste {dice.choice(SOURCES)}", f"maybe {dice.choice(SOURCES)}", f"paste {below}", f"maybe {below}"),
            *("each *.txt", "each d/*", "count **/*.txt", "count out/*.txt", "count out/**/*.txt"),
            "each out/c/*" if target == "out/e.txt" else "count d/*",
        ]
    )
    guard = f"when {dice.choice(NAMES)} {dice.choice(['=', '!='])} {dice.choice(VALUES)}: "
    return guard + step if dice.random() < 0.25 else step


def change(dice, model, there):
    """Something that people do between two builds."""
    kind = dice.random()
    if kind < 0.35:
        model.sources[dice.choice(SOURCES)] = dice.choice(["", "x", "x\n", "b\na\n", "@s@\nq", "z\ny\n"])
    elif kind < 0.5:
        model.sources.pop(dice.choice(SOURCES), None)
    elif kind < 0.65:
        target = dice.choice(TARGETS)
        model.book[target] = [random_step(dice, target) for _ in range(dice.randrange(1, 4))]
    elif kind < 0.7:
        model.book.pop(dice.choice(TARGETS), None)
    elif kind < 0.85:
        name = dice.choice(NAMES)
        if model.settings.pop(name, None) is None or dice.random() < 0.7:
            model.settings[name] = dice.choice(VALUES)
    elif kind < 0.9 and model.disk:
        name = dice.choice(sorted(model.disk))
        if dice.random() < 0.5:
            del model.disk[name]
            (there / name).unlink()
        else:
            model.disk[name] = "touched"
            lay(there, {name: "touched"})
    elif kind < 0.95 and model.present:
        text = dice.choice(sorted(model.present))
        model.present.remove(text)
        lay(there, {f".galley/blobs/{hashlib.sha256(text.encode()).hexdigest()}": text + "?"})
    else:
        builds = dice.randrange(4)
        assert galley.sweep(there, builds)[0] == model.sweep(builds)


def lay_anew(there, model):
    for path in list(there.iterdir()):
        if path.name not in ("out", ".galley"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    lay(there, {**model.sources, "Galleyfile": model.galleyfile()})


@pytest.mark.parametrize("seed", range(7))
def test_runs_happen_exactly_when_something_that_was_seen_is_different(tmp_path, seed):
    dice = random.Random(seed)
    there = tmp_path / "there"
    there.mkdir()
    model = Model()
    for target in TARGETS:
        model.book[target] = [random_step(dice, target) for _ in range(3)]
    for _ in range(25):
        for _ in range(dice.randrange(3)):
            change(dice, model, there)
        lay_anew(there, model)
        some = sorted(model.book)
        wanted = None if dice.random() < 0.7 else dice.sample(some, dice.randrange(len(some) + 1))
        before = tree(there)
        planned = galley.plan(there, wanted)
        assert tree(there) == before
        results = galley.build(there, wanted)
        assert short(results) == model.build(some if wanted is None else wanted)
        assert planned == results
        assert products(there) == model.disk
        if wanted is None:
            lay(tmp_path / "clean", {**model.sources, "Galleyfile": model.galleyfile()})
            galley.build(tmp_path / "clean")
            assert products(tmp_path / "clean") == model.disk
            shutil.rmtree(tmp_path / "clean")


@pytest.mark.parametrize("seed", range(100, 103))
def test_every_build_can_be_shown_until_its_results_are_swept_away(tmp_path, seed):
    dice = random.Random(seed)
    model = Model()
    for target in TARGETS:
        model.book[target] = [random_step(dice, target) for _ in range(3)]
    for _ in range(12):
        change(dice, model, tmp_path)
        lay_anew(tmp_path, model)
        galley.build(tmp_path)
        model.build(model.book)
        for number, (texts, _) in enumerate(model.builds, start=1):
            for target in TARGETS:
                if target not in texts:
                    with pytest.raises(KeyError):
                        galley.show(tmp_path, number, target)
                elif texts[target] in model.present:
                    assert galley.show(tmp_path, number, target) == texts[target]
                else:
                    with pytest.raises(galley.Gone):
                        galley.show(tmp_path, number, target)


@pytest.mark.parametrize("seed", range(200, 203))
def test_after_a_sweep_the_last_build_is_kept_whole(tmp_path, seed):
    dice = random.Random(seed)
    model = Model()
    for target in TARGETS:
        model.book[target] = [random_step(dice, target) for _ in range(2)]
    for _ in range(8):
        change(dice, model, tmp_path)
        lay_anew(tmp_path, model)
        made = galley.build(tmp_path)
        model.build(model.book)
        again = [f"{'failed' if r.status == 'failed' else 'kept'} {r.name}" for r in made]
        galley.sweep(tmp_path, 1)
        model.sweep(1)
        assert [f"{r.status} {r.name}" for r in galley.build(tmp_path)] == again
        model.build(model.book)


# -- single ways in which parts can fail to fit together


BOOK = "make out/a\n  each d/*\nmake out/b\n  paste out/a\n  head 1\n"


def test_there_and_back_runs_nothing(tmp_path):
    lay(tmp_path, {"Galleyfile": BOOK, "d/1": "1\n"})
    galley.build(tmp_path)
    lay(tmp_path, {"d/1": "2\n", "d/2": "2\n"})
    galley.build(tmp_path)
    (tmp_path / "d/2").unlink()
    lay(tmp_path, {"d/1": "1\n"})
    assert short(galley.build(tmp_path)) == ["restored out/a", "restored out/b"]
    lay(tmp_path, {"d/1": "3\n"})
    assert short(galley.build(tmp_path)) == ["made out/a (file d/1 changed)", "made out/b (file out/a changed)"]


def test_the_book_is_no_input_but_the_steps_are(tmp_path):
    lay(tmp_path, {"Galleyfile": BOOK, "d/1": "1\n"})
    galley.build(tmp_path)
    lay(
        tmp_path,
        {"Galleyfile": "# B\nset x = 1\nmake out/b\n\tpaste   out/a\n\n\thead 1\nmake out/a\n each d/*", "e": "x"},
    )
    assert short(galley.build(tmp_path)) == ["kept out/a", "kept out/b"]
    lay(tmp_path, {"Galleyfile": BOOK.replace("head 1", "head 01")})
    assert short(galley.build(tmp_path)) == ["kept out/a", "made out/b (new)"]


def test_a_damaged_result_is_mended_once_for_all(tmp_path):
    lay(tmp_path, {"Galleyfile": BOOK, "d/1": "1\n2\n"})
    galley.build(tmp_path)
    for path in (tmp_path / ".galley/blobs").iterdir():
        path.write_bytes(b"damaged")
    assert short(galley.build(tmp_path)) == ["made out/a (result lost)", "made out/b (result lost)"]
    assert short(galley.build(tmp_path)) == ["kept out/a", "kept out/b"]
    assert galley.show(tmp_path, 1, "out/a") == "1\n2\n"


def test_a_target_is_not_in_its_own_lists_nor_in_those_it_shares_with_others(tmp_path):
    lay(
        tmp_path,
        {
            "Galleyfile": "make out/a\n  count out/*\n  each out/x*\nmake out/b\n  count out/*\n  each out/x*\nmake out/xx\n  count out/**\n"  # noqa: E501
        },
    )
    assert short(galley.build(tmp_path)) == [
        "made out/xx (new)",
        "made out/a (new)",
        "made out/b (list out/*: +out/a -out/b)",
    ]
    assert products(tmp_path) == {"out/a": "2\n2\n", "out/b": "2\n2\n", "out/xx": "2\n"}
    assert short(galley.build(tmp_path)) == ["kept out/xx", "kept out/a", "kept out/b"]


def test_the_name_belongs_to_what_was_seen(tmp_path):
    lay(tmp_path, {"Galleyfile": "make out/a\n  name\nmake out/b\n  name\nmake out/c\n  when x = y: name\n"})
    galley.build(tmp_path)
    assert products(tmp_path) == {"out/a": "out/a\n", "out/b": "out/b\n", "out/c": ""}
    lay(tmp_path, {"Galleyfile": "make out/d\n  when x = y: name\nmake out/b\n  name\n"})
    assert short(galley.build(tmp_path)) == ["kept out/b", "restored out/d"]


def test_what_a_guard_hides_is_no_input(tmp_path):
    book = "make out/a\n  say a\n  when s = on: paste out/b\n  when s = on: each d/*\nmake out/b\n  paste gone\n"
    lay(tmp_path, {"Galleyfile": book})
    assert short(galley.build(tmp_path, ["out/a"])) == ["failed out/b (no file gone)", "made out/a (new)"]
    lay(tmp_path, {"d/x": "", "gone": "here"})
    assert short(galley.build(tmp_path, settings={"s": "off"})) == [
        "made out/b (new)",
        "made out/a (setting s: (none) -> off)",
    ]
    (tmp_path / "gone").unlink()
    assert short(galley.build(tmp_path, settings={"s": "off"})) == ["failed out/b (no file gone)", "kept out/a"]
    assert short(galley.build(tmp_path, settings={"s": "on"})) == [
        "failed out/b (no file gone)",
        "failed out/a (needs out/b)",
    ]
    assert products(tmp_path) == {}


def test_a_plan_follows_its_own_products_through_the_graph(tmp_path):
    lay(tmp_path, {"Galleyfile": BOOK, "d/1": "1\n"})
    galley.build(tmp_path)
    lay(tmp_path, {"d/1": "0\n"})
    before = tree(tmp_path)
    planned = galley.plan(tmp_path)
    assert tree(tmp_path) == before
    assert short(planned) == ["made out/a (file d/1 changed)", "made out/b (file out/a changed)"]
    assert galley.build(tmp_path) == planned


def test_a_sweep_keeps_what_was_only_kept(tmp_path):
    lay(tmp_path, {"Galleyfile": BOOK, "d/1": "1\n"})
    galley.build(tmp_path)
    galley.build(tmp_path)
    assert galley.sweep(tmp_path, 1) == (0, 0)
    assert short(galley.build(tmp_path, ["out/a"])) == ["kept out/a"]
    assert galley.sweep(tmp_path, 1) == (1, 0)
    assert short(galley.build(tmp_path)) == ["kept out/a", "made out/b (new)"]
    with pytest.raises(ValueError):  # noqa: PT011
        galley.sweep(tmp_path, -1)
    assert galley.sweep(tmp_path, 0) == (2, 1)
