"""Plots of a report as SVG, to stand in its page: hand-written, without script, told by shape and words beside colour.

Colours are classes that :data:`STYLE` gives meaning to, in light and dark. Everything that is data is escaped.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from benchmark.report import ArmReport, Report, TaskInArm, TaskReport
from benchmark.report_text import gap_between, percent, points, price, shown_tasks
from benchmark.statistics import Decision
from graphs.text import cells, plain, shortened

WIDTH = 460.0
"""Units across the two plots; the page shows them at about as many pixels, on a telephone at three quarters."""
LETTER = 7.2
"""Units that a letter of a label takes at most, on average."""

STYLE = """
svg{overflow:visible} svg text{fill:var(--ink);font:13px system-ui,sans-serif}
svg .halo{paint-order:stroke;stroke:var(--card);stroke-width:5px;stroke-linejoin:round}
svg .soft{fill:var(--soft)} svg .strong{font-weight:600} svg .end{text-anchor:end} svg .middle{text-anchor:middle}
svg .grid{stroke:var(--line);stroke-width:1} svg .zero{stroke:var(--soft);stroke-width:1.2}
svg .margin{fill:var(--band)} svg .blind{fill:none;stroke:var(--soft);stroke-width:1;stroke-dasharray:3 3}
svg .bar{stroke:var(--mark);stroke-width:2;fill:none} svg .mark{stroke:var(--mark);stroke-width:2;fill:var(--mark)}
svg .hollow{fill:var(--paper)} svg .front{fill:none;stroke:var(--soft);stroke-width:1.2;stroke-dasharray:2 4}
svg .a0{--mark:var(--a0)} svg .a1{--mark:var(--a1)} svg .a2{--mark:var(--a2)} svg .a3{--mark:var(--a3)}
svg .a4{--mark:var(--a4)} svg .a5{--mark:var(--a5)} svg .quiet{--mark:var(--soft)} svg .good{--mark:var(--good)}
svg .bad{--mark:var(--bad)} svg .same{--mark:var(--same)}
svg .h0{fill:var(--h0)} svg .h1{fill:var(--h1)} svg .h2{fill:var(--h2)} svg .h3{fill:var(--h3)} svg .h4{fill:var(--h4)}
svg .none{fill:none;stroke:var(--line)}
"""
"""Rules for what this module draws; the page defines the variables."""
COLOURS = 6
"""Classes ``a0`` to ``a5``."""


def drawing(name: str, width: float, height: float, title: str, about: str, parts: Iterable[str]) -> str:
    """An image with a title and a description that are read out."""
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
            f'height="{height:.0f}" role="img" aria-labelledby="{name}-title {name}-about">',
            f'<title id="{name}-title">{_safe(title)}</title>',
            f'<desc id="{name}-about">{_safe(about)}</desc>',
            *parts,
            "</svg>",
        ]
    )


def _safe(text: str, most: int = 0) -> str:
    return html.escape(plain(text, most), quote=True)


def _text(x: float, y: float, words: str, kind: str = "") -> str:
    """``words`` are escaped here."""
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}">{_safe(words)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<path class="{kind}" d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"/>'


def _rect(x: float, y: float, width: float, height: float, kind: str, inner: str = "", round_by: float = 3) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{height:.1f}" rx="{round_by:g}"'
    return f'<rect {place} class="{kind}">{inner}</rect>'


# -- marks

_SHAPES = {
    "disc": "M{x0} {y}a{r} {r} 0 1 0 {d} 0a{r} {r} 0 1 0 -{d} 0z",
    "square": "M{x0} {y0}H{x1}V{y1}H{x0}z",
    "up": "M{x} {y0}L{x1} {y1}H{x0}z",
    "down": "M{x} {y1}L{x1} {y0}H{x0}z",
    "diamond": "M{x} {y0}L{x1} {y}L{x} {y1}L{x0} {y}z",
    "cross": "M{x0} {y0}L{x1} {y1}M{x0} {y1}L{x1} {y0}",
}
_ORDER = tuple(_SHAPES)


def _mark(shape: str, x: float, y: float, kind: str = "mark", radius: float = 5.5) -> str:
    at = {"x": x, "y": y, "x0": x - radius, "x1": x + radius, "y0": y - radius, "y1": y + radius}
    numbers = {key: f"{value:.1f}" for key, value in {**at, "r": radius, "d": 2 * radius}.items()}
    return f'<path class="{kind}" d="{_SHAPES[shape].format(**numbers)}"/>'


# -- differences

_VERDICTS = {
    "better": ("up", "mark", "good"),
    "worse": ("down", "mark", "bad"),
    "adopt cheaper": ("square", "mark", "good"),
    "equivalent": ("diamond", "mark", "same"),
    "inconclusive": ("disc", "mark hollow", "quiet"),
    "void": ("cross", "mark", "quiet"),
}
"""Verdict → shape, class of the mark, class of the row."""
_ROW, _HEAD, _FOOT = 62.0, 30.0, 44.0


def forest(report: Report) -> str:
    """The difference of each arm to the baseline, with its interval, what could have been seen at all, and the margin; empty
    where nothing is decided."""
    if not report.decisions:
        return ""
    found = list(report.decisions.items())
    margin = report.rule.margin
    ends = [abs(end) for _, d in found for end in (d.interval.low, d.interval.high, d.detectable)]
    most = min(max(*ends, 2 * margin) * 1.06, 1.0)
    left, right = 10.0, WIDTH - 10.0

    def x(share: float) -> float:
        return left + (max(-most, min(most, share)) + most) / (2 * most) * (right - left)

    bottom = _HEAD + _ROW * len(found)
    parts = [
        _rect(x(-margin), _HEAD - 6, x(margin) - x(-margin), bottom - _HEAD + 6, "margin"),
        _text(WIDTH / 2, 16, f"within ±{100 * margin:g} points: too small to matter", "soft middle"),
    ]
    for tick in _ticks(-most, most, 6):
        kind = "zero" if abs(tick) < 1e-9 else "grid"
        parts.append(_line(x(tick), _HEAD - 6, x(tick), bottom, kind))
        label = "0" if kind == "zero" else f"{100 * tick:+g}"
        parts.append(_text(x(tick), bottom + 17, label, "soft middle"))
    for at, (name, decision) in enumerate(found):
        parts += _difference(name, decision, _HEAD + _ROW * at, x)
    baseline = plain(report.baseline, 20)
    parts.append(_text(left, bottom + 37, f"← {baseline} is better", "soft"))
    parts.append(_text(right, bottom + 37, "the arm is better →", "soft end"))
    about = "; ".join(
        f"{name}: {d.verdict}, {points(d.difference.mean)} points {gap_between(d.interval)}, detects {percent(d.detectable)}"
        for name, d in found
    )
    title = f"Difference of pass rates to {baseline}, in points"
    return drawing("forest", WIDTH, bottom + _FOOT, title, about, parts)


def _difference(name: str, decision: Decision, top: float, x: Callable[[float], float]) -> Iterator[str]:
    shape, mark, kind = _VERDICTS[decision.verdict]
    y, interval = top + 40, decision.interval
    gap = f"{points(decision.difference.mean)} {gap_between(interval)}"
    yield f'<g class="{kind}">'
    yield _text(10, top + 16, plain(name, 22), "strong halo")
    yield _text(WIDTH - 10, top + 16, f"{decision.verdict}  {gap}", "end halo")
    wide = x(decision.detectable) - x(-decision.detectable)
    yield _rect(x(-decision.detectable), y - 9, wide, 18, "blind")
    low, high = x(interval.low), x(interval.high)
    yield _line(low, y, high, y, "bar")
    yield from (_line(end, y - 5, end, y + 5, "bar") for end in (low, high))
    yield _mark(shape, x(decision.difference.mean), y, mark)
    yield "</g>"


def _ticks(low: float, high: float, wanted: int) -> list[float]:
    """Round values between two, about so many."""
    raw = (high - low) / wanted
    power = 10.0 ** floor(log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * 0.999)
    return [number * step for number in range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1)]


# -- cost against pass rate

_HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 330.0, 44.0, 448.0, 12.0, 286.0


@dataclass(frozen=True)
class _Axis:
    """Of costs."""

    low: float
    high: float
    logarithmic: bool

    def __call__(self, usd: float) -> float:
        inside = max(self.low, min(self.high, usd))
        if self.logarithmic:
            share = (log10(inside) - log10(self.low)) / (log10(self.high) - log10(self.low))
        else:
            share = (inside - self.low) / (self.high - self.low)
        return _LEFT + share * (_RIGHT - _LEFT)

    def ticks(self) -> list[float]:
        if not self.logarithmic:
            return _ticks(self.low, self.high, 5)
        powers = range(floor(log10(self.low)), ceil(log10(self.high)) + 1)
        wide = log10(self.high / self.low) > 2.5
        found = [10.0**power * factor for power in powers for factor in ((1,) if wide else (1, 2, 5))]
        return [tick for tick in found if self.low <= tick <= self.high]


def cost_plot(report: Report) -> str:
    """Pass rate over cost per run, with the intervals of both and a line along the arms that none is better and cheaper than;
    empty where no arm has both. Costs on a logarithmic scale when they span more than ten times."""
    known = [
        (at, name, arm, arm.usd, arm.rate.mean)
        for at, (name, arm) in enumerate(report.arms.items())
        if arm.usd is not None and arm.rate.mean is not None
    ]
    if not known:
        return ""
    costs = [usd for _, _, _, usd, _ in known]
    tops = [arm.usd_interval.high if arm.usd_interval else usd for _, _, arm, usd, _ in known]
    logarithmic = min(costs) > 0 and max(costs) > 10 * min(costs)
    high = max(*tops, *costs) * 1.12 or 1.0
    axis = _Axis(min(costs) / 2 if logarithmic else 0.0, high, logarithmic)

    def y(share: float) -> float:
        return _BOTTOM - share * (_BOTTOM - _TOP)

    parts: list[str] = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(_line(_LEFT, y(share), _RIGHT, y(share), "grid"))
        parts.append(_text(_LEFT - 8, y(share) + 4, f"{100 * share:.0f}", "soft end"))
    for tick in axis.ticks():
        parts.append(_line(axis(tick), _BOTTOM, axis(tick), _BOTTOM + 4, "zero"))
        parts.append(_text(axis(tick), _BOTTOM + 18, price(tick), "soft middle"))
    scale = ", logarithmic" if logarithmic else ""
    parts.append(_text(_RIGHT, _BOTTOM + 37, f"US dollars per run{scale} →", "soft end"))
    parts.append(_text(_LEFT, _BOTTOM + 37, "↑ pass %", "soft"))
    parts.append(_front([(axis(usd), y(share)) for usd, share in _undominated([k[3:] for k in known])]))
    for at, _, arm, usd, share in known:
        parts += _point(at, axis, y, usd, share, arm)
    parts += _labels([(axis(usd), y(share), plain(name, 18)) for _, name, _, usd, share in known])
    about = "; ".join(f"{name}: {percent(share)} % at {price(usd)} per run" for _, name, _, usd, share in known)
    return drawing("cost", WIDTH, _HEIGHT, "Pass rate against cost per run", about, parts)


def _undominated(known: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Those that no other is cheaper and at least as good as, cheapest first."""
    kept: list[tuple[float, float]] = []
    for usd, share in sorted(set(known), key=lambda point: (point[0], -point[1])):
        if not kept or share > kept[-1][1]:
            kept.append((usd, share))
    return kept


