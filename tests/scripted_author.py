"""A small specification and a model that builds it over real HTTP, right or wrong as a test wants it."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import yaml

SPEC = """# tally

A command that adds up numbers.

- Read whole numbers, one a line; blank lines do not count.
- Print the label and the sum.

```console
$ printf '3\\n\\n5\\n' | python -m tally
sum: 8
```
"""

REQUIREMENTS = """R1: Whole numbers are read, one a line.
> Read whole numbers, one a line; blank lines do not count.

R2: The label and the sum are printed.
> Print the label and the sum.
"""

FILES = {
    "numbers": "tally/numbers.py",
    "label": "tally/label.py",
    "total": "tally/total.py",
    "command": "tally/__main__.py",
}
"""Component → its one file. ``total`` stands on ``numbers``, ``command`` on ``total`` and ``label``."""

PLAN = '''title: tally
entry: python -m tally < /dev/null
components:
  - id: numbers
    purpose: Read numbers.
    files: [tally/numbers.py]
    requirements: [R1]
    contract:
      behaviour: |
        read gives the whole numbers of a text, one a line, in order; blank lines do not count. A number may have a sign
        and blanks around it. An empty text, or one of blank lines only, gives an empty list. Lines end with a line feed,
        which the last one may lack. Anything else raises ValueError; nothing is returned then, not even the numbers
        that came before it. Nothing is printed and no file is read.
      interface:
        tally/numbers.py: |
          def read(text: str) -> list[int]:
              """The numbers of text."""
              ...
  - id: label
    purpose: Name the result.
    files: [tally/label.py]
    requirements: [R2]
    contract:
      behaviour: |
        label puts a name before a number, with a colon and a blank between them. The name stands as it is given, whatever
        it holds and also when it is empty; the number is written in decimal digits without leading zeros or separators of
        thousands, with a minus sign when it is below zero and without a plus sign when it is above. There is no line
        end, nothing is printed, and no input is an error.
      interface:
        tally/label.py: |
          def label(name: str, number: int) -> str:
              """The name and the number."""
              ...
  - id: total
    purpose: Add up.
    files: [tally/total.py]
    depends_on: [numbers]
    requirements: [R2]
    contract:
      behaviour: |
        total is the sum of the numbers in a text; 0 when there are none. The text is read as the contract of numbers says,
        so blank lines do not count, and whatever raises ValueError there raises it here, unchanged. The sum is exact, however
        large the numbers are. Calls do not depend on each other: the same text has the same total each time.
      interface:
        tally/total.py: |
          def total(text: str) -> int:
              """The sum of the numbers of text."""
              ...
  - id: command
    purpose: The command line.
    kind: cli
    files: [tally/__main__.py]
    depends_on: [total, label]
    requirements: [R2]
    contract:
      behaviour: |
        Reads standard input and prints one line: the label "sum" and the sum, such as "sum: 8". All of the input is read before
        anything is printed. No input at all prints "sum: 0". The exit status is 0; input that is no list of whole numbers
        prints nothing on standard output and ends with another status. There are no options, arguments are not looked
        at, and no file is read or written. It is started with python -m tally.
      interface:
        tally/__main__.py: |
          def main() -> None:
              """Read, add up, print."""
              ...
'''

CODE = {
    "numbers": "def read(text: str) -> list[int]:\n    return [int(line) for line in text.split()]\n",
    "label": "def label(name: str, number: int) -> str:\n    return f'{name}: {number}'\n",
    "total": "from tally.numbers import read\n\n\ndef total(text: str) -> int:\n    return sum(read(text))\n",
    "command": (
        "import sys\n\nfrom tally.label import label\nfrom tally.total import total\n\n\n"
        "def main() -> None:\n    print(label('sum', total(sys.stdin.read())))\n\n\n"
        "if __name__ == '__main__':\n    main()\n"
    ),
}
WRONG = {
    "numbers": "def read(text: str) -> list[int]:\n    return []\n",
    "label": "def label(name: str, number: int) -> str:\n    return name\n",
    "total": "def total(text: str) -> int:\n    return 0\n",
    "command": "def main() -> None:\n    print('nothing')\n",
}
TESTS = {
    "numbers": (
        "from tally.numbers import read\n\n\n"
        "def test_in_order():\n    '''R1: in order.'''\n    assert read('3\\n5\\n') == [3, 5]\n\n\n"
        "def test_blank_lines_do_not_count():\n    '''R1: blank lines do not count.'''\n    assert read('1\\n\\n2') == [1, 2]\n"
    ),
    "label": (
        "from tally.label import label\n\n\n"
        "def test_label():\n    '''R2: the label is printed.'''\n    assert label('sum', 8) == 'sum: 8'\n"
    ),
    "total": (
        "from tally.total import total\n\n\n"
        "def test_adds():\n    '''R2: the sum.'''\n    assert total('3\\n5\\n') == 8\n\n\n"
        "def test_nothing_is_zero():\n    '''R2: no numbers.'''\n    assert total('') == 0\n"
    ),
    "command": (
        "import subprocess\nimport sys\n\n\n"
        "def test_prints():\n    '''R2: the label and the sum.'''\n"
        "    done = subprocess.run([sys.executable, '-m', 'tally'], input='3\\n5', capture_output=True, text=True)\n"
        "    assert done.stdout == 'sum: 8\\n'\n"
    ),
}
SLOW = "import time\n\n\ndef read(text: str) -> list[int]:\n    time.sleep(45)\n    return []\n"
"""Code of ``numbers`` that takes most of the time a sandboxed run may take."""


def fenced(path: str, source: str) -> str:
    """A file as an answer gives it."""
    return f"### {path}\n```python\n{source}```\n"


def kept(prompt: str) -> str:
    """An answer that keeps every test in doubt."""
    ids = re.findall(r"^\*\*(\S+::\S+)\*\*$", prompt, re.MULTILINE)
    return "\n".join(f"### {test_id}\nKEEP: the contract demands it.\n" for test_id in ids)


def excused(prompt: str) -> str:
    """An answer that adds no test for whatever went unnoticed."""
    ids = re.findall(r"^(M\d+): `", prompt, re.MULTILINE)
    return "\n".join(["No test is needed.\n", *(f"### {i}\nUNSPECIFIED: the contract is silent.\n" for i in ids)])


def clearer(component: str) -> str:
    """An answer that says one thing more in the contract of a component of :data:`PLAN`."""
    entry = next(e for e in yaml.safe_load(PLAN)["components"] if e["id"] == component)
    entry["contract"]["behaviour"] += "All of this holds for every input.\n"
    return f"```yaml\n{yaml.safe_dump(entry, sort_keys=False)}```\n"


class Author:
    """Answers every prompt of a run of :data:`SPEC`, but for splits, whose parts are a matter of the test.

    Callable as the ``answer`` of ``StubServer``.
    """

    def __init__(
        self,
        *,
        wrong: Mapping[str, int] | None = None,
        tests: Mapping[str, str] = TESTS,
        instead: Callable[[str, str, int], str | None] = lambda step, component, count: None,
        seconds: float = 0.0,
    ) -> None:
        """
        Args:
            wrong: component → how many of its code answers are wrong before they are right.
            tests: component → its test file.
            instead: step, component and how often that was asked before → another answer.
            seconds: how long each answer takes.
        """
        self.wrong = wrong or {}
        self.tests = tests
        self.instead = instead
        self.seconds = seconds
        self.asked: Counter[tuple[str, str]] = Counter()
        """(Step, component) → questions answered."""

    def __call__(self, body: dict[str, Any]) -> str:
        time.sleep(self.seconds)
        step, component = where(body)
        count = self.asked[step, component]
        self.asked[step, component] += 1
        other = self.instead(step, component, count)
        if other is not None:
            return other
        if step == "requirements":
            return REQUIREMENTS
        if step == "plan":
            return f"Four parts are enough.\n\n```yaml\n{PLAN}```\n"
        if step == "revise":
            return "Nothing has to be built.\n\n```yaml\nedits: []\n```\n"
        if step == "amend":
            return kept(body["messages"][1]["content"])
        if step == "strengthen":
            return excused(body["messages"][1]["content"])
        if step == "respecify":
            return clearer(component)
        if step == "tests":
            return fenced(f"tests/test_{component}.py", self.tests[component])
        answers = self.asked["code", component] + self.asked["repair", component]
        source = WRONG if answers <= self.wrong.get(component, 0) else CODE
        return fenced(FILES[component], source[component])


TASKS = {
    "tests": "the tests",
    "code": "the code",
    "repair": "a repair",
    "amend": "tests in doubt",
    "strengthen": "stronger tests",
    "respecify": "a contract made clear",
    "split": "a smaller cut",
}
"""Step of one component → the words that its prompt asks for it with."""


def where(body: dict[str, Any]) -> tuple[str, str]:
    """Step and component that a request is about."""
    prompt = body["messages"][1]["content"]
    if "# Your task now: list the requirements" in prompt:
        return "requirements", ""
    if "# Your task now: the plan" in prompt:
        return "plan", ""
    if "# Your task now: the revision" in prompt:
        return "revise", ""
    step = next(s for s, task in TASKS.items() if f"# Your task now: {task}" in prompt)
    component = re.search(r"^# Component `(\w+)`$", prompt, re.MULTILINE)
    assert component is not None
    return step, component[1]
