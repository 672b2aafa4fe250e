"""The parts of an edge agent that need more than their constructor: networks, sensors, the link."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path

import numpy as np
from mc_models.bundle.bundle import Bundle
from mc_models.codec.features import NAME as FEATURES
from mc_models.data.preprocess import Pixels, to_input
from mc_models.inference.profile import Profile
from mc_models.inference.profile_store import host_profile
from mc_models.inference.runtime import Precision, host_device, prepare_encoder, prepare_local
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
from mc_sched.service import daemon


def make_cloud_client(config: EdgeConfig, bundle: Bundle, driver: EdgeDriver) -> CloudClient | None:
    """The client of the configured cloud agent; None for an edge that works alone."""
    if config.cloud is None:
        return None
    return CloudClient(
        config.cloud, config.edge_id, bundle.hash, driver.handle, config.probe_interval / 1e9,
        driver.wanted_padding, daemon.identity_for(config, config.cloud), driver.tell,
    )  # fmt: skip


def make_sampler(
    config: EdgeSensorsConfig, driver: EdgeDriver, log: EventLog, says: logging.Logger
) -> Sampler:
    """The sensors of this machine; what there is to say of them goes to stderr and the log."""
    loop = asyncio.get_running_loop()

    def say(what: str) -> None:
        says.info(what)
        note = {"sensors": what}
        loop.call_soon_threadsafe(log.write, time.monotonic_ns(), "note", note, "warning")

    power = power_chooser(config.power, host_device() == "cuda", say)
    load = Chooser(LOAD, load_candidates(), say)
    return Sampler(power, load, config.interval, driver.note, driver.report)


def known_profile(bundle: Bundle, config: EdgeConfig) -> Profile:
    """The stored profile of this host, or one measured now."""
    file = Path(config.profile) if config.profile else None
    return host_profile(bundle, "edge", config.threads, config.precision, file)


def make_cloud_net_on_edge(
    bundle: Bundle, config: EdgeConfig, precision: Precision
) -> CloudNetOnEdge | None:
    """The cloud net for this device, loaded where it may run here; None if it was not measured."""
    if not bundle.splits:
        return None
    whole = CloudNetOnEdge(bundle, precision)
    if config.cloud_net_on_edge or config.policy in PARTITIONERS:
        whole.load()
    return whole


def make_executor(
    bundle: Bundle,
    driver: EdgeDriver,
    threads: int,
    precision: Precision,
    whole: CloudNetOnEdge | None,
) -> LocalExecutor:
    """The local net on its worker, warm and tried."""
    net = prepare_local(bundle, precision)
    try_local(net.layers, bundle)
    return LocalExecutor(
        list(net.layers),
        [row.ops for row in bundle.local.layers],
        bundle.local.temperature,
        driver.report,
        driver.note,
        threads,
        whole,
    )


def make_encoder(
    bundle: Bundle,
    driver: EdgeDriver,
    threads: int,
    precision: Precision,
    whole: CloudNetOnEdge | None,
) -> PayloadEncoder | None:
    """What makes payloads other than jpeg, on its worker; None where the bundle has none."""
    encoders = {} if whole is None else dict(whole.encoders)
    if bundle.codecs:
        encoders[FEATURES] = warm_features_encoder(bundle, precision)
    return PayloadEncoder(encoders, driver.encoded, threads) if encoders else None


def warm_features_encoder(bundle: Bundle, precision: Precision) -> Encode:
    """The edge's half of the bundle's features codec, warm."""
    features = prepare_encoder(bundle, precision)

    def encode(pixels: Pixels) -> bytes:
        return features(to_input(pixels))

    for _ in range(RUNS):
        encode(np.zeros((bundle.input_px, bundle.input_px, 3), np.uint8))
    return encode
