"""Builders of an edge agent's parts: cloud client, sensors, networks on their workers."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path

import numpy as np
from mc_models.bundle.load import Bundle
from mc_models.codec.feature_codec import FEATURES
from mc_models.data.preprocess import Pixels, to_input
from mc_models.inference.devices import Precision, host_device
from mc_models.inference.prepare import prepare_encoder, prepare_local
from mc_models.inference.profile import Profile
from mc_models.inference.profile_store import host_profile
from mc_models.inference.self_test import RUNS, try_local

from edge_agent.cloud_client import CloudClient
from edge_agent.cloud_net_on_edge import CloudNetOnEdge
from edge_agent.config import EdgeConfig, EdgeSensorsConfig
from edge_agent.driver import EdgeDriver
from edge_agent.encoder import Encode, PayloadEncoder
from edge_agent.executor import LocalExecutor
from edge_agent.sampler import Sampler
from mc_sched.core.policies import PARTITIONERS
from mc_sched.obs.log.event_log import EventLog
from mc_sched.sensors.chooser import LOAD, Chooser
from mc_sched.sensors.inventory import load_candidates, power_chooser
from mc_sched.service.grpc_port import identity_for


def make_cloud_client(config: EdgeConfig, bundle: Bundle, driver: EdgeDriver) -> CloudClient | None:
    """Return the client of the configured cloud agent; None for an edge that works alone."""
    if config.cloud is None:
        return None
    return CloudClient(
        config.cloud,
        config.edge_id,
        bundle.hash,
        driver.handle,
        identity_for(config, config.cloud),
        driver.log_story,
    )


def make_sampler(
    config: EdgeSensorsConfig, driver: EdgeDriver, log: EventLog, logger: logging.Logger
) -> Sampler:
    """Return the sampler of this machine's sensors; their messages go to stderr and the log."""
    loop = asyncio.get_running_loop()

    def report(message: str) -> None:
        logger.info(message)
        note = {"sensors": message}
        loop.call_soon_threadsafe(log.write, time.monotonic_ns(), "note", note, "warning")

    power = power_chooser(config.power, host_device() == "cuda", report)
    load = Chooser(LOAD, load_candidates(), report)
    return Sampler(power, load, config.interval, driver.note, driver.report)


def load_profile(bundle: Bundle, config: EdgeConfig) -> Profile:
    """Return the stored profile of this host, or measure one."""
    file = Path(config.profile) if config.profile else None
    return host_profile(bundle, "edge", config.threads, config.precision, file)


def make_cloud_net(
    bundle: Bundle, config: EdgeConfig, precision: Precision
) -> CloudNetOnEdge | None:
    """Return the cloud net for this device; None if the bundle has no measurements for it.

    It is loaded at once if a task may need it from the start.
    """
    if not bundle.splits:
        return None
    cloud_net = CloudNetOnEdge(bundle, precision)
    if config.cloud_net_on_edge or config.policy in PARTITIONERS:
        cloud_net.load()
    return cloud_net


def make_executor(
    bundle: Bundle,
    driver: EdgeDriver,
    threads: int,
    precision: Precision,
    cloud_net: CloudNetOnEdge | None,
) -> LocalExecutor:
    """Prepare and self-test the local net; return the worker that runs it."""
    net = prepare_local(bundle, precision)
    try_local(net.layers, bundle)
    return LocalExecutor(
        list(net.layers),
        [row.ops for row in bundle.local.layers],
        bundle.local.temperature,
        driver.report,
        driver.note,
        threads,
        cloud_net,
    )


def make_encoder(
    bundle: Bundle,
    driver: EdgeDriver,
    threads: int,
    precision: Precision,
    cloud_net: CloudNetOnEdge | None,
) -> PayloadEncoder | None:
    """Return the worker that encodes payloads other than jpeg; None if the bundle has none."""
    encoders = {} if cloud_net is None else dict(cloud_net.encoders)
    if bundle.codecs:
        encoders[FEATURES] = warm_features_encoder(bundle, precision)
    return PayloadEncoder(encoders, driver.encoded, threads) if encoders else None


def warm_features_encoder(bundle: Bundle, precision: Precision) -> Encode:
    """Return the encoder of the bundle's features codec, after its warm-up runs."""
    features = prepare_encoder(bundle, precision)

    def encode(pixels: Pixels) -> bytes:
        return features(to_input(pixels))

    for _ in range(RUNS):
        encode(np.zeros((bundle.input_px, bundle.input_px, 3), np.uint8))
    return encode
