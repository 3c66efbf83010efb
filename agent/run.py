"""The composition root and the Python API: a configuration becomes objects, the objects a graph, the graph a result."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, closing, nullcontext, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from langsmith import tracing_context

from agent import __version__
from agent.budget import Budget
from agent.checks import check_language, open_toolchain
from agent.checks.journaled import JournaledChecker
from agent.checks.packages import Environment, installed, problems_of_packages
from agent.checks.pytest_source import declared_ids
from agent.checks.stub import problems_of_interface
from agent.config import ROLES, Settings
from agent.dataset.store import record_run
from agent.existing import Existing, read_existing
from agent.git import require_git
from agent.hand_edits import Policy, base_of, check_edits, check_newest, former, hand_edits, told, with_hand_edits
from agent.human import NoHuman
from agent.models import find_model, open_model, replay
from agent.models.base import Model
from agent.models.journaled import JournaledModel, costs
from agent.models.pricing import Prices
from agent.models.replay import Recorder
from agent.paths import check_paths
from agent.prompts import Prompts
from agent.sandbox import open_sandbox
from agent.spec import unbound_examples, with_feedback
from agent.store.inbox import Inbox
from agent.store.journal import JournalReader, SqliteJournal
from agent.store.runs import find_run, list_runs, new_run
from agent.strategies import open_strategy
from agent.strategies.base import Note, Reading
from agent.threads import in_daemon_thread
from agent.workspace import GitRepository, check_output, sole_writer
from few_shot import exemplar, retrieve
from graphs import dag, document, events, run_context, run_graph
from graphs.errors import LimitReached, PathRefused, PlanError, PrerequisiteError, UserError
from graphs.events import Event
from graphs.ports import Human
from graphs.run_state import fold
from graphs.scheduler import Slots, standing
from graphs.values import (
    Component,
    Feedback,
    Limits,
    Plan,
    Proof,
    Question,
    Spec,
    Usage,
    Verdict,
    from_json,
    to_json,
)

UNPRICED_TOKENS = 2_000_000
"""Ceiling of tokens where no price is known and none was given: about what 5 USD bought of a mid-priced model in 2026."""

UNSANDBOXED = "generated code runs UNSANDBOXED, with your rights, because of --sandbox none"
"""Said at every such run; its verdicts carry the same word."""

STOPS = (signal.SIGINT, signal.SIGTERM)
"""Signals that end a run in order: journalled, resumable."""

RunStatus = Literal["passed", "failed", "limit", "interrupted", "declined", "planned"]
Listener = Callable[[Event], None]
Who = Callable[[Inbox], Human]
"""Makes the one who is asked, given where other processes leave messages for the run."""


@dataclass(frozen=True)
class RunConfig:
    """One run, wholly described: what resume needs is in here and goes into the journal."""

    spec: Spec
    """What to build."""
    output: Path
    """Where the repository goes; absolute."""
    settings: Settings
    """Everything that can be configured."""
    home: Path
    """Where run directories are kept."""
    plan: Plan | None = None
    """A plan to build instead of asking for one."""
    record: Path | None = None
    """Write every answer of the model to this recording."""
    replay_delay: float = 0.0
    """Seconds a replayed answer takes, so that a demonstration can be watched."""
    exemplar_directory: Path | None = None
    """The user's own exemplars, beside those that are shipped."""
    plan_only: bool = False
    """Stop when there is a plan."""
    edits: Policy = "refuse"
    """What becomes of files in the output that the user edited by hand."""
    existing: Existing | None = None
    """The program that the specification asks to change; ``None``: a new one is built, or the output already stands on one."""
    packages: Path | None = None
    """A directory that holds the packages the specification allows; ``None``: they are fetched."""


@dataclass(frozen=True)
class RunResult:
    """How a run ended."""

    run_id: str
    """Names it for ``agent resume``, ``show``, ``log``."""
    status: RunStatus
    """``passed`` only when every component is proven and the assembled repository passed."""
    output: Path
    """Where the repository is."""
    plan: Plan | None = None
    """The plan in force; ``None`` when there was none yet."""
    proofs: Mapping[str, Proof] = field(default_factory=dict)
    """Component id → proof, passed or failed."""
    blocked: Mapping[str, str] = field(default_factory=dict)
    """Component id → the failed component that blocks it."""
    verdict: Verdict | None = None
    """Of the assembled repository; ``None`` when a component is missing."""
    usage: Usage = field(default_factory=Usage)
    """Spent by all processes of the run."""
    seconds: float = 0.0
    """Wall time of this process."""
    reason: str = ""
    """One sentence when not passed."""


