"""The edge's predictors, and the times that they forecast for its tasks."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from enum import Enum

from mc_sched.core.edge.task import DeviceNet, EdgeTask
from mc_sched.core.forecasts.cloud_record import CloudRecord
from mc_sched.core.forecasts.credits import EdgeCredits
from mc_sched.core.forecasts.trial import Trial
from mc_sched.core.payloads import payload_bytes
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
from mc_sched.core.transitions import WAITING, CloudLeg, LocalLeg

LEAST_UPLOADS, MOST_UPLOADS = 2, 16
"""Limits of simultaneous uploads if no number is set. At least two, as the end of the first one is
known only a round trip later; few, as the scheduler has no control over what is already sent."""


class CloudStatus(str, Enum):
    """State of the cloud agent as the edge sees it."""

    UNKNOWN = "unknown"
    UP = "up"
    DOWN = "down"


class EdgeForecast:
    """Holds the predictors and combines them. Only `EdgeLearning` changes what they know."""

    def __init__(self, settings: EdgeSettings, local: LocalTable) -> None:
        self._settings = settings
        self.local_table = local
        self.local = LocalTimePredictor(local, settings.quantile)
        self.encode = EncodeTimePredictor(local, settings.quantile)
        self.link = LinkEstimator(settings.quantile)
        self.long_run_link = LongRunLink(settings.energy.radio.name)
        self.cloud: CloudTimePredictor | None = None
        self.offload_level = AdaptiveLevel(settings.quantile)
        """Level at which the sum of an offload's parts holds as often as the quantile says."""
        self.local_level = AdaptiveLevel(settings.quantile)
        """Level at which the sum of a local task's wait and run holds as often."""
        self.cloud_status = CloudStatus.UNKNOWN
        self.cloud_gone_reason = ""
        """Reason why the cloud is down; empty while it is not."""
        self.cloud_record = CloudRecord()
        self.credits = EdgeCredits()
        self.cloud_slowdown = 1.0
        """The cloud's last report of its measured time over the profiled time."""
        self._cloud_queue_ns = 0
        self._cloud_free_ns = 0

    def reconfigure(self, settings: EdgeSettings) -> None:
        """Forecast under other settings from now on, without forgetting anything."""
        self._settings = settings
        for predictor in (self.local, self.encode, self.link, self.cloud):
            if predictor is not None:
                predictor.set_quantile(settings.quantile)
        for level in (self.offload_level, self.local_level):
            level.set_quantile(settings.quantile)

    def known_for(self, task: EdgeTask) -> EdgeForecast | Trial:
        """Return the predictors for a task; a trial has its own."""
        return task.trial or self

    # --- the cloud's state ------------------------------------------------------------------

    def cloud_found(self, table: CloudTable) -> None:
        """Take the tables of a usable cloud agent; keep what was learned if they are the same."""
        if self.cloud is None or self.cloud.table != table:
            self.cloud = CloudTimePredictor(table, self._settings.quantile)
        self.cloud_status, self.cloud_gone_reason = CloudStatus.UP, ""
        self._cloud_queue_ns, self.cloud_slowdown, self._cloud_free_ns = 0, 1.0, 0

    def cloud_gone(self, now_ns: int, reason: str) -> None:
        """Stop using the cloud agent."""
        self.cloud_status, self.cloud_gone_reason = CloudStatus.DOWN, reason
        self.link.forget_outage(now_ns)
        self.credits.forget()

    @property
    def usable_cloud(self) -> CloudTimePredictor | None:
        """Predictor of the cloud agent; None while no cloud agent can be used."""
        return self.cloud if self.cloud_status is CloudStatus.UP else None

    def cloud_load(self, now_ns: int, queue_ns: int, slowdown: float) -> None:
        """Take the cloud's report of its queue and of its slowdown."""
        self._cloud_queue_ns, self.cloud_slowdown = queue_ns, slowdown
        self._cloud_free_ns = now_ns - self.link.rtt_mean_ns(now_ns) // 2 + queue_ns

    def cloud_accepted(self, now_ns: int, predicted_ns: int) -> None:
        """Extend the time for which the cloud is busy; its message took half a round trip."""
        free_ns = now_ns - self.link.rtt_mean_ns(now_ns) // 2 + predicted_ns
        self._cloud_free_ns = max(self._cloud_free_ns, free_ns)

    def cloud_idle(self) -> None:
        """Expect no wait for this edge's own tasks in the cloud."""
        self._cloud_free_ns = 0

    def cloud_wait_ns(self, arrival_ns: int) -> int:
        """Longer of the cloud's last reported queue and the rest of this edge's own tasks."""
        return max(self._cloud_queue_ns, max(0, self._cloud_free_ns - arrival_ns))

    def cloud_can_serve(self, task: EdgeTask, now_ns: int) -> bool:
        """True if the mean forecast for the task's payload, sent now, meets the deadline."""
        attempt = task.attempt
        if self.cloud is None or attempt is None:
            return False
        codec, known = attempt.offload.codec, self.known_for(task)
        encode_ns = 0 if attempt.has_payload else known.encode.mean_ns(now_ns, codec)
        link, cloud = known.link, known.cloud or self.cloud
        up_ns = link.up_mean_ns(now_ns, attempt.payload_bytes) + link.rtt_mean_ns(now_ns)
        path_ns = cloud.shortest_ns(now_ns, codec, attempt.offload.accuracy)
        return now_ns + encode_ns + up_ns + path_ns <= task.task.due_ns

    # --- local runs -------------------------------------------------------------------------

    def device_net(self, exit_: str) -> DeviceNet:
        """The cloud net on this device up to an exit."""
        net = self.local_table.cloud_net
        assert net is not None
        return DeviceNet(exit_, net.path_ns(net.exit_named(exit_)))

    def local_accuracy(self, exit_: str) -> float:
        """Expected accuracy of the local net, or of the cloud net on this device up to an exit."""
        net = self.local_table.cloud_net
        if not exit_ or net is None:
            return self.local_table.accuracy
        return net.exit_named(exit_).accuracy["jpeg"]

    def local_wait_ns(self, task: EdgeTask, now_ns: int, tasks: Collection[EdgeTask]) -> int:
        """Time left of the current local run, and of the queued ones that are due earlier."""
        residual_ns = self.local.residual_ns(now_ns) if self.local.running else 0
        if not any(other.local is LocalLeg.QUEUED for other in tasks):
            return residual_ns
        mean_ns = self.local.mean_ns(now_ns)
        feasible_ns = now_ns + residual_ns + mean_ns  # a task that is due earlier never starts
        earlier_ns = sum(
            self.run_mean_ns(other, now_ns) if other.net.profiled_ns else mean_ns
            for other in tasks
            if other.local is LocalLeg.QUEUED
            and other is not task
            and feasible_ns <= other.task.due_ns <= task.task.due_ns
        )
        return residual_ns + earlier_ns

    def run_mean_ns(self, task: EdgeTask, now_ns: int) -> int:
        """Mean time of the task's local run."""
        return self.known_for(task).local.mean_ns(now_ns, task.net.profiled_ns)

    def local_total(self, task: EdgeTask, now_ns: int, tasks: Collection[EdgeTask]) -> Forecast:
        """Time until the answer of the task's local run if it is queued now."""
        wait_ns = self.local_wait_ns(task, now_ns, tasks)
        return self.local_run(task, now_ns, wait_ns, task.net.profiled_ns)

    def local_run(
        self, task: EdgeTask, now_ns: int, wait_ns: int, profiled_ns: int = 0
    ) -> Forecast:
        """Time until a local run's answer after this wait; `profiled_ns` is 0 for the local net."""
        known = self.known_for(task)
        mean_ns = known.local.mean_ns(now_ns, profiled_ns)
        upper_ns = max(mean_ns, known.local.upper_ns(now_ns, known.local_level, profiled_ns))
        return Forecast(wait_ns + mean_ns, wait_ns + upper_ns)

    def latest_start_ns(self, task: EdgeTask, now_ns: int, tasks: Collection[EdgeTask]) -> int:
        """Time until the task's local run has to start: D - T_local - margin."""
        local_ns = self.local_total(task, now_ns, tasks).upper_ns
        return task.task.due_ns - now_ns - local_ns - self._settings.margin_ns

    # --- encoder and uplink -----------------------------------------------------------------

    def payload_bytes(self, task: Task, codec: str) -> int:
        """Size of the task's image under a codec."""
        return payload_bytes(task, codec, None if self.cloud is None else self.cloud.table)

    def upload(self, task: EdgeTask, now_ns: int, tasks: Collection[EdgeTask]) -> Forecast:
        """Time until the acceptance of a payload that is sent now, beside other uploads."""
        size_bytes = task.offloaded.payload_bytes
        return self.link.up(now_ns, size_bytes, self._uploading_ns(now_ns, tasks))

    def uploads_at_once(self, now_ns: int, queued: Sequence[EdgeTask]) -> int:
        """Number of uploads that keep the uplink busy until the first one's acceptance arrives."""
        up_ns = max(1, self.link.up_mean_ns(now_ns, queued[0].offloaded.payload_bytes))
        covering = 1 + math.ceil(self.link.rtt_mean_ns(now_ns) / up_ns)
        return min(MOST_UPLOADS, max(LEAST_UPLOADS, covering))

    def reply_delay_ns(self, now_ns: int) -> int:
        """Difference between the upper quantile and the mean of the downlink time."""
        down = self.link.down(now_ns)
        return max(0, down.upper_ns - down.mean_ns)

    def uplink_wait_ns(self, task: EdgeTask, now_ns: int, others: list[EdgeTask]) -> int:
        """Time until current uploads and the payloads of tasks that are due earlier have left."""
        queued_bytes, due_ns = 0, task.task.due_ns
        for other in others:
            if other.cloud in WAITING and other.task.due_ns <= due_ns:
                queued_bytes += other.offloaded.payload_bytes
        queued_ns = self.link.up_mean_ns(now_ns, queued_bytes)
        return self._uploading_ns(now_ns, others) + queued_ns

    def _uploading_ns(self, now_ns: int, tasks: Collection[EdgeTask]) -> int:
        """Time until the current uploads have left."""
        first_ns, size_bytes = now_ns, 0
        is_sending = False
        for other in tasks:
            if other.cloud is CloudLeg.UPLOADING:
                attempt = other.offloaded
                assert attempt.upload is not None
                first_ns = min(first_ns, attempt.upload.sent_ns)
                size_bytes += attempt.payload_bytes
                is_sending = True
        if not is_sending:
            return 0
        since_ns = max(self.link.last_left_ns, first_ns)
        return max(0, since_ns + self.link.up_mean_ns(now_ns, size_bytes) - now_ns)

    def credit_wait(self, task: EdgeTask, now_ns: int, others: Collection[EdgeTask]) -> Forecast:
        """Time until the cloud has a credit free for this task."""
        return self.credits.wait(now_ns, task, others, self.link.rtt_mean_ns(now_ns))

    def encoder_wait_ns(self, task: EdgeTask, now_ns: int, others: list[EdgeTask]) -> int:
        """Time until the encoder has made its current payload and those that are due earlier."""
        wait_ns = 0
        for other in others:
            if other.cloud is CloudLeg.ENCODING or other.cloud is CloudLeg.DROPPED:
                attempt = other.offloaded
                assert attempt.encoding is not None
                mean_ns = self.encode.mean_ns(now_ns, attempt.offload.codec)
                wait_ns += max(0, attempt.encoding.started_ns + mean_ns - now_ns)
            elif other.cloud is CloudLeg.QUEUED:
                attempt = other.offloaded
                if not attempt.has_payload and other.task.due_ns <= task.task.due_ns:
                    wait_ns += self.encode.mean_ns(now_ns, attempt.offload.codec)
        return wait_ns