def _front(places: Sequence[tuple[float, float]]) -> str:
    """Steps: what is reached for at most so much."""
    steps = [f"M{places[0][0]:.1f} {_BOTTOM:.1f}V{places[0][1]:.1f}"]
    steps += (f"H{x:.1f}V{y:.1f}" for x, y in places[1:])
    return f'<path class="front" d="{"".join(steps)}H{_RIGHT:.1f}"/>'


def _point(
    at: int, axis: _Axis, y: Callable[[float], float], usd: float, share: float, arm: ArmReport
) -> Iterator[str]:
    yield f'<g class="a{at % COLOURS}">'
    if arm.usd_interval:
        yield _bar((axis(arm.usd_interval.low), y(share)), (axis(arm.usd_interval.high), y(share)))
    if arm.rate.interval:
        yield _bar((axis(usd), y(arm.rate.interval.low)), (axis(usd), y(arm.rate.interval.high)))
    shape = _ORDER[at % len(_ORDER)]
    yield _mark(shape, axis(usd), y(share))
    yield "</g>"


def _bar(start: tuple[float, float], end: tuple[float, float]) -> str:
    return _line(*start, *end, "bar")


def _labels(places: Sequence[tuple[float, float, str]]) -> Iterator[str]:
    """Names beside their points, each where it covers no other name and no point, if there is such a place."""
    taken = [(x - 8, y - 8, x + 8, y + 8) for x, y, _ in places]
    for x, y, name in places:
        width = cells(name) * LETTER
        tries = [
            (x + 9 if side > 0 else x - 9 - width, y + down) for down in (-8.0, 18.0, -24.0, 34.0) for side in (1, -1)
        ]
        boxes = [(left, base - 12, left + width, base + 3) for left, base in tries]
        inside = [box for box in boxes if box[0] >= _LEFT and box[2] <= WIDTH and box[1] >= _TOP - 6] or boxes
        box = next((b for b in inside if not any(_overlap(b, other) for other in taken)), inside[0])
        taken.append(box)
        yield _text(box[0], box[3] - 3, name, "strong halo")


