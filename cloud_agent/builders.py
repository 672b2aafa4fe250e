"""Builders of a cloud agent's parts: executor, decoders, power sensor, limits."""

from __future__ import annotations

import logging
import time
from functools import partial
from pathlib import Path

from mc_models.bundle.load import Bundle
from mc_models.codec.splits import unpack
from mc_models.data.preprocess import decode_image, to_input
from mc_models.inference.devices import Precision, host_device
from mc_models.inference.prepare import prepare_cloud, prepare_decoder
from mc_models.inference.profile import Profile
from mc_models.inference.profile_store import host_profile
from mc_models.inference.self_test import try_cloud

from cloud_agent.calls import Limits
from cloud_agent.config import CloudConfig
from cloud_agent.worker.decoder import Decode
from cloud_agent.worker.executor import Report, StageExecutor
from mc_sched.obs.log.event_log import EventLog
from mc_sched.sensors.chooser import Chooser
from mc_sched.sensors.inventory import power_chooser

CALLS_PER_TASK = 4
"""Open calls allowed per task that may wait or run; most of them are uploading."""


def make_power(config: CloudConfig, log: EventLog, logger: logging.Logger) -> Chooser | None:
    """Return the sensor of this machine's power; its messages go to stderr and the event log."""

    def report(message: str) -> None:
        logger.info(message)
        log.write(time.monotonic_ns(), "note", {"sensors": message}, "warning")

    return power_chooser(config.sensors.power, host_device() == "cuda", report)


def limits_of(config: CloudConfig) -> Limits:
    """Return the limits that the servicer enforces."""
    return Limits(
        exit_rule=config.exit_rule,
        max_payload_bytes=config.max_payload_bytes,
        max_calls=CALLS_PER_TASK * config.max_tasks,
        tasks_per_client=config.limits.tasks_per_client,
        upload_s=config.limits.upload / 1e9,
    )


def make_decoders(bundle: Bundle, precision: Precision) -> dict[str, Decode]:
    """Return a decoder per codec: from a payload to the input of the first stage it enters."""
    decoders: dict[str, Decode] = {
        "jpeg": lambda payload: to_input(decode_image(payload, bundle.input_px))
    }
    for row in bundle.codecs:
        decoders[row.name] = prepare_decoder(bundle, precision)
    for split in bundle.splits:
        decoders[split.name] = partial(unpack, row=split)
    return decoders


def load_profile(bundle: Bundle, config: CloudConfig) -> Profile:
    """Return the stored profile of this host, or measure one."""
    file = Path(config.profile) if config.profile else None
    return host_profile(bundle, "cloud", config.threads, config.precision, file)


def make_executor(bundle: Bundle, report: Report, threads: int, profile: Profile) -> StageExecutor:
    """Prepare and self-test the cloud net; return the worker that runs it."""
    net = prepare_cloud(bundle, profile.precision, batch_sizes=profile.batch_sizes)
    try_cloud(net.stages, net.heads, bundle, largest_batch=profile.batch_sizes[-1])
    return StageExecutor(
        list(net.stages),
        dict(net.heads.items()),
        {row.name: row.temperature for row in bundle.exits},
        report,
        threads,
    )
