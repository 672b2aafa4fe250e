"""A cloud agent: its parts, how they are connected, and the order in which they start and stop.

This is the front process. It never computes and never imports torch; each device has a worker
process of its own.
"""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import datetime

from mc_proto.channel import MAX_CHUNK_BYTES

from cloud_agent.config import CloudConfig
from cloud_agent.devices import find_devices
from cloud_agent.front.front import Front
from cloud_agent.front.remote_worker import RemoteWorker
from cloud_agent.front.servicer import SERVICE, CloudServicer
from cloud_agent.front.supervisor import Supervisor
from cloud_agent.metrics import read_metrics
from cloud_agent.parts import limits_of, make_power, start_of
from cloud_agent.pipe.messages import Start
from mc_sched import __version__
from mc_sched.core.events import CloudReconfigured
from mc_sched.obs.agent_log import open_log
from mc_sched.obs.metrics.cloud import CloudCollector, CloudMetricsInput
from mc_sched.sensors.meter import PowerMeter
from mc_sched.service.grpc_port import GrpcPort
from mc_sched.service.logger import set_level


class CloudAgent:
    """A cloud agent, which is created, started and stopped on its event loop.

    The constructor raises OSError, ValueError or UserError if the port, the certificates or the
    devices cannot be used; `start` raises UserError if no worker can use the bundle.
    """

    def __init__(self, config: CloudConfig, logger: logging.Logger) -> None:
        self._config, self._logger = config, logger
        self._port = GrpcPort(config, SERVICE, logger, MAX_CHUNK_BYTES)
        devices = find_devices(config.devices)
        self._log = log = open_log(config, "cloud")
        self._workers = [RemoteWorker(n, device, log) for n, device in enumerate(devices)]
        limits = limits_of(config, len(devices))
        self._front = Front(self._workers, limits, log, logger, self._on_serving)
        for worker in self._workers:
            worker.attach(self._front)
        self._supervisor = Supervisor(self._workers, self._start_of, logger)
        CloudServicer(self._front, __version__).add_to(self._port.server)
        self._meter: PowerMeter | None = None
        self._loop = asyncio.get_running_loop()
        self._health: set[asyncio.Task[None]] = set()
        self._serving = False

    @property
    def expires(self) -> datetime | None:
        """Expiry time of the certificate in use, or None without one."""
        return self._port.expires

    def collector(self) -> CloudCollector:
        """Return the source of the metrics; it is read from other threads."""
        bundle = next(worker.ready.bundle for worker in self._workers if worker.ready is not None)
        about = {"node": "cloud", "version": __version__, "bundle": bundle}
        return CloudCollector(self._metrics, about)

    def progressing(self) -> bool:
        """Return True while every worker is looked after; a worker that hangs is ended."""
        return self._supervisor.progressing

    def apply(self, new: CloudConfig) -> None:
        """Apply a reloaded configuration."""
        self._config = new
        self._front.pool.broadcast(CloudReconfigured(time.monotonic_ns(), new.settings()))
        self._front.set_limits(limits_of(new, len(self._workers)))
        self._port.set_limits(new)
        set_level(self._logger, new.log_level)

    async def start(self) -> None:
        """Start the workers, then take sessions."""
        await self._supervisor.start()
        on_gpu = any(worker.ready.kind == "cuda" for worker in self._workers if worker.ready)
        self._meter = PowerMeter(make_power(self._config, on_gpu, self._log, self._logger))
        self._meter.start()
        self._front.start()
        await self._port.start()
        await self._port.set_serving()
        self._serving = True

    async def stop(self) -> None:
        """Take no more sessions, end the open tasks, and release everything."""
        self._serving = False
        await self._port.stop(self._front.drain())
        self._front.stop()
        await self._supervisor.stop()
        if self._meter is not None:
            self._meter.close()
        self._log.close()

    def _start_of(self, worker: RemoteWorker) -> Start:
        """Return what a worker runs, by the present configuration."""
        return start_of(self._config, worker, self._workers, self._log.has_readers)

    def _on_serving(self, part: str, up: bool) -> None:
        """Report the health of a worker, and of the agent: it serves while any worker is up."""
        self._set_health(f"{SERVICE}/{part}", up)
        if self._serving:
            for service in (SERVICE, ""):
                self._set_health(service, self._front.pool.any_up)

    def _set_health(self, service: str, serving: bool) -> None:
        setting = self._loop.create_task(self._port.health.set_part(serving, service))
        self._health.add(setting)
        setting.add_done_callback(self._health.discard)

    def _metrics(self) -> CloudMetricsInput:
        """Return the values of which the metrics are made; from any thread."""
        rails_w = {} if self._meter is None else self._meter.rails_w
        return read_metrics(self._workers, self._front.ends, rails_w, self._log.dropped, self._loop)
