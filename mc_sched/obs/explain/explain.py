"""Builds the explanation of a task from the log stores."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace

from mc_sched.core import events as ev
from mc_sched.core.task import Site
from mc_sched.errors import UserError
from mc_sched.obs.explain.choices import Choices, choices_of
from mc_sched.obs.explain.sentences import Explanation
from mc_sched.obs.explain.story import Story, gather
from mc_sched.obs.log.event_log import Record
from mc_sched.obs.log.trace import is_trace_id
from mc_sched.obs.replay import value_of
from mc_sched.obs.store.query import Query, Term, of_task, of_trace
from mc_sched.obs.store.stores import Stores

REMEMBERED_EVENTS = 20_000
"""Events before a task that are replayed; the predictors remember far fewer."""
MOST_TRACED = 1_000
"""Lines that are searched for the tasks of a trace."""
LINK_AFTER_NS = 3 * 10**9
"""A link reported down within this time after a task is taken to have been down during it."""
CARRIED = ("CloudFound", "CreditsGranted")
"""Events that count until the next one of their kind."""
_EDGE = Term("node", "=", "edge")


def explain(stores: Stores, task_id: str) -> Explanation:
    """Explain why a task ended as it did; `task_id` may be the id of its trace.

    Raise UserError if the stores lack the task's beginning or cannot read it.
    """
    if is_trace_id(task_id):
        task_id = _task_of_trace(stores, task_id)
    try:
        return _explained(stores, task_id)
    except ValueError as error:
        raise UserError(f"{task_id}: another version wrote its log: {error}") from None


def _task_of_trace(stores: Stores, trace_id: str) -> str:
    """Return the edge's task in a trace; return an unknown id unchanged, as it may be a task's."""
    query = of_trace(trace_id)
    lines = stores.lines(replace(query, terms=(*query.terms, _EDGE)), MOST_TRACED)
    tasks = sorted({line.record["task_id"] for line in lines})
    if len(tasks) > 1:
        raise UserError(
            f"{trace_id}: {len(tasks)} tasks belong to this trace: {', '.join(tasks)}; name one"
        )
    return tasks[0] if tasks else trace_id


def _explained(stores: Stores, task_id: str) -> Explanation:
    lines = list(stores.each(of_task(task_id)))
    story = gather((line.record for line in lines), task_id)
    began = next(line.id for line in lines if line.record == story.submitted)
    if _may_have_lost_the_cloud(story):
        _add_link(story, stores, began, lines[-1].id)
    return Explanation(story, _choices(story, stores, began))


def _may_have_lost_the_cloud(story: Story) -> bool:
    """Return True if the task was offloaded and not answered by the cloud."""
    outcome = story.outcome
    return outcome is None or (outcome.codec is not None and outcome.site is not Site.CLOUD)


def _add_link(story: Story, stores: Stores, began: int, ended: int) -> None:
    """Add the loss of the link to the story if it happened during the task."""
    gone = Query(began, ended + LINK_AFTER_NS, (Term("name", "=", "CloudGone"), _EDGE))
    for line in stores.lines(gone, 1, newest_first=False):
        story.steps.append((line.record["t_ns"], value_of(line.record)))
    # the actions that follow it at the same time come after it
    story.steps.sort(key=lambda step: (step[0], not isinstance(step[1], ev.CloudGone)))


def _choices(story: Story, stores: Stores, began: int) -> Choices | None:
    config = _last(stores, Query(until_ns=began, terms=(Term("name", "=", "config"), _EDGE)))
    if config is None:
        return None
    return choices_of(story, config[1], _events(stores, config[0], began))


def _events(stores: Stores, since: int, until: int) -> Iterator[Record]:
    """Yield the edge's last events in between, after the last ones of CARRIED before them."""
    terms = (Term("kind", "=", "event"), _EDGE)
    lines = deque(
        reversed(stores.lines(Query(since, until, terms), REMEMBERED_EVENTS, newest_first=True))
    )
    if lines and len(lines) == REMEMBERED_EVENTS:
        first = lines[0].id
        for name in CARRIED:
            query = Query(since, first, (Term("name", "=", name), _EDGE))
            lines.extendleft(stores.lines(query, 1))
    for line in lines:
        yield line.record


def _last(stores: Stores, query: Query) -> tuple[int, Record] | None:
    lines = stores.lines(query, 1)
    return (lines[0].id, lines[0].record) if lines else None