class _PlanOnly(NoHuman):
    """Lets no plan pass: the run ends when there is one."""

    async def approve(self, plan: Plan, notes: Sequence[str]) -> Plan | None:
        """Nothing is to be built."""
        return None


@dataclass(frozen=True)
class _Unhurried:
    """A human whose time is not the run's: while nothing but an answer is waited for, the ceiling of seconds waits too."""

    human: Human
    """Who is asked."""
    ceiling: asyncio.Timeout
    """Ends the run."""

    def present(self) -> bool:
        return self.human.present()

    async def ask(self, question: Question) -> str | None:
        return await self.human.ask(question)  # other components go on meanwhile

    async def approve(self, plan: Plan, notes: Sequence[str]) -> Plan | None:
        with standing(self.ceiling):
            return await self.human.approve(plan, notes)

    async def judge(self, plan: Plan, proofs: Mapping[str, Proof], verdict: Verdict | None) -> Feedback | None:
        with standing(self.ceiling):
            return await self.human.judge(plan, proofs, verdict)


def check_component(component: Component, spec: Spec | None = None, existing: Existing | None = None) -> list[str]:
    """Rules on components beyond those of ``graphs.dag``: file names that may be written, interfaces that parse,
    packages that the specification, where it is given, allows, names of tests that an existing program does not have."""
    found = list(problems_of_interface(component))
    if existing is not None and (path := dag.test_path(component.id)) in existing.files:
        found.append(
            f"component {component.id!r}: its tests would be {path!r}, which the program has already; give it another id"
        )
    found += problems_of_packages(component.packages, None if spec is None else spec.settings.get("packages", ()))
    try:
        check_paths(dict.fromkeys(component.files, ""), None)
    except PathRefused as error:
        found += error.problems
    return found


def rules_of(spec: Spec, max_components: int | None, existing: Existing | None = None) -> Callable[[Plan], list[str]]:
    """What an edited plan for ``spec`` must meet before it is built: gives what is wrong with one, a sentence each."""
    rules = partial(check_component, spec=spec, existing=existing)
    spec = _standing_on(spec, existing)

    def problems(plan: Plan) -> list[str]:
        asked = with_feedback(spec, plan.feedback) if plan.feedback else spec
        return dag.problems(plan, asked, rules, max_components)

    return problems


def start(config: RunConfig, who: Who = NoHuman, listeners: Sequence[Listener] = ()) -> RunResult:
    """Begin a new run and see it through. Blocking; see :func:`run_async` for the errors."""
    if not config.plan_only:
        check_output(config.output)
        config = replace(config, existing=_begun_from(config))
    config = replace(config, spec=_standing_on(config.spec, config.existing))
    if not config.plan_only:
        for info in list_runs(config.home):
            if info.status == "running" and info.output == str(config.output):
                raise UserError(
                    f"run {info.id} is delivering to {info.output!r} now; wait for it, stop it, or name another output with -o"
                )
    _prepare(config)
    with nullcontext() if config.plan_only else sole_writer(config.output, config.home):
        if not config.plan_only:
            check_edits(config.output, config.edits)
        run_id, run_dir = new_run(config.home, config.spec.title)
        journal = SqliteJournal.create(run_dir)
        return _drive(config, run_id, journal, who, listeners, new=True)


def _standing_on(spec: Spec, existing: Existing | None) -> Spec:
    """The specification, knowing what there is of the program that it changes."""
    return spec if existing is None else replace(spec, existing=tuple(existing.files))


def _begun_from(config: RunConfig) -> Existing | None:
    """The program that is changed: the one that is named, or that the output stands on already. ``UserError`` for two."""
    base, named = base_of(config.output), config.existing
    if named is not None and (base or (config.output / ".git").exists()) and base != named.commit:
        where = f"from commit {base[:12]}" if base else "from nothing"
        raise UserError(
            f"the output {str(config.output)!r} was begun {where}, and {str(named.repo)!r} is at {named.commit[:12]}; name another "
            "output with -o"
        )
    return read_existing(config.output, base) if base and named is None else named


