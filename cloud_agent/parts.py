"""Parts of the front process that follow from the configuration."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from cloud_agent.config import CloudConfig
from cloud_agent.front.limits import Limits
from cloud_agent.front.remote_worker import RemoteWorker
from cloud_agent.pipe.messages import Start
from mc_sched.obs.log.event_log import EventLog
from mc_sched.sensors.chooser import Chooser
from mc_sched.sensors.inventory import power_chooser

OPEN_PER_TASK = 4
"""Open tasks allowed per task that may wait or run on a worker; most of them are uploading."""


def make_power(
    config: CloudConfig, on_gpu: bool, log: EventLog, logger: logging.Logger
) -> Chooser | None:
    """Return the sensor of this machine's power; its messages go to stderr and the event log."""

    def report(message: str) -> None:
        logger.info(message)
        log.write(time.monotonic_ns(), "note", {"sensors": message}, "warning")

    return power_chooser(config.sensors.power, on_gpu, report)


def limits_of(config: CloudConfig, workers: int) -> Limits:
    """Return the limits of a front with this number of workers."""
    return Limits(
        exit_rule=config.exit_rule,
        max_payload_bytes=config.max_payload_bytes,
        max_open=OPEN_PER_TASK * config.max_tasks * workers,
        tasks_per_client=config.limits.tasks_per_client,
        sessions_per_client=config.limits.sessions_per_client,
        session_upload_bytes=config.limits.session_upload,
        upload_bytes=config.limits.all_uploads,
        unread_bytes=config.limits.unread,
        upload_ns=config.limits.upload,
    )


def start_of(
    config: CloudConfig, worker: RemoteWorker, all_workers: Sequence[RemoteWorker], logged: bool
) -> Start:
    """Return what a worker runs."""
    return Start(
        index=worker.index,
        device=worker.device,
        bundle=config.bundle,
        profile=config.profile,
        threads=config.threads,
        precision=config.precision,
        settings=config.settings(),
        profiles=[other.ready.profile for other in all_workers if other.ready is not None],
        logged=logged,
    )
