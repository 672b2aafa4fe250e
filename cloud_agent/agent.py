"""A cloud agent put together: who knows whom, and in which order they start and end."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import torch
from mc_models.bundle.bundle import load_bundle
from mc_proto.channel import MAX_CHUNK_BYTES, bind, make_server
from mc_proto.health import Health
from mc_proto.v1 import cloud_pb2_grpc

from cloud_agent import parts
from cloud_agent.config import CloudConfig
from cloud_agent.driver import CloudDriver
from cloud_agent.servicer import CloudServicer
from mc_sched import __version__
from mc_sched.bundles.tables import cloud_table
from mc_sched.core.cloud.machine import CloudMachine
from mc_sched.core.events import CloudReconfigured
from mc_sched.obs.log.agent_log import open_log
from mc_sched.obs.log.event_log import FORMAT
from mc_sched.obs.metrics.cloud import CloudCollector
from mc_sched.sensors.meter import PowerMeter
from mc_sched.service import daemon
from mc_sched.service.logger import set_level

SERVICE = "mc.v1.CloudAgent"


class CloudAgent:
    """Made, started and stopped on the loop that it serves on.

    OSError or ValueError, with a sentence, where the port, the certificates, the bundle or its
    profile cannot be used.
    """

    def __init__(self, config: CloudConfig, says: logging.Logger) -> None:
        self._config, self._says = config, says
        self._gate = daemon.make_gate(config, says)
        self._server = make_server(self._gate, MAX_CHUNK_BYTES)
        self._identity = daemon.identity_for(config, config.listen)
        self._port = bind(self._server, config.listen, self._identity)
        self._health = Health(self._server)
        torch.set_num_threads(config.threads)
        self._bundle = load_bundle(config.bundle)
        self._put_together()

    def _put_together(self) -> None:
        config, bundle = self._config, self._bundle
        profile = parts.known_profile(bundle, config)
        self._log = open_log(config, "cloud")
        table, settings = cloud_table(bundle, profile), config.settings()
        first = {"format": FORMAT, "settings": settings, "table": table}
        self._log.write(time.monotonic_ns(), "config", first)
        self._driver = driver = CloudDriver(CloudMachine(settings, table), self._log)
        precision = profile.precision
        self._executor = parts.make_executor(bundle, driver.handle, config.threads, precision)
        driver.attach(self._executor)
        self._preparing = ThreadPoolExecutor(1, thread_name_prefix="prepare")
        self._servicer = CloudServicer(
            driver,
            table,
            bundle.labels,
            parts.make_decoders(bundle, precision),
            self._preparing,
            version=__version__,
            limits=parts.limits_of(config),
            says=self._says,
        )
        self._meter = PowerMeter(parts.make_power(config, self._log, self._says))

    @property
    def expires(self) -> datetime | None:
        """When the certificate in use ends; None without one."""
        return None if self._identity is None else self._identity.expires

    def collector(self) -> CloudCollector:
        """What the metrics are read from, from any thread."""
        about = {"node": "cloud", "version": __version__, "bundle": self._bundle.name}
        return CloudCollector(lambda: self._driver.state(self._meter.rails_w), about)

    def progressing(self) -> bool:
        """Whether what was begun goes on."""
        return self._driver.progressing

    def apply(self, new: CloudConfig) -> None:
        """Go by another configuration from now on, as far as that is possible without a restart."""
        self._driver.handle(CloudReconfigured(time.monotonic_ns(), new.settings()))
        daemon.set_limits(self._gate, new)
        self._servicer.set_limits(parts.limits_of(new))
        set_level(self._says, new.log_level)

    async def start(self) -> None:
        """Take uploads."""
        self._meter.start()
        cloud_pb2_grpc.add_CloudAgentServicer_to_server(self._servicer, self._server)
        await self._server.start()
        await self._health.set(True, SERVICE)
        host = self._config.listen.rpartition(":")[0]
        self._says.info("serving on %s:%d", host, self._port)

    async def stop(self) -> None:
        """Take no more uploads, end those that are here, and let go of everything."""
        await self._health.set(False, SERVICE)
        await daemon.bounded(self._driver.drain())
        await daemon.stop(self._server)
        self._preparing.shutdown()
        self._meter.close()
        self._executor.close()
        self._log.close()
