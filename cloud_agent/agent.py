"""A cloud agent: its parts, how they are connected, and the order in which they start and stop."""

from __future__ import annotations

import logging
import time
from datetime import datetime

import torch
from mc_models.bundle.load import load_bundle
from mc_proto.channel import MAX_CHUNK_BYTES
from mc_proto.v1 import cloud_pb2_grpc

from cloud_agent import builders
from cloud_agent.config import CloudConfig
from cloud_agent.driver import CloudDriver
from cloud_agent.servicer import CloudServicer
from cloud_agent.worker.decoder import PayloadDecoder
from mc_sched import __version__
from mc_sched.bundles.tables import cloud_table
from mc_sched.core.cloud.machine import CloudMachine
from mc_sched.core.events import CloudReconfigured
from mc_sched.obs.agent_log import open_log
from mc_sched.obs.log.event_log import FORMAT
from mc_sched.obs.metrics.cloud import CloudCollector
from mc_sched.sensors.meter import PowerMeter
from mc_sched.service.grpc_port import GrpcPort
from mc_sched.service.logger import set_level

SERVICE = "mc.v1.CloudAgent"


class CloudAgent:
    """A cloud agent, which is created, started and stopped on its event loop.

    The constructor raises OSError or ValueError if the port, the certificates, the bundle or its
    profile cannot be used.
    """

    def __init__(self, config: CloudConfig, logger: logging.Logger) -> None:
        self._config, self._logger = config, logger
        self._port = GrpcPort(config, SERVICE, logger, MAX_CHUNK_BYTES)
        torch.set_num_threads(config.threads)
        self._bundle = load_bundle(config.bundle)
        self._assemble()

    def _assemble(self) -> None:
        config, bundle = self._config, self._bundle
        profile = builders.load_profile(bundle, config)
        self._log = open_log(config, "cloud")
        table, settings = cloud_table(bundle, profile), config.settings()
        first = {"format": FORMAT, "settings": settings, "table": table}
        self._log.write(time.monotonic_ns(), "config", first)
        self._driver = driver = CloudDriver(CloudMachine(settings, table), self._log)
        self._executor = builders.make_executor(bundle, driver.handle, config.threads, profile)
        decoders = builders.make_decoders(bundle, profile.precision)
        self._decoder = PayloadDecoder(decoders, self._executor.hold, driver.handle)
        driver.attach(self._decoder, self._executor)
        self._servicer = CloudServicer(
            driver,
            table,
            bundle.labels,
            version=__version__,
            limits=builders.limits_of(config),
            logger=self._logger,
        )
        self._meter = PowerMeter(builders.make_power(config, self._log, self._logger))

    @property
    def expires(self) -> datetime | None:
        """Expiry time of the certificate in use, or None without one."""
        return self._port.expires

    def collector(self) -> CloudCollector:
        """Return the source of the metrics; it is read from other threads."""
        about = {"node": "cloud", "version": __version__, "bundle": self._bundle.name}
        return CloudCollector(lambda: self._driver.state(self._meter.rails_w), about)

    def progressing(self) -> bool:
        """Return True unless the machine or a worker hangs."""
        return self._driver.progressing

    def apply(self, new: CloudConfig) -> None:
        """Apply a reloaded configuration."""
        self._driver.handle(CloudReconfigured(time.monotonic_ns(), new.settings()))
        self._port.set_limits(new)
        self._servicer.set_limits(builders.limits_of(new))
        set_level(self._logger, new.log_level)

    async def start(self) -> None:
        """Take uploads."""
        self._meter.start()
        cloud_pb2_grpc.add_CloudAgentServicer_to_server(self._servicer, self._port.server)
        await self._port.start()
        await self._port.set_serving()

    async def stop(self) -> None:
        """Take no more uploads, end the open tasks, and release everything."""
        await self._port.stop(self._driver.drain())
        self._decoder.close()
        self._meter.close()
        self._executor.close()
        self._log.close()
