"""A report as one HTML file that needs nothing else: no request, no script, light and dark, on a screen and on a telephone."""

from __future__ import annotations

import html
from base64 import b64encode
from collections.abc import Iterable, Iterator
from hashlib import sha256
from urllib.parse import quote

from benchmark import plots
from benchmark.report import Report, Run, TaskInArm
from benchmark.report_text import (
    MOST_TASKS,
    Section,
    Table,
    headline,
    percent,
    price,
    rated,
    rule_words,
    run_words,
    sections,
    show_command,
    shown_tasks,
    verdict,
    verdict_reason,
    warnings,
)
from graphs.text import plain

_STYLE = (
    """
:root{color-scheme:light dark;--paper:#fcfbf9;--card:#fff;--ink:#1c2024;--soft:#59636b;--line:#e4e1dc;--band:#ece8e1;
--a0:#3a6ea5;--a1:#b4582a;--a2:#2f7f6b;--a3:#7a5aa6;--a4:#8a7420;--a5:#a03f68;--good:#2f6fb0;--bad:#b4582a;--same:#2f7f6b;
--h0:#f3d5c1;--h1:#f6e6da;--h2:#f0eee9;--h3:#dde8f2;--h4:#bfd7ec;--warn:#fbf1dc;--warnline:#d9b65c}
@media (prefers-color-scheme:dark){:root{--paper:#15181b;--card:#1b1f23;--ink:#e7e5e1;--soft:#9aa3ab;--line:#2f353b;
--band:#23282d;--a0:#7fb0e0;--a1:#e59a6c;--a2:#6fc3ab;--a3:#b79be0;--a4:#d3bb5f;--a5:#e08bb0;--good:#7fb0e0;--bad:#e59a6c;
--same:#6fc3ab;--h0:#5a3320;--h1:#43302a;--h2:#2c2f32;--h3:#243647;--h4:#2b4a68;--warn:#2f2a1b;--warnline:#8a7430}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,sans-serif}
main{max-width:1120px;margin:0 auto;padding:40px 24px 64px}
h1{font-size:28px;line-height:1.25;font-weight:650;margin:0 0 8px;letter-spacing:-.01em;overflow-wrap:anywhere}
h2{font-size:18px;font-weight:650;margin:48px 0 8px}
p{margin:0 0 12px;max-width:78ch}
.facts,.note,figcaption{color:var(--soft)} .note,figcaption{font-size:14px}
.facts span{white-space:nowrap} .facts span:not(:last-child)::after{content:" ·"}
.warn{background:var(--warn);border-left:3px solid var(--warnline);padding:10px 14px;border-radius:4px;max-width:none}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,300px),1fr));gap:16px;margin:20px 0 8px}
.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:16px 18px}
.card .name{color:var(--soft);overflow-wrap:anywhere} .card .word{font-size:22px;font-weight:650;margin:0 0 4px}
.card p{margin:0;font-size:14px;overflow-wrap:anywhere} .card .rate{margin-top:8px;color:var(--soft)}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));gap:16px;margin:24px 0 0;align-items:start}
figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:10px;padding:16px 18px}
figure h3{font-size:15px;font-weight:600;margin:0 0 8px} .plots svg{display:block;width:100%;height:auto;max-width:520px}
figcaption{margin-top:8px}
.box{overflow-x:auto;margin:8px 0;background:var(--card);border:1px solid var(--line);border-radius:10px}
.box svg{display:block;margin:16px 18px}
table{border-collapse:collapse;width:100%;font-size:14.5px;font-variant-numeric:tabular-nums}
th,td{padding:9px 16px;text-align:right;white-space:nowrap} th{font-weight:600;color:var(--soft);font-size:13px}
.w{text-align:left} td.w{min-width:7ch} td.long{white-space:normal;min-width:24ch}
tbody tr{border-top:1px solid var(--line)}
a{color:var(--a0)} .runs a{text-decoration:none;padding:2px 4px;border-radius:4px} .runs a:hover,.runs a:focus{background:var(--band)}
details{margin:8px 0} summary{cursor:pointer;color:var(--soft);padding:4px 0}
code{font:13px ui-monospace,monospace;overflow-wrap:anywhere} footer{margin-top:48px;color:var(--soft);font-size:14px}
@media (max-width:600px){.facts span{white-space:normal}
main{padding:24px 16px 48px} h1{font-size:23px} th,td{padding:8px 12px} figure{padding:14px 12px}}
@media print{body{background:#fff} .box{overflow:visible}}
"""
    + plots.STYLE
)
_SIGNS = {"passed": "✓", "failed": "✗", "lost": "!"}
"""Of a run in a link."""
_LONG = frozenset({"Reason", "Such as", "What differs", "Model, as it named itself"})
"""Columns of words that may take several lines."""


