"""An edge machine driven by hand: an event at a time in milliseconds, actions out."""

from collections import defaultdict
from typing import Any

from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.edge.machine import EdgeMachine
from mc_sched.core.events import TimerKind
from mc_sched.core.predictors.probing import Padding
from mc_sched.core.predictors.trial import TRIAL_AFTER_NS
from mc_sched.core.scores import Predictor, Score
from mc_sched.core.settings import EdgeSettings
from mc_sched.core.task import ExitRule, Outcome, OutcomeKind, Site, Task
from tests.core.round_figures import ANSWER, CLOUD, IMAGE_BYTES, LOCAL, MS, RTT_MS, UP_MS, at, ns

ENCODED_MS = 5
CREDITS = 64
"""Credits of an edge beside an idle cloud: no test reaches them unless it is about credits."""
CALL_ENDS = (ev.CloudReplied, ev.CloudRefused, ev.CloudStopped, ev.CloudLost)
RUN_ENDS = (ev.LocalDone, ev.LocalAborted, ev.LocalFailed)


def task(task_id: str, ms: float, deadline: float, **fields: Any) -> Task:
    """A task submitted at `ms`, due `deadline` ms later."""
    fields.setdefault("stream_id", "s")
    fields.setdefault("payload_bytes", {"jpeg": IMAGE_BYTES})
    return Task(task_id, submitted_ns=at(ms), deadline_ns=ns(deadline), **fields)