def resume(
    home: Path,
    prefix: str | None = None,
    change: Callable[[Settings], Settings] = lambda s: s,
    who: Who = NoHuman,
    listeners: Sequence[Listener] = (),
    edits: Policy | None = None,
    retry: Sequence[str] = (),
) -> RunResult:
    """Go on with a run: what its journal holds is not asked, built or tested again.

    Args:
        home: where run directories are kept.
        prefix: of the run's id; the newest run when ``None``.
        change: applied to the settings of the run, to raise a ceiling for instance.
        who: makes the one who is asked.
        listeners: are told every event.
        edits: what becomes of files edited by hand; ``None``: they stay where the run was started so.
        retry: ids of components that failed, and are to be tried as if they had not: their models are asked anew.
    """
    info = find_run(home, prefix)
    journal = SqliteJournal.open(info.path)
    with closing(journal):
        config = _config_of(journal, home, change)
        config = replace(config, edits=edits or config.edits)
        check_retry(journal, retry)
        _prepare(config)
        with sole_writer(config.output, home):
            check_output(config.output)
            check_newest(config.output, info.id)
            check_edits(config.output, config.edits)
            return _drive(config, info.id, journal, who, listeners, new=False, retry=retry)


def config_of(run_dir: Path, home: Path, change: Callable[[Settings], Settings] = lambda s: s) -> RunConfig:
    """What a run was started with, its settings changed; ``UserError`` when it cannot be resumed."""
    with SqliteJournal.read(run_dir) as journal:
        return _config_of(journal, home, change)


def check_retry(journal: JournalReader, names: Sequence[str]) -> None:
    """``UserError`` when one of these components has not failed."""
    components = fold(journal.events()).components if names else {}
    failed = [name for name, state in components.items() if state.status == "failed"]
    for name in names:
        if name not in failed:
            there = f"failed: {', '.join(failed)}" if failed else "none has"
            raise UserError(
                f"no component {name!r} of run {journal.run_dir.name} has failed, to be tried again; {there}"
            )


def decompose(config: RunConfig, listeners: Sequence[Listener] = ()) -> Plan:
    """Only plan. The calls are journalled like those of any run."""
    result = start(replace(config, plan_only=True), _PlanOnly, listeners)
    if result.plan is None:
        raise LimitReached("calls", result.reason)
    return result.plan


def _prepare(config: RunConfig) -> None:
    """What can be found wrong before a run exists is found here: nothing is left behind by a misuse."""
    if not config.plan_only:
        require_git()
        open_sandbox(config.settings.sandbox).probe()
    rules = partial(check_component, spec=config.spec, existing=config.existing)
    if config.plan is not None and (found := dag.problems(config.plan, config.spec, rules)):
        raise PlanError(found)
    _check_size(config)
    check_language(config.spec.settings.get("language", "python"))
    models = _open_models(replace(config, record=None))
    open_strategy(_strategies(config.settings), models.__getitem__, Prompts(config.settings.prompts), check_component)
    if config.record is not None:
        _check_recording(config.record)


def _check_size(config: RunConfig) -> None:
    """``UserError`` when the plan that there is already has more components than it may have."""
    most = config.settings.max_components
    if most is None:
        return
    plan = config.plan or (None if config.plan_only else former(config.output))
    if plan is None or (size := len(plan.components)) <= most:
        return
    what, mend = "the plan", "give one with fewer"
    if config.plan is None:
        what, mend = f"the plan that {str(config.output)!r} was built to", "name another output with -o"
    raise UserError(
        f"{what} has {size} components, and max_components lets it have {most}; {mend}, or raise --max-components"
    )


def _check_recording(path: Path) -> None:
    """The recording is opened when the run exists; what will go wrong then is said now."""
    if path.exists():
        replay.read(path)
    place = next(p for p in (path, *path.parents) if p.exists())
    if path.is_dir() or (place != path and not place.is_dir()) or not os.access(place, os.W_OK):
        raise UserError(f"the recording {str(path)!r} cannot be written; name another file with --record")


def _drive(
    config: RunConfig,
    run_id: str,
    journal: SqliteJournal,
    who: Who,
    listeners: Sequence[Listener],
    *,
    new: bool,
    retry: Sequence[str] = (),
) -> RunResult:
    for listener in listeners:
        journal.subscribe(listener)
    heard = {number: signal.getsignal(number) for number in STOPS}
    try:
        result = asyncio.run(_run(config, run_id, journal, who, new=new, retry=retry))
        if config.settings.collect and not config.plan_only:
            _record(config, journal.run_dir, listeners)
        return result
    finally:
        journal.close()
        for number, handler in heard.items():
            if handler is not None:
                signal.signal(number, handler)


