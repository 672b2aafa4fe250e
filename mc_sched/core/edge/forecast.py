"""What the edge expects of both sites: the predictors together, and the view a policy gets."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from mc_sched.core.edge.cloud_record import CloudRecord
from mc_sched.core.edge.task import QUIET_CLOUD, QUIET_LOCAL, EdgeTask
from mc_sched.core.energy.ledger import EnergyLedger
from mc_sched.core.energy.radio import REPLY_BYTES, RadioTail
from mc_sched.core.payloads import all_payload_bytes, payload_bytes
from mc_sched.core.policies import PARTITIONERS
from mc_sched.core.policies.baselines.partition import build_stage_graph
from mc_sched.core.policy import CloudForecast, OnDeviceForecast, SiteForecast, View
from mc_sched.core.predictors.cloud_time import CloudTimePredictor
from mc_sched.core.predictors.conformal import AdaptiveLevel
from mc_sched.core.predictors.encode_time import EncodeTimePredictor
from mc_sched.core.predictors.link import LinkEstimator
from mc_sched.core.predictors.local_time import LocalTimePredictor
from mc_sched.core.predictors.long_run_link import LongRunLink
from mc_sched.core.scores import Forecast
from mc_sched.core.settings import EdgeSettings
from mc_sched.core.tables import CloudTable, LocalTable
from mc_sched.core.task import Task
from mc_sched.core.transitions import CloudLeg, LocalLeg

LEAST_UPLOADS, MOST_UPLOADS = 2, 16
"""At once, where no number is set: the second waits on the device while the first's end is not
known, and what is sent and not yet accepted is out of the scheduler's hands."""