class ScriptedEdge:
    """The machine with a driver's checks: which actions it may request, and when."""

    def __init__(self, local=LOCAL, cloud=CLOUD, warmed_up=True, **settings: Any) -> None:
        self.machine = EdgeMachine(EdgeSettings(**settings), local)
        self.outcomes: dict[str, list[Outcome]] = defaultdict(list)
        self.scores: list[Score] = []
        self.submitted: set[str] = set()
        self.timers: dict[tuple[str, TimerKind], int] = {}
        self.calls: set[str] = set()
        self.probes: list[do.SendProbe] = []
        self.encoding: str | None = None
        self.running: str | None = None
        self.aborted = False
        self.now_ns = 0
        if warmed_up:
            self._warm_up(local, cloud)

    # --- events in, actions out -------------------------------------------------------------

    def handle(self, event: ev.EdgeEvent) -> list[do.EdgeAction]:
        """Feed one event, and fail if the machine requests an action that is not allowed.

        Scores of forecasts are collected in `scores`; the other actions are returned.
        """
        requested = self.machine.handle(event)
        self.scores += [a.score for a in requested if isinstance(a, do.RecordScore)]
        actions = [a for a in requested if not isinstance(a, do.RecordScore)]
        self.now_ns = event.now_ns
        self._note_event(event)
        for action in actions:
            self._check_action(action)
        self.machine.validate()
        for task_id, _ in self.timers:
            assert not self.outcomes[task_id], f"{task_id} has its outcome and still a timer"
        return _cancels_in_order(actions)

    def tell(self, ms: float, event: type, *fields: Any) -> list[do.EdgeAction]:
        """Feed an event of this type at this moment."""
        return self.handle(event(at(ms), *fields))

    def submit(self, ms: float, task_id: str, deadline: float, **fields: Any):
        return self.tell(ms, ev.Submitted, task(task_id, ms, deadline, **fields))

    def unsatisfied(self, ms: float, task_id: str, again: str, deadline: float, **fields: Any):
        return self.tell(ms, ev.NotSatisfied, task_id, task(again, ms, deadline, **fields))

    def local_done(self, ms: float, task_id: str):
        return self.tell(ms, ev.LocalDone, task_id, ANSWER)

    def encoded(self, ms: float, task_id: str, took=ENCODED_MS):
        return self.tell(ms, ev.Encoded, task_id, ns(took))

    def accepted(self, ms: float, task_id: str, exit_="exit1", predicted=9, queue=0):
        return self.tell(ms, ev.CloudAccepted, task_id, exit_, ns(predicted), ns(queue))

    def replied(self, ms: float, task_id: str, exit_="exit1", compute=9, queue=0, slowdown=1.0):
        return self.tell(
            ms, ev.CloudReplied, task_id, exit_, ANSWER, ns(compute), ns(queue), slowdown, 400
        )

    def fallback_fires(self, ms: float, task_id: str):
        return self.tell(ms, ev.TimerFired, task_id, TimerKind.FALLBACK)

    def deadline_fires(self, ms: float, task_id: str):
        return self.tell(ms, ev.TimerFired, task_id, TimerKind.DEADLINE)

    def probe(self, ms: float) -> Padding:
        """Padding of the probe that is sent if the cloud is reached at this moment."""
        self.tell(ms, ev.CloudReached)
        return Padding(self.probes[-1].up_bytes, self.probes[-1].down_bytes)

    # --- looking ----------------------------------------------------------------------------

    def scored(self, predictor: Predictor) -> Score:
        """The last score of this predictor."""
        return next(score for score in reversed(self.scores) if score.predictor is predictor)

    def outcome(self, task_id: str) -> Outcome:
        """The one outcome that this task has had."""
        (outcome,) = self.outcomes[task_id]
        return outcome

    def entry(self, task_id: str):
        """The machine's state of an open task."""
        return self.machine._tasks[task_id]

    # --- the contract -----------------------------------------------------------------------

    def _note_event(self, event: ev.EdgeEvent) -> None:
        if isinstance(event, ev.Submitted | ev.NotSatisfied):
            new = event.task if isinstance(event, ev.Submitted) else event.again
            self.submitted.add(new.task_id)
            self.outcomes.pop(new.task_id, None)
        elif isinstance(event, ev.TimerFired):
            del self.timers[(event.task_id, event.kind)]
        elif isinstance(event, CALL_ENDS):
            self.calls.remove(event.task_id)
        elif isinstance(event, ev.Encoded | ev.EncodeFailed):
            assert self.encoding == event.task_id
            self.encoding = None
        elif isinstance(event, RUN_ENDS):
            self.running, self.aborted = None, False

    def _check_action(self, action: do.EdgeAction) -> None:
        if isinstance(action, do.StartLocal):
            assert self.running is None, "two local inferences at once"
            self.running = action.task_id
        elif isinstance(action, do.AbortLocal):
            assert self.running == action.task_id
            self.aborted = True
        elif isinstance(action, do.Encode):
            assert self.encoding is None, "two payloads at once"
            self.encoding = action.task_id
        elif isinstance(action, do.SendToCloud):
            self.calls.add(action.task_id)
        elif isinstance(action, do.SendGiveUp):
            assert action.task_id in self.calls
        elif isinstance(action, do.SetTimer):
            self.timers[(action.task_id, action.kind)] = action.at_ns
        elif isinstance(action, do.CancelTimer):
            del self.timers[(action.task_id, action.kind)]
        elif isinstance(action, do.SendProbe):
            self.probes.append(action)
        elif isinstance(action, do.RecordTrial):
            assert action.after_ns >= TRIAL_AFTER_NS
        else:
            assert not self.outcomes[action.outcome.task_id], "a second outcome"
            self.outcomes[action.outcome.task_id].append(action.outcome)

    def wind_up(self) -> None:
        """End all that still runs and fire the timers; then every task has one outcome."""
        while self.calls or self.encoding or self.running or self.timers:
            now = self.now_ns + MS
            if self.encoding:
                self.handle(ev.EncodeFailed(now, self.encoding, "the test is over"))
            elif self.calls:
                self.handle(ev.CloudLost(now, min(self.calls), "the test is over"))
            elif self.running and self.aborted:
                self.handle(ev.LocalAborted(now, self.running))
            elif self.running:
                self.handle(ev.LocalFailed(now, self.running, "the test is over"))
            else:
                (task_id, kind), at_ns = min(self.timers.items(), key=lambda timer: timer[1])
                self.handle(ev.TimerFired(max(now, at_ns), task_id, kind))
        assert self.machine.is_idle
        assert {task_id for task_id, reports in self.outcomes.items() if reports} == self.submitted

    # --- before the test's clock starts -----------------------------------------------------

    def _warm_up(self, local, cloud) -> None:
        """Runs as profiled, uploads at 8 Mbps and probes of 10 ms, until no prior counts."""
        for number in range(4):
            ms = 200 * number - 900
            self.submit(ms, f"l{number}", 900, accuracy=0.0, policy="edge-only")
            self.local_done(ms + local.total_ns / MS, f"l{number}")
        if cloud is None:
            return
        last = cloud.exits[-1]
        path_ms = cloud.path_ns(last) / MS
        self.tell(-900, ev.CreditsGranted, CREDITS)
        self.tell(-900, ev.CloudFound, cloud)
        for number in range(4):
            ms = 200 * number - 800
            self.tell(ms, ev.LinkSampled, ns(RTT_MS))
            self.submit(ms, f"c{number}", 900, policy="server", accuracy=0.0)
            self.accepted(ms + UP_MS + RTT_MS, f"c{number}", last.name, path_ms)
            self.replied(ms + UP_MS + RTT_MS + path_ms, f"c{number}", last.name, path_ms)
            if local.encode_ns:
                self._warm_up_encoder(ms + 100, f"e{number}", cloud)

    def _warm_up_encoder(self, ms: float, task_id: str, cloud) -> None:
        codec, last = cloud.codecs[-1], cloud.exits[-1]
        sizes = {codec.name: codec.payload_bytes}
        self.submit(ms, task_id, 900, policy="server", accuracy=0.0, payload_bytes=sizes)
        self.encoded(ms + ENCODED_MS, task_id)
        ms += ENCODED_MS + RTT_MS + codec.payload_bytes / IMAGE_BYTES * UP_MS
        path_ms = cloud.path_ns(last, codec.stage) / MS
        self.accepted(ms, task_id, last.name, path_ms)
        self.replied(ms + path_ms, task_id, last.name, path_ms)


