"""A plan whose components add numbers, and a simulated model that builds it: every answer is made from its question alone.

So an answer does not depend on what was asked before, or by which process. A sentence in a contract (:data:`LONG` and the
others) says with what its component is in trouble until the plan is changed.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import yaml

from graphs.values import Component, Contract, Plan, Requirement

LONG = "It is long."
"""Every program is, and wrong, until it only puts parts together."""
UNCLEAR = "It is unclear."
"""Two programs read it in two ways, until it is written anew."""
MISREAD = "It is misread."
"""One of its tests is wrong, and the test writer says so when asked."""
OPEN = "It is open."
"""Nobody gets it right before the user has answered."""

PACKAGE = "sums"
FRESH = 1.0
"""Temperature from which a program is a second, independent one."""
LONG_LINES = 130
_PROMISE = re.compile(r"`(\w+)\(value\)` returns value \+ (-?\d+)\.")
_TASKS = {
    "the tests": "tests",
    "the code": "code",
    "a repair": "repair",
    "tests in doubt": "amend",
    "stronger tests": "strengthen",
    "a contract made clear": "respecify",
    "a smaller cut": "split",
}


def promise(component_id: str, added: int, more: str = "") -> str:
    """The behaviour in the contract of a component that adds a number."""
    return f"`{component_id}(value)` returns value + {added}. {more}".rstrip() + "\n"


def component(component_id: str, added: int, depends_on: Sequence[str] = (), more: str = "") -> Component:
    """A component that adds a number."""
    path = f"{PACKAGE}/{component_id}.py"
    interface = f'def {component_id}(value: int) -> int:\n    """Return value + {added}."""\n    ...\n'
    contract = Contract({path: interface}, promise(component_id, added, more))
    return Component(component_id, "Add a number.", (path,), contract, tuple(depends_on), ("R1",))


def sums_plan(count: int, layers: int, troubles: Sequence[str] = (), seed: int = 1) -> Plan:
    """Layers of components, each on one to three of the layer before; the last ones are in ``troubles``, one each.

    Its spec must hold the words "add numbers".
    """
    rng = random.Random(seed)
    rows: list[list[str]] = [[f"part_{i}" for i in range(n, count, layers)] for n in range(layers)]
    above = {row[0]: before for before, row in pairwise(rows)} | {rows[0][0]: []}
    in_trouble = dict(zip([f"part_{i}" for i in range(count - len(troubles), count)], troubles, strict=True))
    components = []
    for row in rows:
        before = above[row[0]]
        for name in row:
            needs = sorted(rng.sample(before, min(len(before), rng.randint(1, 3)))) if before else []
            components.append(component(name, rng.randrange(1, 1000), needs, in_trouble.get(name, "")))
    return Plan("sums", tuple(components), (Requirement("R1", "Add numbers.", "add numbers"),))


def adding(plan: Plan, component_id: str, added: int) -> Plan:
    """The same plan, but one component adds another number."""
    return replace(
        plan,
        components=tuple(component(c.id, added, c.depends_on) if c.id == component_id else c for c in plan.components),
    )


def answer(prompt: str, temperature: float | None = None) -> str:
    """What the model says to a question about one component."""
    name = re.findall(r"^# Component `(\w+)`$", prompt, re.MULTILINE)[-1]
    step = _TASKS[re.findall(r"^# Your task now: (.+)$", prompt, re.MULTILINE)[-1]]
    page = prompt[prompt.rindex(f"# Component `{name}`") : prompt.rindex("# Your task now: ")]
    own, _, others = page.partition("# Contracts of the components it depends on")
    added = int(_PROMISE.findall(own)[0][1])
    below = {i: int(n) for i, n in _PROMISE.findall(others)}
    if step == "tests":
        return _file(f"tests/test_{name}.py", _tests(name, added, _covered(own), wrong=MISREAD in own))
    if step in ("code", "repair"):
        fresh = step == "code" and temperature is not None and temperature >= FRESH
        return _file(f"{PACKAGE}/{name}.py", _program(name, added, below, own, fresh))
    if step == "amend":
        return _amendment(name, added, _covered(own), prompt)
    if step == "strengthen":
        changes = re.findall(r"^(M\d+): `", prompt, re.MULTILINE)
        rulings = (f"### {change}\nEQUIVALENT: the sum is the same.\n" for change in changes)
        return "\n".join(["No further test is needed.\n", *rulings])
    if step == "split":
        low, high = f"{name}_low", f"{name}_high"
        parts = [component(low, added // 2), component(high, added - added // 2, [low])]
        return _block({"parts": [_entry(part) for part in parts]})
    more = OPEN if OPEN in own else "It is clear."
    clearer = component(name, added, list(below), f"{more} It was written anew.")
    return _block(_entry(clearer))


def _covered(own: str) -> str:
    """The requirements of a component, as a test names them."""
    return ", ".join(re.findall(r"^- (R\d+): ", own, re.MULTILINE))


def _tests(name: str, added: int, covered: str, wrong: bool) -> str:
    values = {"test_one": (1, 1 + added), "test_ten": (10, 10 + added + wrong)}
    tests = "".join(
        f'\n\ndef {t}():\n    """{covered}: it adds."""\n    assert {name}({v}) == {expected}\n'
        for t, (v, expected) in values.items()
    )
    return f"from {PACKAGE}.{name} import {name}\n{tests}"


def _program(name: str, added: int, below: dict[str, int], own: str, fresh: bool) -> str:
    call = "value"
    for other in below:
        call = f"{other}({call})"
    imports = "".join(f"from {PACKAGE}.{other} import {other}\n" for other in below)
    result = f"{call} + {added - sum(below.values())}"
    filler = ""
    if (LONG in own and f"{name}_low" not in below) or (OPEN in own and "Answer:" not in own):
        result += f" + {1000 + fresh}"  # wrong, and a second program is wrong in another way
        filler = "# one more line\n" * LONG_LINES if LONG in own else ""
    elif UNCLEAR in own:
        result += " + (value == 1)" if fresh else " + (value == 10)"
    return f"{imports}\n\ndef {name}(value: int) -> int:\n    return {result}\n{filler}"


def _amendment(name: str, added: int, covered: str, prompt: str) -> str:
    path = f"tests/test_{name}.py"
    (test,) = dict.fromkeys(re.findall(rf"^\*\*{re.escape(path)}::(\w+)\*\*$", prompt, re.MULTILINE))
    value = {"test_one": 1, "test_ten": 10}[test]
    source = f'def {test}():\n    """{covered}: it adds."""\n    assert {name}({value}) == {value + added}\n'
    return f"### {path}::{test}\nREPLACE: the contract says value + {added}.\n```python\n{source}```\n"


def _file(path: str, source: str) -> str:
    return f"### {path}\n```python\n{source}```\n"


def _entry(part: Component) -> dict[str, object]:
    return {
        "id": part.id,
        "purpose": part.purpose,
        "kind": part.kind,
        "files": list(part.files),
        "depends_on": list(part.depends_on),
        "requirements": list(part.requirements),
        "contract": {"behaviour": part.contract.behaviour, "interface": dict(part.contract.interface)},
    }


def _block(data: dict[str, object]) -> str:
    return f"```yaml\n{yaml.safe_dump(data, sort_keys=False)}```\n"
