"""The edge's books: streams' QoR, counts of outcomes, joules spent."""

from __future__ import annotations

from collections import Counter, OrderedDict

from mc_sched.core.edge.forecast import EdgeForecast
from mc_sched.core.edge.task import EdgeTask
from mc_sched.core.energy.ledger import EnergyLedger
from mc_sched.core.energy.radio import REPLY_BYTES, RadioTail
from mc_sched.core.events import LinkSampled
from mc_sched.core.scores import Reliability, ScoreBook
from mc_sched.core.settings import EdgeSettings
from mc_sched.core.tally import Tally
from mc_sched.core.task import Energy, Outcome, OutcomeKind, Site, Task
from mc_sched.core.value import value

PROBE_BYTES = 100
"""A probe without padding, or its answer, with TCP's and HTTP/2's headers."""
REMEMBERED_STREAMS = 1024
"""Streams whose raised QoR is kept; the one not heard of for longest goes first."""


@value
class EdgeSnapshot:
    """What `status` shows of the edge machine."""

    mode: str
    policy: str
    basic_accuracy: float
    draining: bool
    tasks_open: int
    outcomes: dict[str, int]
    sites: dict[str, int]
    gave_up: int
    cloud: str
    """up, unknown (nothing heard yet) or down."""
    cloud_detail: str
    uplink_bps: float
    """0 while unknown."""
    downlink_bps: float
    rtt_ns: int
    local_predicted_ns: int
    local_residual_ns: int
    local_busy: bool
    local_residual_ops_ns: int
    """The same by the paper's operation ratio."""
    busy_by_others: float | None
    energy_j: float
    """Of all tasks above idle, without the radio's tail."""
    energy_source: str
    """Who says what computing costs now: a sensor, or the model."""
    idle_w: float
    """Learned from the sensor, or declared."""
    compute_w: float
    """Above idle while one thing of ours runs; learned or declared."""
    power_w: float | None
    """Of the device now; None: no sensor."""
    energy_measured_j: float
    """Integrated power since the agent started; 0 without a sensor."""
    energy_modelled_j: float
    """The share of the tasks' computing and encoding that no sensor measured."""
    energy_idle_j: float
    """Measured joules that no task is booked with."""
    energy_tail_j: float
    """What the tasks' transfers added to the radio's tail; in no other figure."""
    energy_probes_j: float
    """The radio's, for probes of the link; no task's, and in no other figure."""
    e3_per_j: float
    """Succeeded tasks per joule of all tasks, without the tail; 0 while no joule is spent."""
    e3_with_tail_per_j: float
    predictors: dict[str, Reliability]
    """How good the forecasts were, by predictor; one without a score is missing."""