# --- actions, as the tests write them -------------------------------------------------------


def deadline_timer(task_id: str, ms: float) -> do.SetTimer:
    return do.SetTimer(task_id, TimerKind.DEADLINE, at(ms))


def fallback_timer(task_id: str, ms: float) -> do.SetTimer:
    return do.SetTimer(task_id, TimerKind.FALLBACK, at(ms))


def no_deadline(task_id: str) -> do.CancelTimer:
    return do.CancelTimer(task_id, TimerKind.DEADLINE)


def no_fallback(task_id: str) -> do.CancelTimer:
    return do.CancelTimer(task_id, TimerKind.FALLBACK)


def sent(
    task_id: str, budget: float, accuracy=0.75, rule=ExitRule.ADAPTIVE, codec="jpeg", reply_in=None
) -> do.SendToCloud:
    """An upload with `budget` ms left and `reply_in` ms until the fallback.

    Half the round trip is reserved for the downlink.
    """
    reply_in_ns = ns(budget if reply_in is None else reply_in)
    return do.SendToCloud(task_id, codec, accuracy, ns(budget), ns(RTT_MS / 2), rule, reply_in_ns)


class Ended:
    """Equal to the Finish of this task whose outcome has these fields."""

    def __init__(self, task_id: str, kind: OutcomeKind, **fields: Any) -> None:
        self.fields = {"task_id": task_id, "kind": kind, **fields}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, do.Finish):
            return False
        return all(getattr(other.outcome, name) == value for name, value in self.fields.items())

    __hash__ = None

    def __repr__(self) -> str:
        return f"Ended({self.fields})"


def succeeded(task_id: str, site: Site, **fields: Any) -> Ended:
    return Ended(task_id, OutcomeKind.SUCCEEDED, site=site, reason="", **fields)


def late(task_id: str, **fields: Any) -> Ended:
    return Ended(task_id, OutcomeKind.LATE, **fields)


def refused(task_id: str, **fields: Any) -> Ended:
    return Ended(task_id, OutcomeKind.REFUSED, **fields)


def failed(task_id: str, **fields: Any) -> Ended:
    return Ended(task_id, OutcomeKind.FAILED, **fields)


def _cancels_in_order(actions: list[do.EdgeAction]) -> list[do.EdgeAction]:
    """A task's timers may be cancelled in any order; the tests write the deadline's first."""
    cancels = iter(
        sorted(
            (a for a in actions if isinstance(a, do.CancelTimer)),
            key=lambda a: (a.task_id, a.kind.value),
        )
    )
    return [next(cancels) if isinstance(a, do.CancelTimer) else a for a in actions]