def _overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


# -- tasks

_LABEL, _CELL, _LINE = 178.0, 82.0, 26.0


def heat_map(report: Report) -> str:
    """Tasks below each other, arms side by side, the passes of judged runs in words and colour."""
    rows, left = shown_tasks(report)
    sizes = {row.size for row in rows}
    parts = [
        _text(_LABEL + _CELL * (at + 0.5), 16, shortened(plain(name), 11), "strong middle")
        for at, name in enumerate(report.arms)
    ]
    y, size = 26.0, None
    for row in rows:
        if row.size != size and len(sizes) > 1:
            y += 20 if size is None else 28
            parts.append(_text(0, y - 6, f"Size {row.size}", "soft"))
        size = row.size
        parts.append(_text(0, y + 17, shortened(plain(row.task), 24)))
        parts += (_cell(row, name, found, _LABEL + _CELL * at, y) for at, (name, found) in enumerate(row.arms.items()))
        y += _LINE
    about = f"Rows are tasks, columns are {', '.join(report.arms)}; each cell has the passes of the judged runs. {left}"
    return drawing("tasks", _LABEL + _CELL * len(report.arms), y + 4, "Passes by task and arm", about, parts)


def _cell(row: TaskReport, arm: str, found: TaskInArm, x: float, y: float) -> str:
    lost = f", {found.lost} lost to machines or providers" if found.lost else ""
    words = f"{row.task}, {arm}: {found.passed} of {found.judged} runs passed{lost}"
    kind = "none" if found.rate is None else f"h{round(4 * found.rate)}"
    box = _rect(x + 2, y + 2, _CELL - 4, _LINE - 4, kind, f"<title>{_safe(words, 300)}</title>")
    return box + _text(x + _CELL / 2, y + 17, found.words, "middle")