def as_html(report: Report, runs: str = "") -> str:
    """The page.

    Args:
        report: what it shows.
        runs: the experiment's directory as seen from the page's, for links to runs; the same directory when empty.
    """
    style = b64encode(sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'sha256-{style}'"
    title = _safe(report.title, 200)
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{title}</title>",
            f"<style>{_STYLE}</style>",
            "</head>",
            "<body>",
            "<main>",
            f"<h1>{title}</h1>",
            f'<p class="facts">{" ".join(f"<span>{_safe(phrase)}</span>" for phrase in headline(report))}</p>',
            *(f'<p class="warn" role="note">{_safe(warning)}</p>' for warning in warnings(report)),
            *_cards(report),
            f'<p class="note">{_safe(rule_words(report))}</p>',
            *_plots(report),
            *_sections(report, runs),
            f"<footer>Experiment {_safe(report.name, 60)}, made by: agent experiment report</footer>",
            "</main>",
            "</body>",
            "</html>",
            "",
        ]
    )


def _safe(text: str, most: int = 0) -> str:
    return html.escape(plain(text, most), quote=True)


def _cards(report: Report) -> Iterator[str]:
    """What the reader came for: a word for each arm, and the sentence that decided."""
    yield '<div class="cards">'
    for name, arm in report.arms.items():
        word = verdict(report, name)
        word = f"{percent(arm.rate.mean)} %" if word == "–" else word
        yield f'<div class="card"><p class="name">{_safe(name, 40)}</p><p class="word">{_safe(word)}</p>'
        if name in report.decisions or name in report.undecided:
            yield f"<p>{_safe(verdict_reason(report, name))}</p>"
        cost = "" if arm.usd is None else f" · {price(arm.usd)} a run"
        yield f'<p class="rate">{_safe(f"passes {rated(arm.rate)} %{cost}")}</p></div>'
    yield "</div>"


def _plots(report: Report) -> Iterator[str]:
    forest, cost = plots.forest(report), plots.cost_plot(report)
    if not forest and not cost:
        return
    yield '<div class="plots">'
    if forest:
        yield _figure(
            f"Difference to {plain(report.baseline, 40)}, in points of pass %",
            forest,
            "Bars are intervals, dashed boxes what such data could have shown: a true difference within a box may well go unseen.",
        )
    if cost:
        unknown = [name for name, arm in report.arms.items() if arm.usd is None]
        left_out = f" Without a known price: {', '.join(plain(name, 40) for name in unknown)}." if unknown else ""
        words = (
            "Bars are 95 % intervals; the dotted line joins the arms that no other is cheaper and at least as good as."
        )
        yield _figure("Pass % against cost", cost, words + left_out)
    yield "</div>"


def _figure(title: str, svg: str, words: str) -> str:
    return f"<figure><h3>{_safe(title)}</h3>{svg}<figcaption>{_safe(words)}</figcaption></figure>"


