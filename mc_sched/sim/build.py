"""Builds a world from a scenario: draws its random parts, reads its files, expands its groups."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from mc_sched.core.tables import CloudTable
from mc_sched.link.mahimahi import read_trace
from mc_sched.link.model import KINDS, ConstantRate, LinkSpec, Outage, Rate
from mc_sched.link.varying import fading, on_off
from mc_sched.sim.arrivals import Stream
from mc_sched.sim.noise import Noise, lognormal, measured
from mc_sched.sim.scenario import (
    DeviceConfig,
    EdgeGroupConfig,
    LinkConfig,
    Scenario,
    StreamConfig,
    Tables,
)
from mc_sched.sim.spec import STEADY, CloudSpec, DeviceSpec, EdgeSpec, RadioLinkSpec, WorldSpec
from mc_sched.sim.step_function import Phase, StepFunction, random_slowdown, scripted_slowdown


def world_of(scenario: Scenario, tables: Tables, folder: Path = Path()) -> WorldSpec:
    """Build the world of a scenario with these networks; trace files are relative to `folder`.

    Raises UserError, with file and line, if a trace cannot be used.
    """
    clouds = tuple(_clouds(scenario, tables[1]))
    edges = tuple(
        edge for group in scenario.edges for edge in _edges(scenario, group, tables, folder)
    )
    return WorldSpec(edges, clouds, scenario.seed)


def _clouds(scenario: Scenario, table: CloudTable) -> Iterator[CloudSpec]:
    for index, group in enumerate(scenario.clouds):
        for number in range(group.count):
            device = _device(group.device, f"{scenario.seed}-cloud-{index}-{number}")
            yield CloudSpec(table, group.settings(), device)


def _edges(
    scenario: Scenario, group: EdgeGroupConfig, tables: Tables, folder: Path
) -> Iterator[EdgeSpec]:
    clouds = sum(cloud.count for cloud in scenario.clouds)
    rates = _given_rates(group.link, folder)
    for number, edge_id in enumerate(group.edge_ids()):
        seed = f"{scenario.seed}-{edge_id}"
        link_seed = f"{scenario.seed}-{group.name}" if group.share_link else seed
        # devices of a group start at different moments of one frame interval, as cameras do
        start_ns = group.stream.start + round(number / group.count * 1e9 / group.stream.fps)
        stream = _stream(group.stream, tables[1], start_ns)
        yield EdgeSpec(
            edge_id=edge_id,
            table=tables[0],
            arrivals=partial(stream.run, edge_id, f"{seed}-arrivals"),
            settings=group.settings(),
            device=_device(group.device, f"{seed}-device"),
            radio_link=RadioLinkSpec(_link(group.link, rates, link_seed)),
            cloud=None if group.alone else number % clouds if group.cloud is None else group.cloud,
            shared_link=group.name if group.share_link else "",
            admission_ns=group.admission,
        )


def _stream(config: StreamConfig, cloud: CloudTable, start_ns: int) -> Stream:
    made = {codec.name: codec.payload_bytes for codec in cloud.codecs if codec.payload_bytes}
    return Stream(
        tasks=config.tasks,
        fps=config.fps,
        arrivals=config.arrivals,
        deadline_ns=config.deadline,
        accuracy=config.accuracy,
        privacy=config.privacy,
        payload_bytes={"jpeg": config.jpeg, **made},
        size_dispersion=config.size_dispersion,
        encoding_ns=config.encoding,
        start_ns=start_ns,
    )


def _device(config: DeviceConfig, seed: str) -> DeviceSpec:
    return DeviceSpec(_noise(config, f"{seed}-noise"), _slowdown(config, f"{seed}-contention"))


def _noise(config: DeviceConfig, seed: str) -> Noise:
    if config.quantiles is not None:
        quantiles = {int(k[1:]) / 100: v for k, v in config.quantiles.items()}
        return measured(quantiles, seed, per_task=config.noise_per == "task")
    return lognormal(config.noise, seed) if config.noise else Noise()


def _slowdown(config: DeviceConfig, seed: str) -> StepFunction:
    if config.contention:
        return scripted_slowdown(
            tuple(Phase(p.start, p.duration, p.slowdown) for p in config.contention)
        )
    if config.random_contention is not None:
        phases = config.random_contention
        return random_slowdown(phases.every, phases.lasting, phases.slowdown, seed)
    return STEADY


# --- links --------------------------------------------------------------------------------------


def _given_rates(config: LinkConfig, folder: Path) -> tuple[Rate, Rate]:
    """Return the rates before fading; traces are read once for all devices of a group."""
    kind = KINDS[config.kind]
    return (
        _given_rate(config.up, config.up_trace, kind.up, folder),
        _given_rate(config.down, config.down_trace, kind.down, folder),
    )


def _given_rate(rate_bps: int | None, trace: str | None, kind: Rate, folder: Path) -> Rate:
    if trace is not None:
        return read_trace(str(folder / trace))
    return kind if rate_bps is None else ConstantRate(rate_bps)


def _link(config: LinkConfig, rates: tuple[Rate, Rate], seed: str) -> LinkSpec:
    kind = KINDS[config.kind]
    # both directions of a radio fade together, so they are drawn from one seed
    up, down = (_varying(config, rate, f"{seed}-link") for rate in rates)
    return LinkSpec(
        up,
        down,
        rtt_ns=kind.rtt_ns if config.rtt is None else config.rtt,
        jitter_ns=kind.jitter_ns if config.jitter is None else config.jitter,
        outages=tuple(Outage(outage.start, outage.duration) for outage in config.outages),
        seed=zlib.crc32(seed.encode()),
    )


def _varying(config: LinkConfig, rate: Rate, seed: str) -> Rate:
    if config.fading is not None:
        return fading(round(rate.mean_bps), config.fading.levels, config.fading.hold, seed)
    if config.on_off is not None:
        return on_off(round(rate.mean_bps), config.on_off.lit, config.on_off.dark, seed)
    return rate
