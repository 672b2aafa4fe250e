"""An edge agent put together: who knows whom, and in which order they start and end."""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import torch
from mc_models.bundle.bundle import Bundle, load_bundle
from mc_models.data.preprocess import to_input
from mc_proto.channel import bind, make_server
from mc_proto.health import Health
from mc_proto.v1 import edge_pb2, edge_pb2_grpc

from edge_agent import parts
from edge_agent.admission import Admission
from edge_agent.config import EdgeConfig
from edge_agent.driver import EdgeDriver
from edge_agent.servicer import EdgeServicer
from mc_sched import __version__
from mc_sched.bundles.tables import local_table
from mc_sched.core.edge.machine import EdgeMachine
from mc_sched.core.events import EdgeReconfigured
from mc_sched.core.policies import PARTITIONERS
from mc_sched.obs.log.agent_log import open_log, store_file
from mc_sched.obs.log.event_log import FORMAT
from mc_sched.obs.metrics.edge import EdgeCollector
from mc_sched.obs.web.serving import on_loop
from mc_sched.service import daemon
from mc_sched.service.logger import set_level

SERVICE = "mc.v1.EdgeAgent"
CLOUD_LINK = "cloud-link"
"""Name under which the health service tells whether the cloud can be used."""


class EdgeAgent:
    """Made, started and stopped on the loop that it serves on.

    OSError or ValueError, with a sentence, where the port, the certificates, the bundle or its
    profile cannot be used.
    """

    def __init__(self, config: EdgeConfig, says: logging.Logger) -> None:
        self._config, self._says = config, says
        self._gate = daemon.make_gate(config, says)
        self._server = make_server(self._gate)
        own = daemon.identity_for(config, config.listen)
        self._port = bind(self._server, config.listen, own)
        self._health = Health(self._server)
        self._identity = own or (
            daemon.identity_for(config, config.cloud) if config.cloud else None
        )
        self._notes: set[asyncio.Task[None]] = set()
        torch.set_num_threads(config.threads)
        self._bundle = load_bundle(config.bundle)
        self._put_together()

    def _put_together(self) -> None:
        config, bundle = self._config, self._bundle
        profile = parts.known_profile(bundle, config)
        self._log = open_log(config, "edge")
        table, settings = local_table(bundle, profile), config.settings()
        first = {"format": FORMAT, "settings": settings, "table": table}
        self._log.write(time.monotonic_ns(), "config", first)
        self._driver = driver = EdgeDriver(EdgeMachine(settings, table), self._log, to_input)
        nets = bundle, driver, config.threads, profile.precision
        self._whole = whole = parts.make_cloud_net_on_edge(bundle, config, profile.precision)
        self._executor = parts.make_executor(*nets, whole)
        self._cloud = parts.make_cloud_client(config, bundle, driver)
        self._encoder = parts.make_encoder(*nets, whole)
        driver.attach(self._executor, self._cloud, self._cloud_changed, self._encoder)
        self._sampler = parts.make_sampler(config.sensors, driver, self._log, self._says)
        self._admitting = ThreadPoolExecutor(1, thread_name_prefix="admit")
        self._servicer = self._make_servicer(driver, bundle)

    def _make_servicer(self, driver: EdgeDriver, bundle: Bundle) -> EdgeServicer:
        about = edge_pb2.StatusReply(
            version=__version__, bundle=bundle.name, bundle_hash=bundle.hash, labels=bundle.labels
        )
        if self.expires is not None:
            about.certificate_expires_s = int(self.expires.timestamp())
        return EdgeServicer(
            driver,
            self._log,
            Admission(bundle.input_px, self._admitting),
            about,
            {row.name: row.message_bytes for row in bundle.codecs},
            self._config.limits.tasks_per_client,
            store_file(self._config, "edge"),
            self._says,
        )

    @property
    def expires(self) -> datetime | None:
        """When the certificate in use ends; None without one."""
        return None if self._identity is None else self._identity.expires

    def collector(self) -> EdgeCollector:
        """What the metrics are read from, from any thread."""
        look = on_loop(
            asyncio.get_running_loop(), lambda: self._driver.state(self._sampler.rails_w)
        )
        return EdgeCollector(
            look, {"node": "edge", "version": __version__, "bundle": self._bundle.name}
        )

    def progressing(self) -> bool:
        """Whether what was begun goes on."""
        return self._driver.progressing

    def apply(self, new: EdgeConfig) -> None:
        """Go by another configuration from now on, as far as that is possible without a restart."""
        if self._whole is not None and new.policy in PARTITIONERS:
            asyncio.get_running_loop().run_in_executor(None, self._whole.load)
        self._driver.handle(EdgeReconfigured(time.monotonic_ns(), new.settings()))
        daemon.set_limits(self._gate, new)
        self._servicer.tasks.most = new.limits.tasks_per_client
        set_level(self._says, new.log_level)

    async def start(self) -> None:
        """Look for the cloud agent and take tasks."""
        self._sampler.start()
        edge_pb2_grpc.add_EdgeAgentServicer_to_server(self._servicer, self._server)
        await self._server.start()
        await self._health.set_part(False, CLOUD_LINK)
        if self._cloud is not None:
            await self._cloud.start()
        await self._health.set(True, SERVICE)
        host = self._config.listen.rpartition(":")[0]
        self._says.info("serving on %s:%d", host, self._port)

    async def stop(self) -> None:
        """Take no more tasks, end those that are here, and let go of everything."""
        await self._health.set(False, SERVICE)
        await daemon.bounded(self._driver.drain())
        await daemon.stop(self._server)
        if self._cloud is not None:
            await self._cloud.close()
        self._admitting.shutdown()
        self._sampler.close()
        self._executor.close()
        if self._encoder is not None:
            self._encoder.close()
        self._log.close()

    def _cloud_changed(self, up: bool, why: str) -> None:
        self._says.info(
            "the cloud agent can be used" if up else f"no cloud agent can be used: {why}"
        )
        note = asyncio.create_task(self._health.set_part(up, CLOUD_LINK))
        self._notes.add(note)
        note.add_done_callback(self._notes.discard)