def _sections(report: Report, runs: str) -> Iterator[str]:
    """The same parts as in words; where a page can do more, in place of the part."""
    for section in sections(report):
        if section.title == "Verdict":
            continue
        yield f"<h2>{_safe(section.title)}</h2>"
        yield from (f'<p class="note">{_safe(sentence)}</p>' for sentence in section.text)
        if section.title == "Tasks":
            yield from _tasks(report, runs)
        elif section.title == "Flips":
            yield from _flips(report, runs)
        else:
            yield from _plain(section)


def _plain(section: Section) -> Iterator[str]:
    if section.table:
        yield _table(section.table)
    yield from (f'<p class="note">{_safe(note)}</p>' for note in section.notes)


def _table(table: Table) -> str:
    kinds = [
        f' class="w{" long" * (heading in _LONG)}"' if at in table.words else ""
        for at, heading in enumerate(table.headings)
    ]
    head = "".join(f'<th scope="col"{kind}>{_safe(h)}</th>' for kind, h in zip(kinds, table.headings, strict=True))
    rows = (
        "".join(f"<td{kind}>{_safe(cell)}</td>" for kind, cell in zip(kinds, row, strict=True)) for row in table.rows
    )
    return _boxed(head, rows)


def _boxed(head: str, rows: Iterable[str]) -> str:
    """A table in a box of its own that scrolls; ``head`` and ``rows`` are HTML."""
    body = "".join(f"<tr>{row}</tr>\n" for row in rows)
    return f'<div class="box" tabindex="0"><table><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>'


# -- runs


def _tasks(report: Report, runs: str) -> Iterator[str]:
    yield f'<div class="box" tabindex="0">{plots.heat_map(report)}</div>'
    shown, _ = shown_tasks(report)
    head = '<th scope="col" class="w">Task</th>' + "".join(
        f'<th scope="col" class="w">{_safe(name, 40)}</th>' for name in report.arms
    )
    rows = (
        f'<td class="w">{_safe(row.task, 60)}</td>'
        + "".join(f'<td class="w runs">{_runs(row.task, row.arms[name], runs)}</td>' for name in report.arms)
        for row in shown
    )
    yield f"<details><summary>Each run</summary>{_boxed(head, rows)}"
    yield '<p class="note">✓ the hidden tests pass, ✗ they fail, ! lost to a machine or provider.</p>'
    if words := run_words(report):
        said, _, command = words.partition(": ")
        yield f'<p class="note">{_safe(said)}: <code>{_safe(command)}</code></p>'
    yield "</details>"


def _flips(report: Report, runs: str) -> Iterator[str]:
    if not report.flips:
        return
    by_task = {row.task: row for row in report.matrix}
    head = "".join(f'<th scope="col" class="w">{words}</th>' for words in ("Task", "Passes in", "Fails in"))
    rows = (
        f'<td class="w">{_safe(flip.task, 60)}</td>'
        + "".join(
            '<td class="w runs">'
            + "<br>".join(f"{_safe(name, 40)} {_runs(flip.task, by_task[flip.task].arms[name], runs)}" for name in arms)
            + "</td>"
            for arms in (flip.passes, flip.fails)
        )
        for flip in report.flips[:MOST_TASKS]
    )
    yield _boxed(head, rows)


def _runs(task: str, found: TaskInArm, runs: str) -> str:
    """``2/3`` and a link to each run."""
    return " ".join([found.words, *(_link(task, run, runs) for run in found.runs)])


def _link(task: str, run: Run, runs: str) -> str:
    words = f"{task}, repeat {run.repeat + 1}: {run.outcome}"
    if not run.path:
        return f'<span title="{_safe(words, 120)}">{_SIGNS[run.outcome]}</span>'
    # a colon that is quoted begins no scheme, and a path that begins with a point no host
    place = quote(f"{runs or '.'}/{run.path}", safe="/")
    place = place if place.startswith(".") else f"./{place}"
    return (
        f'<a href="{_safe(place)}" title="{_safe(f"{words}; {show_command(run.path)}", 300)}">{_SIGNS[run.outcome]}</a>'
    )
