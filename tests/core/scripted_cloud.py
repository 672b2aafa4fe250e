"""A cloud machine driven by hand, with a decoder and an executor that the test controls."""

from collections import Counter
from typing import Any

from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.cloud.machine import CloudMachine
from mc_sched.core.scores import Score
from mc_sched.core.settings import CloudSettings
from mc_sched.core.task import ExitRule
from tests.core.round_figures import ANSWER, CLOUD, MS, START_NS, at, ns


class ScriptedCloud:
    """The machine, and a driver that checks the machine's side of the contract."""

    def __init__(self, table=CLOUD, warmed_up=True, **settings: Any) -> None:
        self.machine = CloudMachine(CloudSettings(**settings), table)
        self.table = table
        self.piece: do.RunStage | do.RunHead | None = None
        self.piece_since_ns = 0
        self.decoding: list[str] = []
        self.decoders = self.machine._state.decoding.decoders
        self.received: Counter[str] = Counter()
        self.unwanted: set[str] = set()
        self.ends: Counter[str] = Counter()
        self.scores: list[Score] = []
        self.news: list[do.Progress] = []
        self.now_ns = 0
        if warmed_up:
            self._warm_up()

    # --- events in, actions out -------------------------------------------------------------

    def handle(self, event: ev.CloudEvent) -> list[do.CloudAction]:
        """Handle one event; fail if the machine returns an action that it must not return.

        Progress reports are collected in `news`. The other actions are returned.
        """
        actions = self.machine.handle(event)
        self.now_ns = event.now_ns
        self._note_event(event)
        for action in actions:
            self._check_action(action)
        self.machine.validate()
        return [
            action for action in actions if not isinstance(action, do.Progress | do.RecordScore)
        ]

    def tell(self, ms: float, event: type, *fields: Any) -> list[do.CloudAction]:
        """An event of this type, at this moment."""
        return self.handle(event(at(ms), *fields))

    def arrive(
        self, ms: float, task_id: str, budget: float, accuracy=0.75, down=5.0,
        rule=ExitRule.ADAPTIVE, edge_id="edge", codec="jpeg", reply_in=None,
    ):  # fmt: skip
        """A payload arrives, and is decoded in no time if it is not refused."""
        reply_in_ns = None if reply_in is None else ns(reply_in)
        actions = self.tell(
            ms, ev.Received, task_id, edge_id, accuracy, ns(budget), ns(down), codec, rule,
            reply_in_ns,
        )  # fmt: skip
        return self.decoded(ms, task_id) if do.Decode(task_id, codec) in actions else actions

    def decoded(self, ms: float, task_id: str, took=0.0) -> list[do.CloudAction]:
        """The decoder is done with this task."""
        return self.tell(ms, ev.Decoded, task_id, ns(took))

    def step(self, took: float | None = None) -> list[do.CloudAction]:
        """The executor's piece ends, after `took` ms or else after its profiled time."""
        piece = self.piece
        assert piece is not None, "the executor has nothing to do"
        took_ns = self._profiled_ns(piece) if took is None else ns(took)
        now_ns = self.piece_since_ns + took_ns
        if isinstance(piece, do.RunStage):
            return self.handle(ev.StageDone(now_ns, piece.task_ids, piece.stage, took_ns))
        return self.handle(
            ev.HeadDone(
                now_ns, piece.task_ids, piece.exit, (ANSWER,) * len(piece.task_ids), took_ns
            )
        )

    def fail(self, ms: float, task_id: str, reason="out of memory") -> list[do.CloudAction]:
        return self.tell(ms, ev.ExecutorFailed, (task_id,), reason)

    # --- looking ----------------------------------------------------------------------------

    @property
    def now_ms(self) -> float:
        """The tests' clock."""
        return (self.now_ns - START_NS) / MS

    @property
    def piece_since_ms(self) -> float:
        """Moment when the executor's piece began."""
        return (self.piece_since_ns - START_NS) / MS

    def queue_ms(self, ms: float) -> float:
        """Waiting work that a probe's answer reports."""
        return self.machine.load(at(ms)).queue_ns / MS

    def entry(self, task_id: str):
        """The machine's own record of a task."""
        return self.machine._state.find(task_id)

    # --- the contract -----------------------------------------------------------------------

    def _note_event(self, event: ev.CloudEvent) -> None:
        if isinstance(event, ev.StageDone | ev.HeadDone | ev.ExecutorFailed):
            self.piece = None
        elif isinstance(event, ev.Decoded | ev.DecodeFailed):
            self.decoding.remove(event.task_id)
        elif isinstance(event, ev.Received):
            self.received[event.task_id] += 1
        elif isinstance(event, ev.GiveUpReceived | ev.ClientGone):
            self.unwanted.add(event.task_id)

    def _check_action(self, action: do.CloudAction) -> None:
        if isinstance(action, do.RunStage | do.RunHead):
            assert self.piece is None, "two jobs for one executor"
            ids = action.task_ids
            assert not self.unwanted & set(ids), "work on a task that nobody wants"
            self.piece, self.piece_since_ns = action, self.now_ns
        elif isinstance(action, do.Decode):
            assert len(self.decoding) < self.decoders, "two payloads for one decoder"
            assert action.task_id not in self.unwanted, "a payload that nobody wants is decoded"
            self.decoding.append(action.task_id)
        elif isinstance(action, do.Progress):
            self.news.append(action)
        elif isinstance(action, do.RecordScore):
            self.scores.append(action.score)
        elif isinstance(action, do.Refuse | do.Reject | do.Reply | do.Stop):
            self.ends[action.task_id] += 1

    def wind_up(self) -> None:
        """Fail everything that still runs; then each received task must have exactly one end."""
        while self.decoding:
            failed = ev.DecodeFailed(self.now_ns + MS, self.decoding[0], "the test is over", False)
            self.handle(failed)
        while self.piece is not None:
            ids = self.piece.task_ids
            self.handle(ev.ExecutorFailed(self.now_ns + MS, ids, "the test is over"))
        assert self.machine.is_idle
        assert self.ends == self.received

    # --- before the test's clock starts -----------------------------------------------------

    def _profiled_ns(self, piece: do.RunStage | do.RunHead) -> int:
        size = len(piece.task_ids)
        if isinstance(piece, do.RunStage):
            return round(self.table.stage_time_ns(piece.stage, size))
        return round(self.table.head_time_ns(self.table.exit_named(piece.exit), size))

    def _warm_up(self) -> None:
        """Run stages at their profiled times until they have replaced the priors."""
        for number in range(4):
            self.arrive(200 * number - 900, f"w{number}", 900, 0.0, rule=ExitRule.EARLIEST)
            while self.piece is not None:
                self.step()
