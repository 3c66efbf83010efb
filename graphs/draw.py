"""A plan or run drawn as tree, Mermaid, DOT, SVG or JSON. Pure.

Titles, purposes and reasons are written by models: every format gets them on one line, without control or formatting
characters, and escaped its own way. Component ids are data too: boxes are called n0, n1… in plan order.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from graphs import dag
from graphs.layout import Layout, Sizes, layout
from graphs.status import SIGNS, State, describe
from graphs.text import cells, names, plain, shortened
from graphs.values import Plan, to_json

JSON_VERSION = 1
"""``version`` of :func:`as_json`; it grows when a key changes its meaning or goes away."""

States = Mapping[str, State]
"""Component id → what is known of it; empty when a plan is drawn that nobody runs."""
NOBODY_RUNS_IT: States = MappingProxyType({})

_DEEPEST = 10
"""From this depth on the tree indents no further, so that a chain of hundreds stays on the page."""


_MANY = 80
"""With more components Mermaid and DOT show ids only: Mermaid refuses texts of more than 50,000 characters."""


def _at(states: States, component_id: str) -> State | None:
    return states.get(component_id, State()) if states else None


def _figures(plan: Plan) -> str:
    f = dag.figures(plan)
    parts = [
        f"revision {plan.revision}",
        f"{f.components} component{'s' * (f.components != 1)}",
        f"{f.edges} dependenc{'ies' if f.edges != 1 else 'y'}",
        f"{f.depth} deep",
        f"up to {f.width} at once",
    ]
    return " · ".join(parts)


def _progress(plan: Plan, states: States) -> str:
    """How many components there are of each status that occurs; empty for a plan that nobody runs."""
    found = [states.get(c.id, State()).status for c in plan.components] if states else []
    return " · ".join(f"{SIGNS[status]} {found.count(status)} {status}" for status in SIGNS if status in found)


@dataclass(frozen=True)
class Branch:
    """One line of a plan drawn as a tree."""

    id: str
    """The component; it stands below the dependency it waits for longest."""
    lead: str
    """The connectors in front of it."""
    needs: str
    """The dependencies that the lines above do not show, in words; empty when there are none."""
    critical: bool
    """Whether it is on the critical path."""


def branches(plan: Plan) -> list[Branch]:
    """The lines of a sound plan as a tree, each component once, below what it stands on."""
    order = {c.id: i for i, c in enumerate(plan.components)}
    depth = {name: i for i, generation in enumerate(dag.levels(plan)) for name in generation}
    on_path = set(dag.critical_path(plan))
    needs = {c.id: [d for d in c.depends_on if d in order] for c in plan.components}
    parent = {
        name: max(above, key=lambda d: (depth[d], d in on_path, -order[d]), default="") for name, above in needs.items()
    }
    children: dict[str, list[str]] = {}
    for name in sorted(order, key=lambda n: (n not in on_path, order[n])):
        children.setdefault(parent[name], []).append(name)
    lines: list[Branch] = []
    todo = [(name, "", "", 0) for name in reversed(children.get("", []))]
    while todo:
        name, lead, below, level = todo.pop()
        deep = level > _DEEPEST
        others = [d for d in needs[name] if deep or d != parent[name]]
        words = f"[{'' if deep else 'also '}needs {names(others)}]" if others else ""
        lines.append(Branch(name, lead, words, name in on_path))
        mine = children.get(name, [])
        for i, child in reversed(list(enumerate(mine))):
            last = i == len(mine) - 1
            if level >= _DEEPEST:
                todo.append((child, f"{below}└┄ ", below, level + 1))
            else:
                todo.append((child, below + ("└─ " if last else "├─ "), below + ("   " if last else "│  "), level + 1))
    return lines


def tree(plan: Plan, states: States = NOBODY_RUNS_IT, width: int = 100) -> str:
    """The plan as text, one line per component, each below the dependency it stands on most deeply.

    Further dependencies are named in brackets; ``*`` marks the critical path.

    Args:
        plan: a sound plan.
        states: what is known of each component; empty to see purposes instead.
        width: most terminal cells per line, at least 40.
    """
    purposes = {c.id: c.purpose for c in plan.components}
    top = (plain(plan.title), _figures(plan), _progress(plan, states))
    lines = [*(shortened(line, width) for line in top if line), ""]
    drawn = branches(plan)
    for branch in drawn:
        state = _at(states, branch.id)
        sign = f"{SIGNS[state.status]} " if state else ""
        head = f"{branch.lead}{sign}{plain(branch.id, 40)}{' *' * branch.critical}  "
        needs = f" {branch.needs}" * bool(branch.needs)
        words = describe(state) if state else plain(purposes[branch.id])
        room = max(width - cells(head) - cells(needs), 20)
        lines.append(shortened(f"{head}{shortened(words, room)}{needs}", width))
    lines += ["", f"* critical path: {sum(b.critical for b in drawn)} of {len(drawn)} in a row"]
    return "\n".join(lines) + "\n"


def _edges(plan: Plan) -> list[tuple[int, int, bool]]:
    """(number of the dependency, number of the dependent, on the critical path), by dependent in plan order."""
    number = {c.id: i for i, c in enumerate(plan.components)}
    path = dag.critical_path(plan)
    critical = set(pairwise(path))
    return [
        (number[d], number[c.id], (d, c.id) in critical) for c in plan.components for d in c.depends_on if d in number
    ]


def _label(plan: Plan, states: States, number: int, most: int) -> list[str]:
    component = plan.components[number]
    state = _at(states, component.id)
    sign = f"{SIGNS[state.status]} " if state else ""
    lines = [f"{sign}{plain(component.id, 40)}"]
    if len(plan.components) > _MANY:
        return lines
    lines.append(plain(component.purpose, most))
    return [*lines, plain(describe(state), most)] if state else lines


def mermaid(plan: Plan, states: States = NOBODY_RUNS_IT) -> str:
    """The plan as a Mermaid flowchart; thick arrows are the critical path."""
    critical = set(dag.critical_path(plan))
    lines = ["---", f"title: {_yaml(plan.title)}", "---", "flowchart LR"]
    for i, component in enumerate(plan.components):
        label = "<br/>".join(map(_entities, _label(plan, states, i, 60)))
        state = _at(states, component.id)
        lines.append(f'  n{i}["{label}"]:::{state.status if state else "planned"}')
    lines += [f"  n{a} {'==>' if thick else '-->'} n{b}" for a, b, thick in _edges(plan)]
    used = {state.status if (state := _at(states, c.id)) else "planned" for c in plan.components}
    for name, paint in ((name, _PAINT[name]) for name in _PAINT if name in used):
        lines.append(f"  classDef {name} fill:{paint.fill},stroke:{paint.line},color:#111111;")
    if thick_boxes := [f"n{i}" for i, c in enumerate(plan.components) if c.id in critical]:
        lines += ["  classDef critical stroke-width:3px;", f"  class {','.join(thick_boxes)} critical;"]
    return "\n".join(lines) + "\n"


def _entities(text: str) -> str:
    """Text inside a quoted Mermaid label: everything that could mean something is a numbered entity."""
    return "".join(c if c.isalnum() or c in " .,:_/()+=·-…✓✗▶▷○⊘–" else f"#{ord(c)};" for c in text)


def _yaml(text: str) -> str:
    return '"' + plain(text, 100).replace("\\", "\\\\").replace('"', '\\"') + '"'


def dot(plan: Plan, states: States = NOBODY_RUNS_IT) -> str:
    """The plan for Graphviz; thick arrows are the critical path."""
    critical = set(dag.critical_path(plan))
    lines = [
        "digraph plan {",
        f"  label={_quoted([plain(plan.title, 100)])};",
        "  labelloc=t;",
        "  rankdir=LR;",
        '  node [shape=box, style="rounded,filled", fontname="sans-serif"];',
    ]
    for i, component in enumerate(plan.components):
        state = _at(states, component.id)
        paint = _PAINT[state.status if state else "planned"]
        width = 3 if component.id in critical else 1
        lines.append(
            f"  n{i} [label={_quoted(_label(plan, states, i, 60))}, "
            f'fillcolor="{paint.fill}", color="{paint.line}", penwidth={width}];'
        )
    lines += [f"  n{a} -> n{b}{' [penwidth=3]' * thick};" for a, b, thick in _edges(plan)]
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(lines: Iterable[str]) -> str:
    return '"' + "\\n".join(line.replace("\\", "\\\\").replace('"', '\\"') for line in lines) + '"'


def as_json(plan: Plan, states: States = NOBODY_RUNS_IT) -> dict[str, Any]:
    """The plan and what is known of it as plain data.

    Returns:
        ``version`` (1), ``title``, ``revision``, ``entry``, ``figures`` (fields of ``dag.Figures``), ``critical_path``
        (ids, first to last) and ``components``: for each ``id``, ``purpose``, ``kind``, ``files``, ``depends_on``,
        ``requirements``, ``level`` (0 for those without dependencies), ``critical`` and ``state`` (the fields of
        :class:`graphs.status.State`, or null when nobody runs the plan).
    """
    critical = dag.critical_path(plan)
    level = {name: i for i, generation in enumerate(dag.levels(plan)) for name in generation}
    return {
        "version": JSON_VERSION,
        "title": plan.title,
        "revision": plan.revision,
        "entry": plan.entry,
        "figures": to_json(dag.figures(plan)),
        "critical_path": critical,
        "components": [
            {
                "id": c.id,
                "purpose": c.purpose,
                "kind": c.kind,
                "files": list(c.files),
                "depends_on": list(c.depends_on),
                "requirements": list(c.requirements),
                "level": level[c.id],
                "critical": c.id in critical,
                "state": to_json(_at(states, c.id)),
            }
            for c in plan.components
        ],
    }


@dataclass(frozen=True)
class _Paint:
    """Colours of a box; contrast of text on ``fill`` is at least 7 to 1 in both themes."""

    fill: str
    line: str
    dark_fill: str
    dark_line: str


_PAINT: Mapping[str, _Paint] = {
    "planned": _Paint("#f3f4f6", "#6b7280", "#23272e", "#9aa3af"),
    "pending": _Paint("#f3f4f6", "#6b7280", "#23272e", "#9aa3af"),
    "ready": _Paint("#e8ecf7", "#4b5f9e", "#222a40", "#8fa5e8"),
    "running": _Paint("#dbeafe", "#1d4ed8", "#172c4f", "#7fb0ff"),
    "waiting": _Paint("#ede4fb", "#6b3fa0", "#2c1f40", "#b794f6"),
    "passed": _Paint("#dcf3e2", "#1f7a37", "#14331d", "#5fc47b"),
    "failed": _Paint("#fde0dd", "#b3261e", "#421815", "#ff8a80"),
    "blocked": _Paint("#fbeccb", "#8a5a00", "#3a2d0c", "#e3b341"),
    "skipped": _Paint("#f3f4f6", "#6b7280", "#23272e", "#9aa3af"),
}
_MARGIN, _TOP = 24.0, 72.0


def svg(plan: Plan, states: States = NOBODY_RUNS_IT) -> str:
    """The plan as a stand-alone SVG: columns of what could be built at once, lines from left to right.

    Status is told by sign and colour, the critical path by thick lines; it follows the reader's light or dark theme.
    """
    sizes = Sizes()
    placed = layout(plan, sizes)
    critical = set(dag.critical_path(plan))
    width = max(placed.width, 520.0) + 2 * _MARGIN
    height = placed.height + _TOP + _MARGIN
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" role="img" aria-labelledby="title headline">',
        f"<style>{_style()}</style>",
        f"<defs>{_tip('thin', 8)}{_tip('thick', 12)}</defs>",
        f'<rect class="page" width="{width:.0f}" height="{height:.0f}"/>',
        f'<text id="title" class="title" x="{_MARGIN:.0f}" y="32">{_xml(plan.title, int(width / 10))}</text>',
        f'<text id="headline" class="small" x="{_MARGIN:.0f}" y="52">'
        f"{_xml(_progress(plan, states) or _figures(plan), int(width / 6))} · thick: critical path</text>",
        f'<g transform="translate({_MARGIN:.0f} {_TOP:.0f})">',
    ]
    out += _lines(plan, placed)
    for i, component in enumerate(plan.components):
        state = _at(states, component.id)
        kind = state.status if state else "planned"
        x, y = placed.boxes[component.id]
        name = _xml(component.id, 26)
        if state and state.status == "pending":
            name = f'<tspan dx="14">{name}</tspan>'
        elif state:
            name = f"{SIGNS[state.status]} {name}"
        texts = [("name", 20, name), *_purpose(component.purpose, rows=1 if state else 2)]
        if state:
            texts.append(("small", 62, _xml(describe(state), 36)))
        about = f"{component.id}: {component.purpose}" + (f" ({describe(state)})" if state else "")
        out.append(f'<g class="box {kind}{" critical" * (component.id in critical)}" id="n{i}">')
        out.append(f"<title>{_xml(about, 600)}</title>")
        out.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{sizes.width:.0f}" height="{sizes.height:.0f}" rx="8"/>')
        if state and state.status == "pending":  # few fonts have an hourglass
            out.append(f'<path class="sign" d="M{x + 12:.1f} {y + 10:.1f}h8l-8 11h8z"/>')
        out += (f'<text class="{c}" x="{x + 12:.1f}" y="{y + dy:.1f}">{text}</text>' for c, dy, text in texts)
        out.append("</g>")
    return "\n".join([*out, "</g>", "</svg>"]) + "\n"


def _tip(name: str, size: int) -> str:
    return (
        f'<marker id="{name}" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="{size}" markerHeight="{size}" '
        f'markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0 8 4 0 8z" class="tip {name}"/></marker>'
    )


def _lines(plan: Plan, placed: Layout) -> list[str]:
    path = dag.critical_path(plan)
    critical = set(pairwise(path))
    drawn = []
    for ends in sorted(placed.lines, key=lambda ends: ends in critical):
        points = placed.lines[ends]
        steps = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
        for i in range(0, len(points), 2):
            (x, y), (next_x, next_y) = points[i], points[i + 1]
            middle = (x + next_x) / 2
            steps.append(f"C{middle:.1f} {y:.1f} {middle:.1f} {next_y:.1f} {next_x:.1f} {next_y:.1f}")
            if i + 2 < len(points):
                steps.append(f"H{points[i + 2][0]:.1f}")
        thick = " critical" * (ends in critical)
        tip = "thick" if thick else "thin"
        drawn.append(f'<path class="line{thick}" marker-end="url(#{tip})" d="{" ".join(steps)}"/>')
    return drawn


def _purpose(text: str, rows: int) -> list[tuple[str, int, str]]:
    """The purpose in at most ``rows`` lines of a box: (class, offset from its top, escaped text)."""
    room, lines, rest = 36, [], plain(text)
    for row in range(rows):
        cut = shortened(rest, room)
        if row < rows - 1 and cut != rest:
            whole = cut.removesuffix("…").rpartition(" ")[0] or cut.removesuffix("…")
            cut, rest = whole, rest[len(whole) :].lstrip()
        else:
            rest = ""
        lines.append(("small", 40 + 17 * row, _xml(cut)))
        if not rest:
            break
    return lines


def _xml(text: str, most: int = 0) -> str:
    return html.escape(plain(text, most), quote=True)


def _style() -> str:
    light = "".join(f".{k} rect{{fill:{p.fill};stroke:{p.line}}}" for k, p in _PAINT.items())
    dark = "".join(f".{k} rect{{fill:{p.dark_fill};stroke:{p.dark_line}}}" for k, p in _PAINT.items())
    return (
        ".page{fill:#ffffff}text{fill:#111827;font-family:system-ui,sans-serif}.title{font-size:18px;font-weight:600}"
        ".name{font:600 13px ui-monospace,monospace}.small{font-size:11px}.box rect{stroke-width:1.2}"
        ".box.critical rect{stroke-width:3}.skipped rect,.blocked rect{stroke-dasharray:5 3}"
        ".line{fill:none;stroke:#6b7280;stroke-width:1.2}.line.critical{stroke:#111827;stroke-width:3}"
        f".tip{{fill:#6b7280}}.tip.thick{{fill:#111827}}.sign{{fill:#111827}}{light}"
        "@media (prefers-color-scheme:dark){.page{fill:#0f1216}text{fill:#f3f4f6}.line{stroke:#9aa3af}"
        f".line.critical{{stroke:#f3f4f6}}.tip{{fill:#9aa3af}}.tip.thick,.sign{{fill:#f3f4f6}}{dark}}}"
    )
