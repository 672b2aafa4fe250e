"""Statistics of the edge machine across tasks: streams' QoR, outcomes, joules, scores."""

from __future__ import annotations

from collections import Counter, OrderedDict

from mc_sched.core.edge.task import EdgeTask, Upload
from mc_sched.core.energy.ledger import EnergyLedger
from mc_sched.core.energy.radio import REPLY_BYTES, RadioTail
from mc_sched.core.events import LinkSampled
from mc_sched.core.scores import ScoreBook
from mc_sched.core.settings import EdgeSettings
from mc_sched.core.tally import Tally
from mc_sched.core.task import Energy, Outcome, OutcomeKind, Site, Task

PROBE_BYTES = 100
"""A probe without padding, or its answer, with TCP's and HTTP/2's headers."""
REMEMBERED_STREAMS = 1024
"""Streams whose raised QoR is kept; the stream without tasks for longest is forgotten first."""


class EdgeStats:
    """Counts outcomes and joules, and keeps each stream's QoR."""

    def __init__(self, settings: EdgeSettings, ledger: EnergyLedger, tail: RadioTail) -> None:
        self._settings = settings
        self._ledger, self._tail = ledger, tail
        self._stream_accuracy: OrderedDict[str, float] = OrderedDict()
        self._outcomes: Counter[str] = Counter()
        self._sites: Counter[str] = Counter()
        self.gave_up = 0
        """Number of tasks whose offload was given up."""
        self.energy_j = self.tail_j = self.probes_j = 0.0
        """Joules of the tasks (without the radio's tail), of the tail, and of probes."""
        self.scores = ScoreBook()
        self.tally = Tally()

    def reconfigure(self, settings: EdgeSettings) -> None:
        """Count under other settings from now on."""
        self._settings = settings

    # --- accuracy ---------------------------------------------------------------------------

    def required_accuracy(self, task: Task) -> float:
        """The task's QoR: its own or the basic one, but not below its stream's raised QoR."""
        own = self._settings.basic_accuracy if task.accuracy is None else task.accuracy
        if task.stream_id not in self._stream_accuracy:
            return own
        self._stream_accuracy.move_to_end(task.stream_id)
        return max(own, self._stream_accuracy[task.stream_id])

    def raise_accuracy(self, stream_id: str, accuracy: float | None) -> None:
        """Raise the stream's QoR by a step, at most to 1.0 (Algorithm I, lines 34 to 36)."""
        basic = self._settings.basic_accuracy if accuracy is None else accuracy
        current = max(basic, self._stream_accuracy.pop(stream_id, 0.0))
        raised = round(current + self._settings.accuracy_step, 9)  # 0.75 + 0.05 + 0.05 is 0.85
        self._stream_accuracy[stream_id] = min(1.0, raised)
        if len(self._stream_accuracy) > REMEMBERED_STREAMS:
            self._stream_accuracy.popitem(last=False)

    # --- energy -----------------------------------------------------------------------------

    def spent(self, entry: EdgeTask, now_ns: int) -> Energy:
        """Joules of a task that ends now; a reply counts half a round trip, as in the forecast."""
        radio, attempt = self._settings.energy.radio, entry.attempt
        upload = None if attempt is None else attempt.upload
        reply_air_ns = 0 if attempt is None else attempt.reply_air_ns
        booked = self._ledger.charge(now_ns, entry.task.task_id, entry.work(now_ns))
        if upload is None:
            return Energy(booked.compute_j, booked.encode_j, source=booked.source)
        return Energy(
            compute_j=booked.compute_j,
            encode_j=booked.encode_j,
            radio_up_j=radio.up_j(upload.bytes_sent, upload.paid_ns),
            radio_down_j=radio.down_j(REPLY_BYTES, reply_air_ns) if reply_air_ns else 0.0,
            radio_tail_j=upload.tail_j + self._reply_tail_j(upload, reply_air_ns, now_ns),
            source=booked.source,
        )

    def _reply_tail_j(self, upload: Upload, reply_air_ns: int, now_ns: int) -> float:
        """Joules that the reply adds to the tail; the upload is recorded as the last transfer."""
        self._tail.transferred(upload.sent_ns + upload.air_ns)
        if not reply_air_ns:
            return 0.0
        added_j = self._tail.next_j(now_ns - reply_air_ns)
        self._tail.transferred(now_ns)
        return added_j

    def probed(self, event: LinkSampled) -> None:
        """Count the joules of a probe: its fields, its padding and its time on the link."""
        up_bytes, down_bytes = PROBE_BYTES + event.up_bytes, PROBE_BYTES + event.down_bytes
        under_way_ns, radio = max(0, event.rtt_ns - event.held_ns), self._settings.energy.radio
        self.probes_j += radio.round_trip_j(up_bytes, down_bytes, under_way_ns)

    # --- outcomes ---------------------------------------------------------------------------

    def count(self, outcome: Outcome, slack_ns: int) -> None:
        """Count an outcome that came `slack_ns` before its deadline."""
        self.tally.count(outcome, slack_ns)
        self._outcomes[outcome.kind] += 1
        if outcome.site is not None:
            self._sites[outcome.site] += 1
        self.gave_up += outcome.gave_up
        self.energy_j += outcome.energy.total_j
        self.tail_j += outcome.energy.radio_tail_j

    def outcomes(self) -> dict[str, int]:
        """Number of outcomes by kind."""
        return {kind.value: self._outcomes[kind.value] for kind in OutcomeKind}

    def sites(self) -> dict[str, int]:
        """Number of answered tasks by site."""
        return {site.value: self._sites[site.value] for site in Site}

    def e3_per_j(self, energy_j: float) -> float:
        """E3 = Ns / (N * E) with the mean joules E per task, which is Ns over all joules."""
        succeeded = self._outcomes[OutcomeKind.SUCCEEDED.value]
        return succeeded / energy_j if energy_j > 0 else 0.0
