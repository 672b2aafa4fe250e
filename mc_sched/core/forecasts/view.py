"""The view of both sites on which a policy decides."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from mc_sched.core.edge.task import EdgeTask
from mc_sched.core.energy.ledger import EnergyLedger
from mc_sched.core.energy.radio import REPLY_BYTES, RadioTail
from mc_sched.core.forecasts.edge_forecast import EdgeForecast
from mc_sched.core.payloads import all_payload_bytes
from mc_sched.core.policies import PARTITIONERS
from mc_sched.core.policies.baselines.partition import build_stage_graph
from mc_sched.core.policy import CloudForecast, OnDeviceForecast, SiteForecast, View
from mc_sched.core.predictors.cloud_time import CloudTimePredictor
from mc_sched.core.scores import NOTHING, Forecast
from mc_sched.core.settings import EdgeSettings
from mc_sched.core.transitions import QUIET_CLOUD, QUIET_LOCAL


class EdgeViews:
    """Builds views from the forecasts and the energy model."""

    def __init__(
        self, settings: EdgeSettings, forecast: EdgeForecast, ledger: EnergyLedger, tail: RadioTail
    ) -> None:
        self._settings = settings
        self._forecast, self._ledger, self._tail = forecast, ledger, tail

    def reconfigure(self, settings: EdgeSettings) -> None:
        """Build views under other settings from now on."""
        self._settings = settings

    def view_for(
        self, policy: str, task: EdgeTask, now_ns: int, tasks: Collection[EdgeTask]
    ) -> View:
        """The view that this policy needs to decide on the task now."""
        if policy in PARTITIONERS:
            return self._partition_view(task, now_ns, tasks)
        return self.view(task, now_ns, tasks)

    def view(self, task: EdgeTask, now_ns: int, tasks: Collection[EdgeTask]) -> View:
        """The forecasts for this task if it were sent to either site now."""
        forecast, record = self._forecast, self._forecast.cloud_record
        others = [other for other in tasks if other is not task]
        sizes = task.task.payload_bytes or {}
        edge = self._local_net(task, now_ns, others)
        remaining_ns = task.task.due_ns - now_ns
        credit = self._credit(task, now_ns, others)
        return View(
            now_ns=now_ns,
            remaining_ns=remaining_ns,
            latest_start_ns=remaining_ns - edge.upper_ns - self._settings.margin_ns,
            accuracy=task.accuracy,
            mode=task.task.mode or self._settings.mode,
            exit_rule=self._settings.exit_rule,
            edge=edge,
            cloud=self._cloud(task, now_ns, others, sizes, credit),
            thresholds=forecast.local_table.thresholds,
            on_device=self._instead_of_local_net(task, now_ns, others),
            edge_free=all(other.local in QUIET_LOCAL for other in others),
            cloud_free=all(other.cloud in QUIET_CLOUD for other in others),
            cloud_in_time=record.in_time,
            tasks_since_late=record.tasks_since_late(now_ns),
            credit_in_ns=credit.mean_ns,
        )

    def _partition_view(self, task: EdgeTask, now_ns: int, tasks: Collection[EdgeTask]) -> View:
        """The view of a policy that splits the cloud net between device and cloud."""
        others = [other for other in tasks if other is not task]
        forecast, energy = self._forecast, self._settings.energy
        local, usable = forecast.local_table, forecast.usable_cloud
        cloud = None if usable is None else usable.table
        sizes = {} if cloud is None else all_payload_bytes(task.task, local, cloud)
        credit = self._credit(task, now_ns, others)
        return replace(
            self.view(task, now_ns, others),
            cloud=self._cloud(task, now_ns, others, sizes, credit),
            on_device=tuple(self._cloud_net_on_device(task, now_ns, others)),
            stage_graph=build_stage_graph(task.task, local, cloud, forecast.long_run_link, energy),
        )

    # --- the device -------------------------------------------------------------------------

    def _local_net(self, task: EdgeTask, now_ns: int, others: list[EdgeTask]) -> SiteForecast:
        total = self._forecast.local_total(task, now_ns, others)
        compute_j = self._ledger.compute_j(self._forecast.known_for(task).local.mean_ns(now_ns))
        accuracy = self._forecast.local_table.accuracy
        return SiteForecast(accuracy, total.mean_ns, total.upper_ns, compute_j)

    def _instead_of_local_net(
        self, task: EdgeTask, now_ns: int, others: list[EdgeTask]
    ) -> tuple[OnDeviceForecast, ...]:
        """The cloud net on the device, if allowed and the local net is not accurate enough."""
        is_accurate = task.accuracy <= self._forecast.local_table.accuracy
        if not self._settings.cloud_net_on_edge or is_accurate:
            return ()
        return tuple(self._cloud_net_on_device(task, now_ns, others))

    def _cloud_net_on_device(
        self, task: EdgeTask, now_ns: int, others: list[EdgeTask]
    ) -> Iterable[OnDeviceForecast]:
        forecast, known = self._forecast, self._forecast.known_for(task)
        net = forecast.local_table.cloud_net
        if net is None:
            return
        wait_ns = forecast.local_wait_ns(task, now_ns, others)
        for exit_ in net.exits:
            path_ns = net.path_ns(exit_)
            run = forecast.local_run(task, now_ns, wait_ns, path_ns)
            energy_j = self._ledger.compute_j(known.local.mean_ns(now_ns, path_ns))
            accuracy = exit_.accuracy["jpeg"]
            yield OnDeviceForecast(accuracy, run.mean_ns, run.upper_ns, energy_j, exit_.name)

    # --- the cloud --------------------------------------------------------------------------

    def _credit(self, task: EdgeTask, now_ns: int, others: list[EdgeTask]) -> Forecast:
        """The wait for a credit; none while no cloud agent can be used."""
        if self._forecast.usable_cloud is None:
            return NOTHING
        return self._forecast.credit_wait(task, now_ns, others)

    def _cloud(
        self,
        task: EdgeTask,
        now_ns: int,
        others: list[EdgeTask],
        sizes: Mapping[str, int],
        credit: Forecast,
    ) -> tuple[CloudForecast, ...]:
        cloud = self._forecast.usable_cloud
        if cloud is None:
            return ()
        known = self._forecast.known_for(task).cloud or cloud
        return tuple(self._offloads(known, task, now_ns, others, sizes, credit))

    def _offloads(
        self,
        cloud: CloudTimePredictor,
        task: EdgeTask,
        now_ns: int,
        others: list[EdgeTask],
        sizes: Mapping[str, int],
        credit: Forecast,
    ) -> Iterable[CloudForecast]:
        forecast, known = self._forecast, self._forecast.known_for(task)
        link, encode = known.link, known.encode
        backlog_ns = forecast.uplink_wait_ns(task, now_ns, others)
        encoder_ns = forecast.encoder_wait_ns(task, now_ns, others)
        level = known.offload_level
        rtt_mean, rtt_upper = link.rtt_mean_ns(now_ns), link.rtt_upper_ns(now_ns, level)
        down = link.down(now_ns, level)
        around_mean, around_upper = rtt_mean // 2 + down.mean_ns, rtt_upper // 2 + down.upper_ns
        slowdown_mean = max(cloud.faded_slowdown(now_ns), known.cloud_slowdown)
        slowdown_upper = max(cloud.faded_upper(now_ns, level), known.cloud_slowdown)
        for codec, size in sizes.items():
            start_mean = start_upper = backlog_ns
            energy_j = 0.0
            if encode.needs_time(codec):
                encode_mean = encode.mean_ns(now_ns, codec)
                energy_j = self._ledger.compute_j(encode_mean)
                # a payload is made while others are being uploaded
                start_mean = max(backlog_ns, encoder_ns + encode_mean)
                start_upper = max(backlog_ns, encoder_ns + encode.upper_ns(now_ns, codec, level))
            credit_mean = max(0, credit.mean_ns - start_mean)
            credit_upper = max(0, credit.upper_ns - start_upper)
            start_mean, start_upper = start_mean + credit_mean, start_upper + credit_upper
            up_mean = link.up_mean_ns(now_ns, size)
            up_upper = link.up_upper_ns(now_ns, size, level)
            energy_j += self._transfer_j(now_ns, size, up_mean, rtt_mean)
            wait_ns = forecast.cloud_wait_ns(now_ns + start_mean + up_mean + rtt_mean // 2)
            before_mean = start_mean + up_mean + around_mean + wait_ns
            before_upper = start_upper + up_upper + around_upper + wait_ns
            accepted_ns = start_mean + up_mean + rtt_mean
            for exit_, path_ns in cloud.exit_paths_ns.get(codec, ()):
                mean_ns = before_mean + int(path_ns * slowdown_mean)
                yield CloudForecast(
                    accuracy=exit_.accuracy[codec],
                    mean_ns=mean_ns,
                    upper_ns=max(mean_ns, before_upper + int(path_ns * slowdown_upper)),
                    energy_j=energy_j,
                    exit=exit_.name,
                    codec=codec,
                    accepted_ns=accepted_ns,
                    credit_mean_ns=credit_mean,
                    credit_upper_ns=credit_upper,
                )

    def transmit_j(self, duration_ns: int) -> float:
        """Joules of the radio for sending this long, apart from those per byte."""
        return self._settings.energy.radio.up_j(0, duration_ns)

    def _transfer_j(self, now_ns: int, size_bytes: int, up_ns: int, rtt_ns: int) -> float:
        radio = self._settings.energy.radio
        tail_j = self._tail.next_j(now_ns) if self._settings.energy.count_tail else 0.0
        return radio.up_j(size_bytes, up_ns) + radio.down_j(REPLY_BYTES, rtt_ns // 2) + tail_j
