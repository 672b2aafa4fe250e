"""The watch over the connection to the cloud agent: it is found and lost, and probes are sent.

It takes the same steps as the agent's cloud client: ask what the cloud hosts, open a session and
wait for its first credits, report that the cloud is reached, then send the probes that the machine
asks for. After two unanswered probes in a row, or an unanswered first one, the cloud is gone and
its session is closed.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.sim.clock import Appointment, Clock
from mc_sched.sim.cloud_client import CloudClient
from mc_sched.sim.radio_link import CONTROL_BYTES

PROBE_TIMEOUT_NS = 1_000_000_000
MISSED_PROBES = 2
RETRY_NS = 250_000_000
DESCRIPTION_BYTES = 1_000
"""The cloud's tables on the wire."""
_LOST = "the cloud does not answer (deadline_exceeded)"
Answered = Callable[[ev.LinkSampled], None]


class LinkState(Enum):
    """The state of the cloud that was last reported to the machine."""

    UNKNOWN = "unknown"
    UP = "up"
    DOWN = "down"


class Watcher:
    """Watches the connection of one edge to its cloud agent, until the edge's stream is over."""

    def __init__(
        self,
        clock: Clock,
        client: CloudClient,
        handle: Callable[[ev.EdgeEvent], None],
        is_over: Callable[[], bool],
    ) -> None:
        self._clock, self._client, self._cloud = clock, client, client.cloud
        self._handle, self._is_over = handle, is_over
        self._request = 0
        self._missed = 0
        self._state = LinkState.UNKNOWN
        self._reached = False
        """True while the session is open and no probe has been answered yet."""

    def start(self) -> None:
        """Ask what the cloud hosts; the machine's probes follow."""
        self._send(do.SendProbe(down_bytes=DESCRIPTION_BYTES), self._described, self._lose)

    def probe(self, action: do.SendProbe) -> None:
        """Send a probe and report its answer or its loss."""
        self._send(action, self._answered, self._miss)

    # --- answers ------------------------------------------------------------------------------

    def _described(self, answer: ev.LinkSampled) -> None:
        timeout = self._clock.at(self._clock.now_ns + PROBE_TIMEOUT_NS, self._lose)
        self._client.open_session(lambda: self._joined(timeout))

    def _joined(self, timeout: Appointment) -> None:
        self._clock.cancel(timeout)
        self._reached = True
        self._handle(ev.CloudReached(self._clock.now_ns))

    def _answered(self, answer: ev.LinkSampled) -> None:
        self._handle(answer)
        self._missed = 0
        if self._reached:
            self._reached, self._state = False, LinkState.UP
            self._handle(ev.CloudFound(self._clock.now_ns, self._cloud.table))

    def _miss(self) -> None:
        self._missed += 1
        if self._reached or self._missed >= MISSED_PROBES:
            self._lose()
        else:
            self._handle(ev.ProbeLost(self._clock.now_ns, _LOST))

    def _lose(self) -> None:
        self._reached = False
        if self._state is not LinkState.DOWN:
            self._state = LinkState.DOWN
            self._handle(ev.CloudGone(self._clock.now_ns, _LOST))
        self._client.close_session()
        if not self._is_over():
            self._clock.at(self._clock.now_ns + RETRY_NS, self.start)

    # --- one request, one answer or none ------------------------------------------------------

    def _send(self, probe: do.SendProbe, answered: Answered, missed: Callable[[], None]) -> None:
        self._request += 1
        request, sent_ns = self._request, self._clock.now_ns

        def time_out() -> None:
            self._request += 1  # an answer from now on is too late
            missed()

        timeout = self._clock.at(sent_ns + PROBE_TIMEOUT_NS, time_out)

        def arrive() -> None:
            load = self._cloud.probed(self._client.edge_id, probe.last_rtt_ns)
            size_bytes = CONTROL_BYTES + probe.down_bytes
            back_ns = self._client.link.down_ns(size_bytes)
            self._clock.at(back_ns, come_back, load.queue_ns, load.slowdown)

        def come_back(queue_ns: int, slowdown: float) -> None:
            if request == self._request:
                self._clock.cancel(timeout)
                now_ns = self._clock.now_ns
                answered(
                    ev.LinkSampled(
                        now_ns, now_ns - sent_ns, queue_ns, slowdown,
                        up_bytes=probe.up_bytes, down_bytes=probe.down_bytes,
                    )
                )  # fmt: skip

        self._clock.at(self._client.link.control_ns(CONTROL_BYTES + probe.up_bytes), arrive)
