"""The cloud agent's process: configuration, model, profile, service, drain."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import torch
from mc_models.bundle import Bundle, load_bundle
from mc_models.preprocess import decode_image, to_input
from mc_models.profile import Profile
from mc_models.profile_store import host_profile
from mc_models.runtime import Precision, host_device, prepare_cloud, prepare_decoder
from mc_models.self_test import try_cloud
from mc_models.splits import unpack
from mc_proto.channel import MAX_CHUNK_BYTES, bind, make_server
from mc_proto.health import Health
from mc_proto.v1 import cloud_pb2_grpc

from mc_sched import __version__, daemon
from mc_sched.core.cloud_machine import CloudMachine
from mc_sched.core.events import CloudReconfigured
from mc_sched.errors import UserError
from mc_sched.host_tables import cloud_table
from mc_sched.obs.agent_log import open_log, set_nested, store_file
from mc_sched.obs.event_log import FORMAT, EventLog
from mc_sched.obs.metrics.cloud import CloudCollector
from mc_sched.obs.web.agent_routes import agent_routes
from mc_sched.obs.web.serving import serving
from mc_sched.process_log import process_log, set_level
from mc_sched.reloading import Reloader
from mc_sched.sensors.chooser import Chooser
from mc_sched.sensors.inventory import power_chooser
from mc_sched.sensors.meter import PowerMeter

from .config import LIVE, CloudConfig
from .driver import CloudDriver
from .executor import Report, StageExecutor
from .servicer import CloudServicer, Decode, Limits

NAME = "mc-cloud-agent"
SERVICE = "mc.v1.CloudAgent"
CALLS_PER_TASK = 4
"""Calls that may be open, most of them uploading, for each task that may wait or run."""


def build_parser() -> argparse.ArgumentParser:
    """Options; each but --config overrides the key of the same name in the file."""
    parser = argparse.ArgumentParser(
        prog="mc-cloud-agent",
        description="Hosts the large network with its early exits.",
        epilog="example: mc-cloud-agent --config configs/cloud.yaml --listen 0.0.0.0:7071",
    )
    parser.add_argument("--config", metavar="FILE", help="YAML file; see configs/cloud.yaml")
    parser.add_argument("--listen", metavar="HOST:PORT", help="default 127.0.0.1:7071")
    parser.add_argument("--bundle", help="name or directory of a bundle, default set-a")
    parser.add_argument("--threads", type=int, help="CPU threads for the network, default 1")
    parser.add_argument("--precision", help="auto (default), float32 or bfloat16")
    parser.add_argument("--event-log", metavar="FILE", help="write every event and action here")
    parser.add_argument("--log-store", metavar="FILE", help="index them here, or none")
    parser.add_argument("--http", metavar="HOST:PORT", help="console and metrics, or none")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the agent until SIGTERM; returns the exit code."""
    args = build_parser().parse_args(argv)
    set_nested(args)

    def read() -> CloudConfig:
        return daemon.configure(args, CloudConfig)

    try:
        config = read()
    except UserError as error:
        print(f"{NAME}: {error}", file=sys.stderr)
        return error.exit_code
    return daemon.run(serve(config, read), NAME)


async def serve(config: CloudConfig, read: Callable[[], CloudConfig]) -> None:
    """Load, warm up, serve, drain; `read` reads the configuration anew."""
    says = process_log(NAME, config.log_level)
    gate = daemon.make_gate(config, says)
    server = make_server(gate, MAX_CHUNK_BYTES)
    identity = daemon.identity_for(config, config.listen)
    port = bind(server, config.listen, identity)
    torch.set_num_threads(config.threads)
    bundle = load_bundle(config.bundle)
    profile = known_profile(bundle, config)
    table = cloud_table(bundle, profile)
    log = open_log(config, "cloud")
    settings = config.settings()
    config_record = {"format": FORMAT, "settings": settings, "table": table}
    log.write(time.monotonic_ns(), "config", config_record)
    driver = CloudDriver(CloudMachine(settings, table), log)
    executor = make_executor(bundle, driver.handle, config.threads, profile.precision)
    driver.attach(executor)
    health = Health(server)
    with ThreadPoolExecutor(1, thread_name_prefix="prepare") as pool:
        servicer = CloudServicer(
            driver,
            table,
            bundle.labels,
            make_decoders(bundle, profile.precision),
            pool,
            version=__version__,
            limits=limits_of(config),
            says=says,
        )

        def apply(new: CloudConfig) -> None:
            driver.handle(CloudReconfigured(time.monotonic_ns(), new.settings()))
            daemon.set_limits(gate, new)
            servicer.set_limits(limits_of(new))
            set_level(says, new.log_level)

        reloader = Reloader(config, read, LIVE, apply, says)
        cloud_pb2_grpc.add_CloudAgentServicer_to_server(servicer, server)
        await server.start()
        await health.set(True, SERVICE)
        host = config.listen.rpartition(":")[0]
        says.info("serving on %s:%d", host, port)
        about = {"node": "cloud", "version": __version__, "bundle": bundle.name}
        routes = agent_routes("cloud", store_file(config, "cloud"))
        expires = None if identity is None else identity.expires
        with PowerMeter(make_power(config, log, says)) as meter:
            collector = CloudCollector(lambda: driver.state(meter.rails_w), about)
            with serving(config, "cloud", collector, routes, expires):
                await daemon.until_stopped(lambda: driver.progressing, reloader.reload)
        await health.set(False, SERVICE)
        await daemon.bounded(driver.drain())
        await daemon.stop(server)
    executor.close()
    log.close()


def make_power(config: CloudConfig, log: EventLog, says: logging.Logger) -> Chooser | None:
    """Who tells this machine's power; what there is to say of it goes to stderr and the log."""

    def say(what: str) -> None:
        says.info(what)
        log.write(time.monotonic_ns(), "note", {"sensors": what}, "warning")

    return power_chooser(config.sensors.power, host_device() == "cuda", say)


def limits_of(config: CloudConfig) -> Limits:
    """The configuration's part that the servicer goes by."""
    return Limits(
        exit_rule=config.exit_rule,
        max_payload_bytes=config.max_payload_bytes,
        max_calls=CALLS_PER_TASK * config.max_tasks,
        tasks_per_client=config.limits.tasks_per_client,
        upload_s=config.limits.upload / 1e9,
    )


def make_decoders(bundle: Bundle, precision: Precision) -> dict[str, Decode]:
    """By codec, from a payload to what the network's stage behind the cut takes."""
    decoders: dict[str, Decode] = {
        "jpeg": lambda payload: to_input(decode_image(payload, bundle.input_px))
    }
    for row in bundle.codecs:
        decoders[row.name] = prepare_decoder(bundle, precision)
    for split in bundle.splits:
        decoders[split.name] = partial(unpack, row=split)
    return decoders


def known_profile(bundle: Bundle, config: CloudConfig) -> Profile:
    """The stored profile of this host, or one measured now."""
    file = Path(config.profile) if config.profile else None
    return host_profile(bundle, "cloud", config.threads, config.precision, file)


def make_executor(
    bundle: Bundle, report: Report, threads: int, precision: Precision
) -> StageExecutor:
    """The cloud net on its worker, warm and tried."""
    net = prepare_cloud(bundle, precision)
    try_cloud(net.stages, net.heads, bundle)
    return StageExecutor(
        list(net.stages),
        dict(net.heads.items()),
        {row.name: row.temperature for row in bundle.exits},
        report,
        threads,
    )


if __name__ == "__main__":
    sys.exit(main())