def _ignore_signals() -> None:
    """The run is ending: a second Ctrl-C must not keep it from saying so in the journal."""
    asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN)


async def _run(
    config: RunConfig, run_id: str, journal: SqliteJournal, who: Who, *, new: bool, retry: Sequence[str] = ()
) -> RunResult:
    """Set everything up, run the graph, and tell the end apart from every other end."""
    began = time.monotonic()
    result = RunResult(run_id, "failed", config.output)
    models = _open_models(config)
    price = _price(list(models.values()))
    limits = limits_of(config.settings, known_price=price(Usage()) is not None)
    budget = Budget(limits, price, costs(journal))
    if new:
        await journal.append(_started(config, run_id, limits))
    else:
        resumed = Event(events.RUN_RESUMED, body={"pid": os.getpid(), "limits": to_json(limits)})
        await journal.append(resumed, *(Event(events.COMPONENT_RETRIED, name) for name in retry))
    await _say_at_the_start(config, journal, models)
    inbox = Inbox(journal.run_dir)
    await inbox.take_up(journal)
    past = _past(journal, config)
    async with AsyncExitStack() as stack:
        for model in dict.fromkeys(models.values()):
            stack.push_async_callback(model.close)
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        try:
            # LangGraph would send traces to a hosted service when the environment asks for it; recording is local here.
            with tracing_context(enabled=False):
                async with asyncio.timeout(config.settings.max_seconds) as ceiling:
                    packages = await _fetch_packages(config, journal)
                    context = _compose(config, run_id, journal, who(inbox), past, models, budget, limits, packages)
                    context = replace(context, human=_Unhurried(context.human, ceiling))
                    state = await run_graph.run(context)
            result = _result(result, state)
            if config.plan_only:
                result = replace(result, status="planned", reason="")
        except TimeoutError:
            if not ceiling.expired():
                raise
            result = replace(
                result, status="limit", reason=f"the ceiling of {config.settings.max_seconds:g} seconds is reached"
            )
        except LimitReached as error:
            result = replace(result, status="limit", reason=str(error))
        except asyncio.CancelledError:
            _ignore_signals()
            await journal.append(Event(events.RUN_INTERRUPTED, body={"reason": "stopped by a signal"}))
            raise
        except Exception as error:
            reason = str(error) or "the question whether to build the plan was left"
            await journal.append(Event(events.RUN_INTERRUPTED, body={"reason": reason}))
            raise
        await inbox.settle(journal)
        seconds = time.monotonic() - began
        result = replace(_known(result, journal, config.spec), usage=budget.spent, seconds=seconds)
        await journal.append(
            Event(
                events.RUN_FINISHED,
                revision=result.plan.revision if result.plan else 0,
                body={
                    "status": result.status,
                    "usage": to_json(result.usage),
                    "seconds": seconds,
                    "reason": result.reason,
                },
            )
        )
    return result


def _record(config: RunConfig, run_dir: Path, listeners: Sequence[Listener]) -> None:
    """Keep the run in the dataset. It is over, and its end in the journal: nothing that goes wrong here changes that."""
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN)
    try:
        record_run(config.home, run_dir, os.environ, Path.cwd())
    except Exception as error:
        words = " ".join(str(error).split()) or type(error).__name__
        with suppress(Exception):  # a broken view
            for listener in listeners:
                listener(Event(events.NOTE, body={"text": f"the run is not in the dataset: {words}"}))


