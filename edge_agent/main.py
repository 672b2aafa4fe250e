"""The edge agent's process: configuration, model, profile, link, service, drain."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from mc_models.bundle import Bundle, load_bundle
from mc_models.features import NAME as FEATURES
from mc_models.preprocess import Pixels, to_input
from mc_models.profile import Profile
from mc_models.profile_store import host_profile
from mc_models.runtime import Precision, host_device, prepare_encoder, prepare_local
from mc_models.self_test import RUNS, try_local
from mc_proto.channel import bind, make_server
from mc_proto.health import Health
from mc_proto.v1 import edge_pb2, edge_pb2_grpc

from mc_sched import __version__, daemon
from mc_sched.core.edge_machine import EdgeMachine
from mc_sched.core.events import EdgeReconfigured
from mc_sched.core.policies import PARTITIONERS, POLICIES
from mc_sched.errors import UserError
from mc_sched.host_tables import local_table
from mc_sched.obs.agent_log import open_log, set_nested, store_file
from mc_sched.obs.event_log import FORMAT, EventLog
from mc_sched.obs.metrics.edge import EdgeCollector
from mc_sched.obs.web.agent_routes import agent_routes
from mc_sched.obs.web.serving import on_loop, serving
from mc_sched.process_log import process_log, set_level
from mc_sched.reloading import Reloader
from mc_sched.sensors.chooser import LOAD, Chooser
from mc_sched.sensors.inventory import load_candidates, power_chooser

from .admission import Admission
from .cloud_client import CloudClient
from .config import LIVE, EdgeConfig, EdgeSensorsConfig
from .driver import EdgeDriver
from .encoder import Encode, PayloadEncoder
from .executor import LocalExecutor
from .sampler import Sampler
from .servicer import EdgeServicer
from .whole_net import WholeNet

NAME = "mc-edge-agent"
SERVICE = "mc.v1.EdgeAgent"
CLOUD_LINK = "cloud-link"
"""Name under which the health service tells whether the cloud can be used."""


def build_parser() -> argparse.ArgumentParser:
    """Options; each but --config overrides the key of the same name in the file."""
    parser = argparse.ArgumentParser(
        prog="mc-edge-agent",
        description="Schedules images between a small network here and a large one in the cloud.",
        epilog="example: mc-edge-agent --config configs/edge.yaml --cloud server:7071",
    )
    parser.add_argument("--config", metavar="FILE", help="YAML file; see configs/edge.yaml")
    parser.add_argument("--listen", metavar="HOST:PORT", help="default 127.0.0.1:7070")
    parser.add_argument("--cloud", metavar="HOST:PORT", help="default 127.0.0.1:7071")
    parser.add_argument("--bundle", help="name or directory of a bundle, default set-a")
    parser.add_argument("--mode", help="performance or energy (default)")
    parser.add_argument("--policy", help=f"{', '.join(POLICIES)}; default mc")
    parser.add_argument("--threads", type=int, help="CPU threads for the network, default 1")
    parser.add_argument("--precision", help="auto (default), float32 or bfloat16")
    parser.add_argument("--event-log", metavar="FILE", help="write every event and action here")
    parser.add_argument("--log-store", metavar="FILE", help="index them here, or none")
    parser.add_argument("--http", metavar="HOST:PORT", help="console and metrics, or none")
    parser.add_argument("--radio", help="wifi (default), 4g or 3g: whose energy model counts")
    parser.add_argument("--power", metavar="SENSOR", help="auto (default), none, or which one")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the agent until SIGTERM; returns the exit code."""
    args = build_parser().parse_args(argv)
    if args.radio:
        args.energy = {"radio": args.radio}
    if args.power:
        args.sensors = {"power": args.power}
    del args.radio, args.power
    set_nested(args)

    def read() -> EdgeConfig:
        return daemon.configure(args, EdgeConfig)

    try:
        config = read()
    except UserError as error:
        print(f"{NAME}: {error}", file=sys.stderr)
        return error.exit_code
    return daemon.run(serve(config, read), NAME)