class EdgeForecast:
    """The edge's predictors, asked together."""

    def __init__(
        self, settings: EdgeSettings, local: LocalTable, ledger: EnergyLedger, tail: RadioTail
    ) -> None:
        self._settings = settings
        self._ledger, self._tail = ledger, tail
        self.local_table = local
        self.local = LocalTimePredictor(local, settings.quantile)
        self.encode = EncodeTimePredictor(local, settings.quantile)
        self.link = LinkEstimator(settings.quantile)
        self.long_run_link = LongRunLink(settings.energy.radio.name)
        self.cloud: CloudTimePredictor | None = None
        self.offload_level = AdaptiveLevel(settings.quantile)
        """The level that makes the sum of a trip's parts hold as often as it should."""
        self.local_level = AdaptiveLevel(settings.quantile)
        """The same for a task on the edge: its wait, its start, its run."""
        self.cloud_detail = "no answer yet"
        self.cloud_record = CloudRecord()
        self._cloud_queue_ns = 0
        self._cloud_slowdown = 1.0
        self._cloud_free_ns = 0

    def reconfigure(self, settings: EdgeSettings) -> None:
        """Forecast under other settings from now on; what was learned stays."""
        self._settings = settings
        for predictor in (self.local, self.encode, self.link, self.cloud):
            if predictor is not None:
                predictor.set_quantile(settings.quantile)
        for level in (self.offload_level, self.local_level):
            level.set_quantile(settings.quantile)

    def cloud_found(self, table: CloudTable) -> None:
        """A usable cloud agent with these tables; what was learned of the same one is kept."""
        if self.cloud is None or self.cloud.table != table:
            self.cloud = CloudTimePredictor(table, self._settings.quantile)
        self.cloud_detail = ""
        self._cloud_queue_ns, self._cloud_slowdown, self._cloud_free_ns = 0, 1.0, 0

    def cloud_gone(self, now_ns: int, reason: str) -> None:
        """No cloud agent can be used, for `reason`."""
        self.cloud_detail = reason
        self.link.forget_end(now_ns)

    @property
    def cloud_usable(self) -> bool:
        """Whether a cloud agent with the same bundle answers."""
        return self.cloud is not None and not self.cloud_detail

    def cloud_load(self, now_ns: int, queue_ns: int, slowdown: float) -> None:
        """The cloud's last report: all the work that waits there, measured over profiled time."""
        self._cloud_queue_ns, self._cloud_slowdown = queue_ns, slowdown
        self._cloud_free_ns = now_ns - self.link.rtt_mean_ns(now_ns) // 2 + queue_ns

    def cloud_idle(self) -> None:
        """The cloud has nothing of ours to do any more."""
        self._cloud_free_ns = 0

    def cloud_accepted(self, now_ns: int, predicted_ns: int) -> None:
        """The cloud works for us until about then; its word was half a round trip on its way."""
        free_ns = now_ns - self.link.rtt_mean_ns(now_ns) // 2 + predicted_ns
        self._cloud_free_ns = max(self._cloud_free_ns, free_ns)

    def view(self, task: EdgeTask, now_ns: int, tasks: Collection[EdgeTask]) -> View:
        """The forecasts for this task if it were sent to either site now."""
        others = [other for other in tasks if other is not task]
        sizes = task.task.payload_bytes or {}
        edge = self._edge(task, now_ns, others)
        remaining_ns = task.task.due_ns - now_ns
        return View(
            now_ns=now_ns,
            remaining_ns=remaining_ns,
            latest_start_ns=remaining_ns - edge.upper_ns - self._settings.margin_ns,
            accuracy=task.accuracy,
            mode=task.task.mode or self._settings.mode,
            exit_rule=self._settings.exit_rule,
            edge=edge,
            cloud=self._cloud_options(task, now_ns, others, sizes),
            thresholds=self.local_table.thresholds,
            on_device=self._instead(task, now_ns, others),
            edge_free=all(other.local in QUIET_LOCAL for other in others),
            cloud_free=all(other.cloud in QUIET_CLOUD for other in others),
            cloud_in_time=self.cloud_record.in_time,
            tasks_since_late=self.cloud_record.tasks_since_late,
        )

    def view_for(
        self, policy: str, task: EdgeTask, now_ns: int, tasks: Collection[EdgeTask]
    ) -> View:
        """The view that this policy decides on."""
        if policy in PARTITIONERS:
            return self.partition_view(task, now_ns, tasks)
        return self.view(task, now_ns, tasks)

    def partition_view(self, task: EdgeTask, now_ns: int, tasks: Collection[EdgeTask]) -> View:
        """The same for a policy that cuts the cloud net in two: with every split of it."""
        others = [other for other in tasks if other is not task]
        local, energy = self.local_table, self._settings.energy
        cloud = self.cloud.table if self.cloud is not None and self.cloud_usable else None
        sizes = {} if cloud is None else all_payload_bytes(task.task, local, cloud)
        return replace(
            self.view(task, now_ns, others),
            cloud=self._cloud_options(task, now_ns, others, sizes),
            on_device=tuple(self._whole(task, now_ns, others)),
            stage_graph=build_stage_graph(task.task, local, cloud, self.long_run_link, energy),
        )

    def whole_ns(self, exit_: str) -> int:
        """Profiled time of the cloud net on this device, up to an exit."""
        net = self.local_table.whole
        assert net is not None
        return net.path_ns(net.exit_named(exit_))

    def local_accuracy(self, exit_: str) -> float:
        """Expected of the local net, or of an exit of the cloud net that is run here."""
        net = self.local_table.whole
        if not exit_ or net is None:
            return self.local_table.accuracy
        return net.exit_named(exit_).accuracy["jpeg"]

    def payload_bytes(self, task: Task, codec: str) -> int:
        """Size of this task's image under a codec."""
        return payload_bytes(task, codec, None if self.cloud is None else self.cloud.table)

    def latest_start_ns(self, task: EdgeTask, now_ns: int, tasks: Collection[EdgeTask]) -> int:
        """Time until the local net has to start on this task: D - T_local - margin."""
        local_ns = self.here(task, now_ns, tasks).upper_ns
        return task.task.due_ns - now_ns - local_ns - self._settings.margin_ns

    def local_wait_ns(self, task: EdgeTask, now_ns: int, tasks: Collection[EdgeTask]) -> int:
        """Residual time of the running inference, and the queued ones that are due earlier."""
        residual_ns = self.local.residual_ns(now_ns) if self.local.running else 0
        if not any(other.local is LocalLeg.QUEUED for other in tasks):
            return residual_ns
        mean_ns = self.local.mean_ns(now_ns)
        feasible_ns = now_ns + residual_ns + mean_ns  # one due before this is never started
        earlier_ns = sum(
            self.run_mean_ns(other, now_ns) if other.on_device_ns else mean_ns
            for other in tasks
            if other.local is LocalLeg.QUEUED
            and other is not task
            and feasible_ns <= other.task.due_ns <= task.task.due_ns
        )
        return residual_ns + earlier_ns

    def run_mean_ns(self, task: EdgeTask, now_ns: int) -> int:
        """Mean time of what this task runs here, the local net or more."""
        return self.local.mean_ns(now_ns, task.on_device_ns)

    def here(self, task: EdgeTask, now_ns: int, tasks: Collection[EdgeTask]) -> Forecast:
        """Time until this task will have been answered here, if it queues now."""
        return self._run(now_ns, self.local_wait_ns(task, now_ns, tasks), task.on_device_ns)

    def _run(self, now_ns: int, wait_ns: int, whole_ns: int = 0) -> Forecast:
        mean_ns = self.local.mean_ns(now_ns, whole_ns)
        upper_ns = max(mean_ns, self.local.upper_ns(now_ns, self.local_level, whole_ns))
        return Forecast(wait_ns + mean_ns, wait_ns + upper_ns)

    def _instead(
        self, task: EdgeTask, now_ns: int, others: list[EdgeTask]
    ) -> tuple[OnDeviceForecast, ...]:
        """The cloud net here, where the local net is not accurate enough."""
        if not self._settings.cloud_net_on_edge or task.accuracy <= self.local_table.accuracy:
            return ()
        return tuple(self._whole(task, now_ns, others))

    def _whole(
        self, task: EdgeTask, now_ns: int, others: list[EdgeTask]
    ) -> Iterable[OnDeviceForecast]:
        net = self.local_table.whole
        if net is None:
            return
        wait_ns = self.local_wait_ns(task, now_ns, others)
        for exit_ in net.exits:
            path_ns = net.path_ns(exit_)
            run = self._run(now_ns, wait_ns, path_ns)
            energy_j = self._ledger.compute_j(self.local.mean_ns(now_ns, path_ns))
            accuracy = exit_.accuracy["jpeg"]
            yield OnDeviceForecast(accuracy, run.mean_ns, run.upper_ns, energy_j, exit_.name)

    def up(self, task: EdgeTask, now_ns: int, tasks: Collection[EdgeTask]) -> Forecast:
        """Time until the cloud says that this task's payload, sent now behind others, has come."""
        return self.link.up(now_ns, task.payload_bytes, self._on_the_air_ns(now_ns, tasks))

    def uploads_at_once(self, now_ns: int, queued: Sequence[EdgeTask]) -> int:
        """How many cover a round trip, after which one is known to have come."""
        up_ns = max(1, self.link.up_mean_ns(now_ns, queued[0].payload_bytes))
        covering = 1 + math.ceil(self.link.rtt_mean_ns(now_ns) / up_ns)
        return min(MOST_UPLOADS, max(LEAST_UPLOADS, covering))

    def delay_ns(self, now_ns: int) -> int:
        """By how much a message of the cloud may take longer than the mean."""
        down = self.link.down(now_ns)
        return max(0, down.upper_ns - down.mean_ns)

    def _edge(self, task: EdgeTask, now_ns: int, others: list[EdgeTask]) -> SiteForecast:
        here = self.here(task, now_ns, others)
        compute_j = self._ledger.compute_j(self.local.mean_ns(now_ns))
        return SiteForecast(self.local_table.accuracy, here.mean_ns, here.upper_ns, compute_j)

    def _cloud_options(
        self, task: EdgeTask, now_ns: int, others: list[EdgeTask], sizes: Mapping[str, int]
    ) -> tuple[CloudForecast, ...]:
        if self.cloud is None or not self.cloud_usable:
            return ()
        return tuple(self._ways_up(self.cloud, task, now_ns, others, sizes))

    def _ways_up(
        self,
        cloud: CloudTimePredictor,
        task: EdgeTask,
        now_ns: int,
        others: list[EdgeTask],
        sizes: Mapping[str, int],
    ) -> Iterable[CloudForecast]:
        backlog_ns = self._backlog_ns(task, now_ns, others)
        encoder_ns = self._encoder_wait_ns(task, now_ns, others)
        level = self.offload_level
        rtt_mean, rtt_upper = self.link.rtt_mean_ns(now_ns), self.link.rtt_upper_ns(now_ns, level)
        down = self.link.down(now_ns, level)
        around_mean, around_upper = rtt_mean // 2 + down.mean_ns, rtt_upper // 2 + down.upper_ns
        slowdown_mean = max(cloud.slowdown(now_ns), self._cloud_slowdown)
        slowdown_upper = max(cloud.slowdown_upper(now_ns, level), self._cloud_slowdown)
        for codec, size in sizes.items():
            start_mean = start_upper = backlog_ns
            energy_j = 0.0
            if self.encode.needs_time(codec):
                encode_mean = self.encode.mean_ns(now_ns, codec)
                energy_j = self._ledger.compute_j(encode_mean)
                # payloads are made while others leave
                start_mean = max(backlog_ns, encoder_ns + encode_mean)
                start_upper = max(
                    backlog_ns, encoder_ns + self.encode.upper_ns(now_ns, codec, level)
                )
            up_mean = self.link.up_mean_ns(now_ns, size)
            up_upper = self.link.up_upper_ns(now_ns, size, level)
            energy_j += self._transfer_j(now_ns, size, up_mean, rtt_mean)
            wait_ns = self._cloud_wait_ns(now_ns + start_mean + up_mean + rtt_mean // 2)
            before_mean = start_mean + up_mean + around_mean + wait_ns
            before_upper = start_upper + up_upper + around_upper + wait_ns
            accepted_ns = start_mean + up_mean + rtt_mean
            for exit_, path_ns in cloud.whole_path_ns.get(codec, ()):
                mean_ns = before_mean + int(path_ns * slowdown_mean)
                yield CloudForecast(
                    accuracy=exit_.accuracy[codec],
                    mean_ns=mean_ns,
                    upper_ns=max(mean_ns, before_upper + int(path_ns * slowdown_upper)),
                    energy_j=energy_j,
                    exit=exit_.name,
                    codec=codec,
                    accepted_ns=accepted_ns,
                )

    def _backlog_ns(self, task: EdgeTask, now_ns: int, others: list[EdgeTask]) -> int:
        """Time until the uplink's unsent bytes, and earlier tasks' payloads, are gone."""
        queued_bytes = sum(
            other.payload_bytes
            for other in others
            if other.cloud in (CloudLeg.QUEUED, CloudLeg.ENCODING)
            and other.task.due_ns <= task.task.due_ns
        )
        queued_ns = self.link.up_mean_ns(now_ns, queued_bytes)
        return self._on_the_air_ns(now_ns, others) + queued_ns

    def _on_the_air_ns(self, now_ns: int, tasks: Collection[EdgeTask]) -> int:
        """Time until the payloads that are being sent have left."""
        sending = [other for other in tasks if other.cloud is CloudLeg.UPLOADING]
        if not sending:
            return 0
        since_ns = max(self.link.last_left_ns, min(other.sent_ns for other in sending))
        size_bytes = sum(other.payload_bytes for other in sending)
        return max(0, since_ns + self.link.up_mean_ns(now_ns, size_bytes) - now_ns)

    def _encoder_wait_ns(self, task: EdgeTask, now_ns: int, others: list[EdgeTask]) -> int:
        """Time until the encoder has made what it is at, and earlier tasks' payloads."""
        wait_ns = 0
        for other in others:
            if other.cloud in (CloudLeg.ENCODING, CloudLeg.DROPPED):
                mean_ns = self.encode.mean_ns(now_ns, other.codec)
                wait_ns += max(0, other.encode_started_ns + mean_ns - now_ns)
            elif other.cloud is CloudLeg.QUEUED and not other.encoded:
                goes_first = other.task.due_ns <= task.task.due_ns
                wait_ns += goes_first * self.encode.mean_ns(now_ns, other.codec)
        return wait_ns

    def _cloud_wait_ns(self, arrival_ns: int) -> int:
        """The cloud's queue as it last said, or what is left of our own work there by then."""
        return max(self._cloud_queue_ns, max(0, self._cloud_free_ns - arrival_ns))

    def cloud_can_serve(self, task: EdgeTask, now_ns: int) -> bool:
        """Whether this task's image, sent now, could on the mean still be answered in time."""
        if self.cloud is None or task.offload is None:
            return False
        encode_ns = 0 if task.encoded else self.encode.mean_ns(now_ns, task.codec)
        up_ns = self.link.up_mean_ns(now_ns, task.payload_bytes) + self.link.rtt_mean_ns(now_ns)
        path_ns = self.cloud.shortest_ns(now_ns, task.codec, task.offload.accuracy)
        return now_ns + encode_ns + up_ns + path_ns <= task.task.due_ns

    def on_the_air_j(self, duration_ns: int) -> float:
        """What the radio takes for being on the air, whatever it sends."""
        return self._settings.energy.radio.up_j(0, duration_ns)

    def _transfer_j(self, now_ns: int, size_bytes: int, up_ns: int, rtt_ns: int) -> float:
        radio = self._settings.energy.radio
        tail_j = self._tail.next_j(now_ns) if self._settings.energy.count_tail else 0.0
        return radio.up_j(size_bytes, up_ns) + radio.down_j(REPLY_BYTES, rtt_ns // 2) + tail_j