async def _say_at_the_start(config: RunConfig, journal: SqliteJournal, models: Mapping[str, Model]) -> None:
    """What whoever watches must know before anything happens."""
    if config.settings.sandbox == "none" and not config.plan_only:
        await journal.append(Event(events.NOTE, body={"text": UNSANDBOXED}))
    if not config.plan_only and (edits := hand_edits(config.output)):
        replaced = [edit for edit in edits if config.edits == "overwrite" and edit.kind != "replaced"]
        fate = "git keeps yours, then they are replaced" if replaced else "they stay as they are"
        await journal.append(Event(events.NOTE, body={"text": f"you edited files by hand: {told(edits)}; {fate}"}))
    if config.existing is not None:
        text = (
            f"the specification changes the program in {str(config.existing.repo)!r}, as commit {config.existing.commit[:12]} has it "
            f"({len(config.existing.files)} files)"
        )
        await journal.append(Event(events.NOTE, body={"text": text}))
    if unbound := unbound_examples(config.spec):
        where = f"line{'s' * (len(unbound) > 1)} {', '.join(map(str, unbound))}"
        text = (
            f"the input and output blocks at {where} of the specification are not checked, because no command is named; write it "
            "after the word input, or as 'entry' in the front matter"
        )
        await journal.append(Event(events.NOTE, body={"text": text}))
    for name in dict.fromkeys(model.name for model in models.values()):
        kind, _, directory = name.partition(":")
        if kind == "manual":  # transient: it is news only to those who must answer now
            text = f"each question to the model is a file in {directory!r}; README.txt there says how to answer"
            journal.tell(Event(events.NOTE, body={"text": text}))


async def _fetch_packages(config: RunConfig, journal: SqliteJournal) -> Path | None:
    """The directory of the packages the specification allows, fetched unless an earlier process of the run did.

    Before the first question is paid for, and said to the user. ``None`` when there are none, or nothing will be built.
    One that is given is taken as it is.
    """
    wanted = config.spec.settings.get("packages", ())
    if not wanted or config.plan_only or config.packages is not None:
        return config.packages
    environment = Environment(journal.run_dir / "packages")
    if not environment.place(wanted).is_dir():
        text = f"fetching the packages that the specification allows: {', '.join(wanted)} (wheels only)"
        await journal.append(Event(events.NOTE, body={"text": text}))
    directory = await in_daemon_thread(environment.ensure, wanted)
    text = f"generated code may import: {', '.join(installed(directory))} (log: {environment.log(wanted)})"
    await journal.append(Event(events.NOTE, body={"text": text}))
    return directory


def _compose(
    config: RunConfig,
    run_id: str,
    journal: SqliteJournal,
    human: Human,
    past: run_graph.Past,
    models: Mapping[str, Model],
    budget: Budget,
    limits: Limits,
    packages: Path | None,
) -> run_graph.Context:
    """The objects of a run, each given to those that need it."""
    settings = config.settings
    model_slots, test_slots = Slots(settings.parallel), Slots(settings.test_slots)
    retried = {event.component: event.ts for event in journal.events(kind=events.COMPONENT_RETRIED)}
    journaled = {role: JournaledModel(model, journal, model_slots, budget, retried) for role, model in models.items()}
    sandbox = open_sandbox(settings.sandbox)
    language = config.spec.settings.get("language", "python")
    existing = config.existing.files if config.existing else {}
    toolchain = open_toolchain(language, sandbox, settings.sandbox_limits, packages, existing)
    rules = partial(check_component, spec=config.spec, existing=config.existing)
    prompts = Prompts(settings.prompts)
    strategy = open_strategy(
        _strategies(settings),
        journaled.__getitem__,
        prompts,
        rules,
        settings.temperature,
        _keeper(journal),
        settings.max_components,
        existing,
    )
    return run_graph.Context(
        spec=config.spec,
        given_plan=config.plan,
        past=past,
        strategy=strategy,
        checker=JournaledChecker(toolchain, journal, test_slots),
        journal=journal,
        human=human,
        purse=budget,
        repository=GitRepository(
            config.output, run_id, overwrite=config.edits == "overwrite", existing=config.existing
        ),
        choose_exemplars=lambda spec: choose_exemplars(
            spec, config.exemplar_directory, settings.exemplars, settings.exemplar_choice, settings.max_components
        ),
        with_feedback=with_feedback,
        check_component=rules,
        limits=limits,
        parallel=settings.parallel + settings.test_slots,
        existing=existing,
    )


def _strategies(settings: Settings) -> dict[str, str]:
    """Role → name of its strategy."""
    return {role: settings.strategy_for(role) for role in ROLES}


def _keeper(journal: SqliteJournal) -> Note:
    """Keeps how each answer read; an answer that a resume reads again is not told twice."""
    known = {event.body["key"] for event in journal.events(kind=events.ANSWER_READ)}

    async def note(reading: Reading) -> None:
        if reading.key not in known:
            known.add(reading.key)
            body = to_json(reading)
            await journal.append(Event(events.ANSWER_READ, component=body.pop("component"), body=body))

    return note


