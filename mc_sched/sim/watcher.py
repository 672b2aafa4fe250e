"""The edge's watch over its link: probes, a lost cloud agent, a found one.

The same steps as the agent's cloud client: meet (ask what the cloud hosts, one probe), then probe
at intervals; after two unanswered probes in a row the cloud is gone and its calls are cut.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mc_sched.core import events as ev
from mc_sched.core.predictors.probing import Padding
from mc_sched.sim.clock import Clock
from mc_sched.sim.cloud import SimCloud
from mc_sched.sim.radio_link import CONTROL_BYTES
from mc_sched.sim.spec import EdgeSpec

if TYPE_CHECKING:
    from mc_sched.sim.edge import SimEdge

PROBE_TIMEOUT_NS = 1_000_000_000
MISSED_PROBES = 2
RETRY_NS = 250_000_000
DESCRIPTION_BYTES = 1_000
"""The cloud's tables on the wire."""
_LOST = "the cloud does not answer (deadline_exceeded)"
Answered = Callable[[ev.LinkSampled], None]


class Watcher:
    """Keeps one edge in touch with its cloud agent, until the edge's stream is over."""

    def __init__(self, clock: Clock, edge: SimEdge, cloud: SimCloud, spec: EdgeSpec) -> None:
        self._clock, self._edge, self._cloud = clock, edge, cloud
        self._interval_ns = spec.probe_interval_ns
        self._question = 0
        self._missed = 0
        self._rtt_ns = 0
        self._state = ""

    def start(self) -> None:
        """Meet the cloud; probes follow by themselves."""
        self._ask(self._described, self._lose, Padding(down_bytes=DESCRIPTION_BYTES), False)

    # --- meeting ------------------------------------------------------------------------------

    def _described(self, answer: ev.LinkSampled) -> None:
        self._ask(self._met, self._lose, self._padding())

    def _met(self, answer: ev.LinkSampled) -> None:
        self._sampled(answer)
        self._state = "up"
        self._edge.handle(ev.CloudFound(self._clock.now_ns, self._cloud.table))
        self._missed = 0
        self._next()

    def _lose(self) -> None:
        if self._state != _LOST:
            self._state = _LOST
            self._edge.handle(ev.CloudGone(self._clock.now_ns, _LOST))
        self._edge.cut_calls()
        if not self._edge.is_over:
            self._clock.at(self._clock.now_ns + RETRY_NS, self.start)

    # --- probing ------------------------------------------------------------------------------

    def _next(self) -> None:
        if not self._edge.is_over:
            self._clock.at(self._clock.now_ns + self._interval_ns, self._probe)

    def _probe(self) -> None:
        self._ask(self._answered, self._miss, self._padding())

    def _answered(self, answer: ev.LinkSampled) -> None:
        self._sampled(answer)
        self._missed = 0
        self._next()

    def _miss(self) -> None:
        self._missed += 1
        if self._missed >= MISSED_PROBES:
            self._lose()
        else:
            self._next()

    def _sampled(self, answer: ev.LinkSampled) -> None:
        if not (answer.up_bytes or answer.down_bytes):
            self._rtt_ns = answer.rtt_ns
        self._edge.handle(answer)

    def _padding(self) -> Padding:
        """What the next probe is to carry, in order to measure the link."""
        return self._edge.machine.wanted_padding(self._clock.now_ns)

    # --- one question, one answer or none -----------------------------------------------------

    def _ask(
        self,
        answered: Answered,
        missed: Callable[[], None],
        padding: Padding,
        is_probe: bool = True,
    ) -> None:
        self._question += 1
        question, asked_ns = self._question, self._clock.now_ns

        def time_out() -> None:
            self._question += 1  # an answer from now on is too late
            missed()

        timeout = self._clock.at(asked_ns + PROBE_TIMEOUT_NS, time_out)

        def arrive() -> None:
            load = self._cloud.probed(self._edge.edge_id, self._rtt_ns if is_probe else 0)
            size_bytes = CONTROL_BYTES + padding.down_bytes
            back_ns = self._edge.link.down_ns(size_bytes)
            self._clock.at(back_ns, come_back, load.queue_ns, load.slowdown)

        def come_back(queue_ns: int, slowdown: float) -> None:
            if question == self._question:
                self._clock.cancel(timeout)
                now_ns = self._clock.now_ns
                answered(
                    ev.LinkSampled(
                        now_ns, now_ns - asked_ns, queue_ns, slowdown,
                        up_bytes=padding.up_bytes, down_bytes=padding.down_bytes,
                    )
                )  # fmt: skip

        self._clock.at(self._edge.link.control_ns(CONTROL_BYTES + padding.up_bytes), arrive)