async def serve(config: EdgeConfig, read: Callable[[], EdgeConfig]) -> None:
    """Load, warm up, connect, serve, drain; `read` reads the configuration anew."""
    says = process_log(NAME, config.log_level)
    gate = daemon.make_gate(config, says)
    server = make_server(gate)
    identity = daemon.identity_for(config, config.listen)
    port = bind(server, config.listen, identity)
    torch.set_num_threads(config.threads)
    bundle = load_bundle(config.bundle)
    profile = known_profile(bundle, config)
    table = local_table(bundle, profile)
    log = open_log(config, "edge")
    settings = config.settings()
    config_record = {"format": FORMAT, "settings": settings, "table": table}
    log.write(time.monotonic_ns(), "config", config_record)
    driver = EdgeDriver(EdgeMachine(settings, table), log, to_input)
    whole = WholeNet(bundle, profile.precision) if bundle.splits else None
    if whole is not None and (config.whole_net or config.policy in PARTITIONERS):
        whole.load()
    executor = make_executor(bundle, driver, config.threads, profile.precision, whole)
    health = Health(server)
    cloud = make_cloud_client(config, bundle, driver)
    notes: set[asyncio.Task[None]] = set()

    def cloud_changed(up: bool, why: str) -> None:
        says.info("the cloud agent can be used" if up else f"no cloud agent can be used: {why}")
        note = asyncio.create_task(health.set_part(up, CLOUD_LINK))
        notes.add(note)
        note.add_done_callback(notes.discard)

    encoder = make_encoder(bundle, driver, config.threads, profile.precision, whole)
    driver.attach(executor, cloud, cloud_changed, encoder)
    sampler = make_sampler(config.sensors, driver, log, says)
    sampler.start()
    about = edge_pb2.StatusReply(
        version=__version__, bundle=bundle.name, bundle_hash=bundle.hash, labels=bundle.labels
    )
    in_use = identity or (daemon.identity_for(config, config.cloud) if config.cloud else None)
    if in_use is not None:
        about.certificate_expires_s = int(in_use.expires.timestamp())
    with ThreadPoolExecutor(1, thread_name_prefix="admit") as pool:
        made_bytes = {row.name: row.message_bytes for row in bundle.codecs}
        admission, store = Admission(bundle.input_px, pool), store_file(config, "edge")
        per_client = config.limits.tasks_per_client
        servicer = EdgeServicer(driver, log, admission, about, made_bytes, per_client, store, says)

        def apply(new: EdgeConfig) -> None:
            if whole is not None and new.policy in PARTITIONERS:
                asyncio.get_running_loop().run_in_executor(None, whole.load)
            driver.handle(EdgeReconfigured(time.monotonic_ns(), new.settings()))
            daemon.set_limits(gate, new)
            servicer.tasks.most = new.limits.tasks_per_client
            set_level(says, new.log_level)

        reloader = Reloader(config, read, LIVE, apply, says)
        edge_pb2_grpc.add_EdgeAgentServicer_to_server(servicer, server)
        look = on_loop(asyncio.get_running_loop(), lambda: driver.state(sampler.rails_w))
        collector = EdgeCollector(
            look, {"node": "edge", "version": __version__, "bundle": bundle.name}
        )
        await server.start()
        await health.set_part(False, CLOUD_LINK)
        if cloud is not None:
            await cloud.start()
        await health.set(True, SERVICE)
        host = config.listen.rpartition(":")[0]
        says.info("serving on %s:%d", host, port)
        expires = None if in_use is None else in_use.expires
        with serving(config, "edge", collector, agent_routes("edge", store), expires):
            await daemon.until_stopped(lambda: driver.progressing, reloader.reload)
        await health.set(False, SERVICE)
        await daemon.bounded(driver.drain())
        await daemon.stop(server)
        if cloud is not None:
            await cloud.close()
    sampler.close()
    executor.close()
    if encoder is not None:
        encoder.close()
    log.close()


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


def make_executor(
    bundle: Bundle,
    driver: EdgeDriver,
    threads: int,
    precision: Precision,
    whole: WholeNet | None = None,
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
    whole: WholeNet | None = None,
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


if __name__ == "__main__":
    sys.exit(main())
