"""Does a component's prompt grow with the plan, and how much of each prompt repeats an earlier one's beginning?

The second figure is what a provider's prompt cache can save. Real prompts of the plain strategy over synthetic plans of 10 and of
200 components: tests, code and one repair for each component. Baselines for the repeated prefix: gpt-engineer 0.5 %, aider 0.1 %
(``research`` measurements of whole runs of both against a scripted endpoint).
"""

from __future__ import annotations

import asyncio
import statistics

from agent.models.base import Ask
from agent.models.scripted import Scripted
from agent.prompts import Prompts
from agent.strategies import open_strategy
from benchmark.perf.measure import arguments, report
from benchmark.perf.synthetic import layered_plan
from graphs import dag
from graphs.values import CaseResult, Spec, Verdict

SIZES = (10, 200)
LARGEST_GROWTH = 1.1
SMALLEST_REPEAT = 0.60


async def prompts_of(count: int) -> list[str]:
    """The text of every prompt of a run over a plan of ``count`` components, in the order they are sent."""
    plan = layered_plan(count)
    spec = Spec(title="synthetic", text="", digest="0" * 64)
    briefing = dag.Briefing(plan, spec)
    model = Scripted(_answer)
    strategy = open_strategy("plain", lambda _role: model, Prompts(), lambda _component: ())
    for component_id in dag.topological(plan):
        brief = briefing.brief(plan.component(component_id))
        tests = await strategy.tests(brief, 1, {}, [])
        code = await strategy.code(brief, 1)
        failed = CaseResult(f"{brief.test_path}::test_one", "failed", "E   assert 1 == 2\n" * 10)
        verdict = Verdict("failed", (failed,), "1 of 1 fail")
        await strategy.repair(brief, 1, code, tests, verdict, [])
    return ["\n".join(m.content for m in ask.messages) for ask in model.asks]


def _answer(ask: Ask) -> str:
    path = f"tests/test_{ask.component}.py" if ask.step == "tests" else f"synthetic/{ask.component}.py"
    body = "\n".join(f"def f{i}(value):\n    return [value + {i}]\n" for i in range(12))
    return f"### {path}\n```python\n{body}```\n"


def repeated(prompts: list[str]) -> float:
    """Share of all characters that repeat the beginning of an earlier prompt (longest common prefix with any of them)."""
    seen: list[str] = []
    total = same = 0
    for prompt in prompts:
        total += len(prompt)
        same += max((_common(prompt, other) for other in seen), default=0)
        seen.append(prompt)
    return same / total


def _common(a: str, b: str) -> int:
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if a[:middle] == b[:middle] else (low, middle - 1)
    return low


def main() -> None:
    """Print one JSON object."""
    arguments(__doc__)
    small, large = (asyncio.run(prompts_of(size)) for size in SIZES)
    growth = statistics.mean(map(len, large)) / statistics.mean(map(len, small))
    share = repeated(large)
    report(
        name="prompt_size",
        value=round(growth, 3),
        unit=f"mean prompt characters at {SIZES[1]} components over those at {SIZES[0]}",
        target=f"<= {LARGEST_GROWTH}; repeated prefix >= {SMALLEST_REPEAT}",
        holds=growth <= LARGEST_GROWTH and share >= SMALLEST_REPEAT,
        baselines={"repeated prefix, gpt-engineer": 0.005, "repeated prefix, aider": 0.001},
        repeated_prefix=round(share, 3),
        characters={
            str(size): round(statistics.mean(map(len, p))) for size, p in zip(SIZES, (small, large), strict=True)
        },
    )


if __name__ == "__main__":
    main()