def _open_models(config: RunConfig) -> dict[str, Model]:
    """Role → model. Roles that share a name share the model; a recorder stands in front when answers are recorded."""
    settings = config.settings
    prices = Prices.load(settings.prices)
    name, base_url = settings.model, settings.base_url
    if name is None and not settings.models:
        found = find_model(os.environ)
        name, base_url = found.name, found.base_url
    opened: dict[str, Model] = {}
    roles: dict[str, Model] = {}
    for role in ROLES:
        wanted = settings.model_for(role) or name
        if wanted is None:
            raise PrerequisiteError(
                f"no model is named for the role {role!r}; set it in [models], or a model for all with --model"
            )
        if wanted not in opened:
            model = open_model(
                wanted,
                base_url=base_url,
                api_key=os.environ.get(settings.api_key_env),
                seconds=settings.request_seconds,
                prices=prices,
                dialect=settings.dialect,
                replay_delay=config.replay_delay,
            )
            opened[wanted] = Recorder(model, config.record) if config.record else model
        roles[role] = opened[wanted]
    return roles


def limits_of(settings: Settings, known_price: bool) -> Limits:
    """The ceilings of a run. Money binds where every price is known; where one is not, tokens must."""
    return Limits(
        max_usd=settings.max_usd if known_price else None,
        max_tokens=settings.max_tokens if settings.max_tokens is not None else None if known_price else UNPRICED_TOKENS,
        max_seconds=settings.max_seconds,
        max_calls=settings.max_calls,
        test_rewrites=settings.test_rewrites,
        repairs=settings.repairs,
        no_progress=settings.no_progress,
        component_seconds=settings.component_seconds,
        max_components=settings.max_components,
        rungs=settings.rungs,
        respecifications=settings.respecifications,
        split_depth=settings.split_depth,
        integration_rounds=settings.integration_rounds,
        candidates=settings.candidates,
        mutants=settings.mutants,
        mutant_seconds=settings.mutant_seconds,
    )


def _price(models: Sequence[Model]) -> Callable[[Usage], float | None]:
    """US dollars of a usage at the dearest of the models; ``None`` when one price is unknown."""

    def price(usage: Usage) -> float | None:
        prices = [model.price(usage) for model in models]
        return None if None in prices else max(p for p in prices if p is not None)

    return price


def choose_exemplars(
    spec: Spec,
    user_directory: Path | None,
    count: int,
    choice: str = "retrieved",
    max_components: int | None = None,
) -> run_graph.Exemplars:
    """The exemplars to show for a spec, in the order in which they are shown.

    Args:
        spec: what is to be planned.
        user_directory: the user's own, beside those that are shipped.
        count: how many; 0 for none.
        choice: one of ``agent.config.EXEMPLAR_CHOICES``.
        max_components: how many components a plan may have; ``None``: any number.
    """
    library = retrieve.within(exemplar.library(user_directory), max_components) if count else []
    chosen = retrieve.fixed(library, count) if choice == "fixed" else retrieve.choose(spec.text, library, count)
    return run_graph.Exemplars(
        names=tuple(c.exemplar.name for c in chosen),
        texts=tuple(exemplar.as_prompt(c.exemplar) for c in chosen),
        why=tuple(c.why for c in chosen),
    )


def _started(config: RunConfig, run_id: str, limits: Limits) -> Event:
    """The event that holds all that resume needs."""
    settings = {**config.settings.as_data(), "output": str(config.output)}
    return Event(
        events.RUN_STARTED,
        body={
            "run": run_id,
            "version": __version__,
            "title": config.spec.title,
            "spec": to_json(config.spec),
            "settings": settings,
            "limits": to_json(limits),
            "plan": document.to_data(config.plan) if config.plan else None,
            "record": str(config.record) if config.record else None,
            "replay_delay": config.replay_delay,
            "exemplar_directory": str(config.exemplar_directory) if config.exemplar_directory else None,
            "plan_only": config.plan_only,
            "edits": config.edits,
            "existing": {"repo": str(config.existing.repo), "commit": config.existing.commit}
            if config.existing
            else None,
            "packages": str(config.packages) if config.packages else None,
            "prompts": dict(Prompts(config.settings.prompts).digests),
        },
    )


def _started_body(journal: JournalReader) -> Any:
    started = next(journal.events(kind=events.RUN_STARTED), None)
    if started is None:
        raise UserError(f"the run in {str(journal.run_dir)!r} ended before it began; start it again with 'agent run'")
    return started.body