class EdgeStats:
    """What the machine keeps count of across tasks."""

    def __init__(self, settings: EdgeSettings, ledger: EnergyLedger, tail: RadioTail) -> None:
        self._settings = settings
        self._ledger, self._tail = ledger, tail
        self._stream_accuracy: OrderedDict[str, float] = OrderedDict()
        self._outcomes: Counter[str] = Counter()
        self._sites: Counter[str] = Counter()
        self._gave_up = 0
        self._energy_j = self._tail_j = self._probes_j = 0.0
        self.scores = ScoreBook()
        self.tally = Tally()

    def reconfigure(self, settings: EdgeSettings) -> None:
        """Keep the books under other settings from now on."""
        self._settings = settings

    def required_accuracy(self, task: Task) -> float:
        """The task's QoR: its own or the basic one, and never below what its stream asked for."""
        own = self._settings.basic_accuracy if task.accuracy is None else task.accuracy
        if task.stream_id not in self._stream_accuracy:
            return own
        self._stream_accuracy.move_to_end(task.stream_id)
        return max(own, self._stream_accuracy[task.stream_id])

    def raise_accuracy(self, stream_id: str, accuracy: float | None) -> None:
        """One step up for this stream, at most to 1.0 (Algorithm I, lines 34 to 36)."""
        basic = self._settings.basic_accuracy if accuracy is None else accuracy
        current = max(basic, self._stream_accuracy.pop(stream_id, 0.0))
        raised = round(current + self._settings.accuracy_step, 9)  # 0.75 + 0.05 + 0.05 is 0.85
        self._stream_accuracy[stream_id] = min(1.0, raised)
        if len(self._stream_accuracy) > REMEMBERED_STREAMS:
            self._stream_accuracy.popitem(last=False)

    def spent(self, entry: EdgeTask, now_ns: int) -> Energy:
        """Joules of a task that ends now; a reply counts half a round trip, as in the forecast."""
        radio = self._settings.energy.radio
        down_j = radio.down_j(REPLY_BYTES, entry.reply_air_ns) if entry.reply_air_ns else 0.0
        booked = self._ledger.book(now_ns, entry.task.task_id, entry.work(now_ns))
        return Energy(
            compute_j=booked.compute_j,
            encode_j=booked.encode_j,
            radio_up_j=radio.up_j(entry.bytes_up, entry.upload_paid_ns),
            radio_down_j=down_j,
            radio_tail_j=entry.tail_j + self._reply_tail_j(entry, now_ns),
            source=booked.source,
        )

    def _reply_tail_j(self, entry: EdgeTask, now_ns: int) -> float:
        """What the reply adds to the tail, once the upload is entered as the last transfer."""
        if entry.sent_ns < 0:
            return 0.0
        self._tail.transferred(entry.sent_ns + entry.upload_air_ns)
        if not entry.reply_air_ns:
            return 0.0
        added_j = self._tail.next_j(now_ns - entry.reply_air_ns)
        self._tail.transferred(now_ns)
        return added_j

    def probed(self, event: LinkSampled) -> None:
        """A probe has used the radio: its few fields, its padding and the round trip's time."""
        up_bytes, down_bytes = PROBE_BYTES + event.up_bytes, PROBE_BYTES + event.down_bytes
        under_way_ns, radio = max(0, event.rtt_ns - event.held_ns), self._settings.energy.radio
        self._probes_j += radio.round_trip_j(up_bytes, down_bytes, under_way_ns)

    def count(self, outcome: Outcome, slack_ns: int) -> None:
        """Enter an outcome that came `slack_ns` before its deadline."""
        self.tally.count(outcome, slack_ns)
        self._outcomes[outcome.kind] += 1
        if outcome.site is not None:
            self._sites[outcome.site] += 1
        self._gave_up += outcome.gave_up
        self._energy_j += outcome.energy.total_j
        self._tail_j += outcome.energy.radio_tail_j

    def snapshot(
        self, forecast: EdgeForecast, now_ns: int, tasks_open: int, draining: bool
    ) -> EdgeSnapshot:
        """The books and the forecasts as one picture."""
        heard = forecast.cloud is not None or forecast.cloud_detail != "no answer yet"
        state = "up" if forecast.cloud_usable else "down" if heard else "unknown"
        known, down_known = forecast.link.known(now_ns), forecast.link.down_known(now_ns)
        return EdgeSnapshot(
            mode=self._settings.mode.value,
            policy=self._settings.policy,
            basic_accuracy=self._settings.basic_accuracy,
            draining=draining,
            tasks_open=tasks_open,
            outcomes={kind.value: self._outcomes[kind.value] for kind in OutcomeKind},
            sites={site.value: self._sites[site.value] for site in Site},
            gave_up=self._gave_up,
            cloud=state,
            cloud_detail=forecast.cloud_detail,
            uplink_bps=forecast.link.up_mean_bps(now_ns) if known else 0.0,
            downlink_bps=forecast.link.down_mean_bps(now_ns) if down_known else 0.0,
            rtt_ns=forecast.link.rtt_mean_ns(now_ns),
            local_predicted_ns=forecast.local.upper_ns(now_ns),
            local_residual_ns=forecast.local.residual_ns(now_ns),
            local_residual_ops_ns=forecast.local.residual_ops_ns(now_ns),
            local_busy=forecast.local.running,
            busy_by_others=forecast.local.busy_by_others,
            energy_j=self._energy_j,
            energy_source=self._ledger.source(now_ns),
            idle_w=self._ledger.idle_w,
            compute_w=self._ledger.compute_w,
            power_w=self._ledger.power_w(now_ns),
            energy_measured_j=self._ledger.measured_j,
            energy_modelled_j=self._ledger.modelled_j,
            energy_idle_j=self._ledger.idle_j,
            energy_tail_j=self._tail_j,
            energy_probes_j=self._probes_j,
            e3_per_j=self._e3_per_j(self._energy_j),
            e3_with_tail_per_j=self._e3_per_j(self._energy_j + self._tail_j),
            predictors=self.scores.reliability(),
        )

    def _e3_per_j(self, energy_j: float) -> float:
        """E3 = Ns / (N * E), E the mean joules per task: Ns over all joules."""
        succeeded = self._outcomes[OutcomeKind.SUCCEEDED.value]
        return succeeded / energy_j if energy_j > 0 else 0.0
