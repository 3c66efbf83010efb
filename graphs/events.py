"""Facts that happened. A run is the fold of its events; the terminal, the page and the data set read the same stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Kinds, with the keys of their body. Components are named by Event.component; a plan revision by Event.revision.
RUN_STARTED = "run.started"  # spec, settings (everything resume needs), limits
RUN_RESUMED = "run.resumed"  # pid
REQUIREMENTS_READ = "requirements.read"  # requirements: [...]
EXEMPLARS_CHOSEN = "exemplars.chosen"  # names: [...], why
PLAN_REVISED = (
    "plan.revised"  # plan: {...}, author: model|user|kept|evidence, why, edits: [...], stale, added, dropped: [ids]
)
PLAN_APPROVED = "plan.approved"  # by: user|--yes|--plan
COMPONENT_READY = "component.ready"
COMPONENT_STARTED = "component.started"  # key
COMPONENT_STEP = "component.step"  # step: tests|red|code|check|repair|candidate|amend|strength|strengthen|respecify|split, attempt, detail
TESTS_FROZEN = "tests.frozen"  # ids: [...], dropped: [...] with reasons
TEST_AMENDED = "test.amended"  # id, before, after, reason, evidence: [...]
TESTS_ADDED = "tests.added"  # ids, changes: {mutant id: change}, sources: {id: source}: tests of what went unnoticed
TEST_DROPPED = "test.dropped"  # id, reason, source: a test that was added, and taken out again
TEST_QUARANTINED = "test.quarantined"  # id, reason, source: it passes and fails on the same code
STRENGTH_MEASURED = "strength.measured"  # strength: {...}
COMPONENT_ATTEMPT = "component.attempt"  # number, step, verdict, passed, total
COMPONENT_DECISION = "component.decision"  # decision, reason, fault: why the loop went where it went
COMPONENT_PASSED = "component.passed"  # proof: {...}
COMPONENT_FAILED = "component.failed"  # proof: {...}, reason
COMPONENT_BLOCKED = "component.blocked"  # by: id
COMPONENT_RETRIED = "component.retried"  # its failure is forgotten, and its model is asked anew
QUESTION_ASKED = "question.asked"  # id, text, options, key, asked: whether somebody was there to ask
QUESTION_ANSWERED = "question.answered"  # id, answer
COMPONENT_KEPT = "component.kept"  # proof: {...}: proven in an earlier run under the same key
CALL_STARTED = "call.started"  # key, step, model            (transient: the calls table is the durable form)
CALL_FINISHED = "call.finished"  # key, step, usage, seconds, error
ANSWER_READ = "answer.read"  # key, step, attempt, number: which answer to it, strategy, form: digest, problems: why it was of no use
COMMITTED = "component.committed"  # commit; the proof, where the component was just built
INTEGRATION_STARTED = "integration.started"
INTEGRATION_FINISHED = "integration.finished"  # verdict, entry: {...}
PROOF_SUMMED = "proof.summed"  # covered: {requirement: [ids]}, unproven: {requirement or test id: why}
FEEDBACK_GIVEN = "feedback.given"  # ran, worked, perfect, text
RUN_FINISHED = "run.finished"  # status (cancelled: by the user, after its process was stopped), usage, seconds, reason
RUN_INTERRUPTED = "run.interrupted"  # reason
NOTE = "note"  # text: something the user should read


@dataclass(frozen=True)
class Event:
    """One fact. ``seq`` and ``ts`` are given by the journal when it becomes durable; 0 until then and for transient ones."""

    kind: str
    """One of the constants of this module."""
    component: str = ""
    """The component it is about; empty for the run as a whole."""
    revision: int = 0
    """The plan revision in force; 0 before there is a plan."""
    body: Mapping[str, Any] = field(default_factory=dict)
    """Plain JSON; keys as listed beside each kind."""
    seq: int = 0
    """Position in the journal, from 1."""
    ts: float = 0.0
    """Seconds since the epoch."""