def _config_of(journal: JournalReader, home: Path, change: Callable[[Settings], Settings]) -> RunConfig:
    body = _started_body(journal)
    if body["plan_only"]:
        raise UserError("that run only made a plan; build it with: agent run SPEC.md --plan plan.yaml")
    settings = from_json(Settings, body["settings"])
    output = Path(body["settings"]["output"])
    return RunConfig(
        spec=from_json(Spec, body["spec"]),
        output=output,
        settings=change(settings),
        home=home,
        plan=document.from_data(body["plan"]) if body["plan"] else None,
        record=Path(body["record"]) if body["record"] else None,
        replay_delay=body["replay_delay"],
        exemplar_directory=Path(body["exemplar_directory"]) if body["exemplar_directory"] else None,
        # What was edited since the run began may be kept without being asked, but not overwritten.
        edits="keep" if body.get("edits") == "keep" else "refuse",
        existing=_existing_of(body.get("existing"), output),
        packages=Path(body["packages"]) if body.get("packages") else None,
    )


def _existing_of(named: Any, output: Path) -> Existing | None:
    """The program that a run changes, from its output where that has it already."""
    if named is None:
        return None
    there = base_of(output) == named["commit"]
    return read_existing(output if there else Path(named["repo"]), named["commit"])


def _past(journal: SqliteJournal, config: RunConfig) -> run_graph.Past:
    """The fold of the journal, and of earlier runs of this spec that delivered to the same place."""
    past = _fold(journal)
    there = former(config.output) if past.plan is None and config.plan is None and not config.plan_only else None
    earlier: dict[str, Proof] = {}
    for info in list_runs(config.home):
        if info.path == journal.run_dir or info.output != str(config.output):
            continue
        with SqliteJournal.read(info.path) as other:
            earlier = {**_fold(other).proofs, **earlier}
            started = next(other.events(kind=events.RUN_STARTED), None)
            # Not every run that began there delivered a plan.
            if there is not None and past.former_spec is None and started is not None:
                spec = from_json(Spec, started.body["spec"])
                past.former_spec = spec if spec.digest == there.spec_digest else None
    edits = hand_edits(config.output) if config.edits == "keep" else ()
    proofs, unproven = with_hand_edits({**earlier, **past.proofs}, edits, declared_ids)
    past.former, past.proofs, past.unproven = there, proofs, set(unproven)
    past.edited = frozenset(edit.component for edit in edits if edit.component)
    if unproven:
        past.verdict = None
    return past


def _fold(journal: JournalReader) -> run_graph.Past:
    past = run_graph.Past()
    for event in journal.events(kind=run_context.FOLDED):
        past.take_in(event)
    return past


def _result(result: RunResult, state: run_graph.State) -> RunResult:
    if not state["approved"]:
        return replace(
            result, status="declined", plan=document.from_data(state["plan"]), reason="the plan was not approved"
        )
    plan = document.from_data(state["plan"])
    proofs = {i: from_json(Proof, p) for i, p in state["proofs"].items()}
    verdict = from_json(Verdict, state["verdict"]) if state["verdict"] else None
    failed = [i for i, proof in proofs.items() if proof.status == "failed"]
    if failed:
        count = f"{len(failed)} component{'s' * (len(failed) > 1)} failed"
        blocked = len(state["blocked"])
        reason = f"{count} ({', '.join(failed)})" + (f", {blocked} blocked by that" if blocked else "")
    elif verdict is None or verdict.status != "passed":
        reason = f"the assembled repository does not pass: {verdict.reason if verdict else 'it was not checked'}"
    else:
        reason = ""
    return replace(
        result,
        status="failed" if reason else "passed",
        plan=plan,
        proofs=proofs,
        blocked=state["blocked"],
        verdict=verdict,
        reason=reason,
    )


def _known(result: RunResult, journal: SqliteJournal, spec: Spec) -> RunResult:
    """At a ceiling the graph returns nothing; what is proven of the plan in force is in the journal."""
    past = _fold(journal) if result.plan is None else None
    if past is None or past.plan is None:
        return result
    keys = dag.keys(past.plan, with_feedback(spec, past.plan.feedback))
    proofs = {i: past.proofs[key] for i, key in keys.items() if key in past.proofs}
    return replace(result, plan=past.plan, proofs=proofs)
