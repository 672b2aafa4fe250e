"""An edge agent: its parts, how they are connected, and the order in which they start and stop."""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime

import torch
from mc_models.bundle.load import Bundle, load_bundle
from mc_models.data.preprocess import to_input
from mc_models.inference.profile import Profile
from mc_proto.v1 import edge_pb2, edge_pb2_grpc

from edge_agent import builders
from edge_agent.admission import Admission
from edge_agent.config import EdgeConfig
from edge_agent.driver import EdgeDriver
from edge_agent.intake import Intake
from edge_agent.servicer import EdgeServicer
from edge_agent.submission import Submissions
from edge_agent.traces import TaskTraces
from mc_sched import __version__
from mc_sched.bundles.tables import local_table
from mc_sched.core.client_credits import ClientCredits
from mc_sched.core.edge.machine import EdgeMachine
from mc_sched.core.events import EdgeReconfigured
from mc_sched.core.policies import PARTITIONERS
from mc_sched.obs.agent_log import open_log, store_file
from mc_sched.obs.log.event_log import FORMAT
from mc_sched.obs.metrics.edge import EdgeCollector, EdgeMetricsInput
from mc_sched.obs.web.serving import on_loop
from mc_sched.service.grpc_port import GrpcPort, identity_for
from mc_sched.service.logger import set_level
from mc_sched.service.loop_lag import LoopLag

SERVICE = "mc.v1.EdgeAgent"
CLOUD_LINK = "cloud-link"
"""Name under which the health service reports whether the cloud agent can be used."""


class EdgeAgent:
    """An edge agent, which is created, started and stopped on its event loop.

    The constructor raises OSError or ValueError if the port, the certificates, the bundle or its
    profile cannot be used.
    """

    def __init__(self, config: EdgeConfig, logger: logging.Logger) -> None:
        self._config, self._logger = config, logger
        self._port = GrpcPort(config, SERVICE, logger)
        self._identity = self._port.identity
        if self._identity is None and config.cloud is not None:
            self._identity = identity_for(config, config.cloud)
        self._health_updates: set[asyncio.Task[None]] = set()
        torch.set_num_threads(config.threads)
        self._bundle = load_bundle(config.bundle)
        profile = builders.load_profile(self._bundle, config)
        self._log = open_log(config, "edge")
        self._driver = self._make_driver(profile)
        self._credits = ClientCredits()
        self._connect_workers(profile)
        self._decoding = ThreadPoolExecutor(1, thread_name_prefix="admit")
        self._lag = LoopLag(asyncio.get_running_loop())
        self._submissions = Submissions(
            self._driver,
            Admission(self._bundle.input_px, self._decoding),
            TaskTraces(self._log),
            _message_bytes(self._bundle),
            config.limits.tasks_per_client,
            logger,
        )
        self._intake = Intake(self._submissions, self._credits, self._lag, self._log)
        self._servicer = self._make_servicer()

    def _make_driver(self, profile: Profile) -> EdgeDriver:
        table, settings = local_table(self._bundle, profile), self._config.settings()
        first = {"format": FORMAT, "settings": settings, "table": table}
        self._log.write(time.monotonic_ns(), "config", first)
        return EdgeDriver(EdgeMachine(settings, table), self._log, to_input)

    def _connect_workers(self, profile: Profile) -> None:
        config, bundle, driver = self._config, self._bundle, self._driver
        nets = bundle, driver, config.threads, profile.precision
        self._cloud_net = builders.make_cloud_net(bundle, config, profile.precision)
        self._executor = builders.make_executor(*nets, self._cloud_net)
        self._cloud = builders.make_cloud_client(config, bundle, driver)
        self._encoder = builders.make_encoder(*nets, self._cloud_net)
        driver.attach(
            self._executor, self._cloud, self._on_cloud_state, self._encoder, self._on_start
        )
        self._sampler = builders.make_sampler(config.sensors, driver, self._log, self._logger)

    def _make_servicer(self) -> EdgeServicer:
        config, bundle = self._config, self._bundle
        about = edge_pb2.StatusReply(
            version=__version__, bundle=bundle.name, bundle_hash=bundle.hash, labels=bundle.labels
        )
        if self.expires is not None:
            about.certificate_expires_s = int(self.expires.timestamp())
        store = store_file(config, "edge")
        return EdgeServicer(self._driver, self._log, self._intake, about, store, self._logger)

    @property
    def expires(self) -> datetime | None:
        """Expiry time of the certificate in use, or None without one."""
        return None if self._identity is None else self._identity.expires

    def collector(self) -> EdgeCollector:
        """Return the source of the metrics; it is read from other threads."""

        def state() -> EdgeMetricsInput:
            return replace(
                self._driver.metrics_input(self._sampler.rails_w), intake=self._intake.state()
            )

        look = on_loop(asyncio.get_running_loop(), state)
        return EdgeCollector(
            look, {"node": "edge", "version": __version__, "bundle": self._bundle.name}
        )

    def progressing(self) -> bool:
        """Return True unless the machine or a worker hangs."""
        return self._driver.progressing

    def apply(self, new: EdgeConfig) -> None:
        """Apply a reloaded configuration."""
        if self._cloud_net is not None and new.policy in PARTITIONERS:
            asyncio.get_running_loop().run_in_executor(None, self._cloud_net.load)
        self._driver.handle(EdgeReconfigured(time.monotonic_ns(), new.settings()))
        self._port.set_limits(new)
        self._submissions.set_tasks_per_client(new.limits.tasks_per_client)
        set_level(self._logger, new.log_level)

    async def start(self) -> None:
        """Look for the cloud agent and take tasks."""
        self._sampler.start()
        self._lag.start()
        edge_pb2_grpc.add_EdgeAgentServicer_to_server(self._servicer, self._port.server)
        await self._port.start()
        await self._port.health.set_part(False, CLOUD_LINK)
        if self._cloud is not None:
            await self._cloud.start()
        await self._port.set_serving()

    async def stop(self) -> None:
        """Take no more tasks, end the open ones, and release everything."""
        await self._port.stop(self._driver.drain())
        if self._cloud is not None:
            await self._cloud.close()
        self._lag.stop()
        self._decoding.shutdown()
        self._sampler.close()
        self._executor.close()
        if self._encoder is not None:
            self._encoder.close()
        self._log.close()

    def _on_start(self, wait_ns: int, deadline_ns: int) -> None:
        self._credits.started(time.monotonic_ns(), wait_ns, deadline_ns)

    def _on_cloud_state(self, up: bool, reason: str) -> None:
        self._logger.info(
            "the cloud agent can be used" if up else f"no cloud agent can be used: {reason}"
        )
        update = asyncio.create_task(self._port.health.set_part(up, CLOUD_LINK))
        self._health_updates.add(update)
        update.add_done_callback(self._health_updates.discard)


def _message_bytes(bundle: Bundle) -> dict[str, int]:
    """Payload size by codec, for the codecs that encode a task only when it is sent."""
    return {row.name: row.message_bytes for row in bundle.codecs}
