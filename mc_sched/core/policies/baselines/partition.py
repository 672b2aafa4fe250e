"""Builds the stage graph, by which policies partition the cloud net."""

from __future__ import annotations

from collections.abc import Iterator

from mc_sched.core.energy.model import EnergyModel
from mc_sched.core.energy.radio import REPLY_BYTES
from mc_sched.core.payloads import all_payload_bytes
from mc_sched.core.predictors.long_run_link import LongRunLink
from mc_sched.core.stage_graph import Cost, StageGraph, Upload
from mc_sched.core.tables import CloudTable, Codec, LocalTable
from mc_sched.core.task import Task


def build_stage_graph(
    task: Task,
    local: LocalTable,
    cloud: CloudTable | None,
    link: LongRunLink,
    energy: EnergyModel,
) -> StageGraph | None:
    """Return the graph of the cloud net's stages, without uploads if `cloud` is None.

    None if the device does not hold the cloud net.
    """
    if local.cloud_net is None:
        return None
    reply_ns = link.rtt_ns // 2
    return StageGraph(
        device=tuple(Cost(ns, energy.compute_j(ns)) for ns in _with_head(local.cloud_net)),
        cloud=tuple(Cost(ns, 0.0) for ns in _with_head(cloud or local.cloud_net)),
        uploads=() if cloud is None else tuple(_uploads(task, local, cloud, link, energy)),
        reply=Cost(reply_ns, energy.radio.down_j(REPLY_BYTES, reply_ns)),
        exit=local.cloud_net.exits[-1].name,
    )


def _with_head(net: CloudTable) -> tuple[int, ...]:
    return (*net.stage_ns[:-1], net.stage_ns[-1] + net.exits[-1].head_ns)


def _uploads(
    task: Task, local: LocalTable, cloud: CloudTable, link: LongRunLink, energy: EnergyModel
) -> Iterator[Upload]:
    for name, size_bytes in all_payload_bytes(task, local, cloud).items():
        codec = cloud.codec_named(name)
        pack_ns = _packing_ns(local, codec)
        up_ns = link.up_ns(size_bytes)
        time_ns = pack_ns + up_ns + link.rtt_ns // 2 + codec.decode_ns
        energy_j = energy.compute_j(pack_ns) + energy.radio.up_j(size_bytes, up_ns)
        yield Upload(name, codec.stage, Cost(time_ns, energy_j))


def _packing_ns(local: LocalTable, codec: Codec) -> int:
    """Return the time to make the payload, without the stages before it: they are counted apart."""
    assert local.cloud_net is not None
    before_ns = sum(local.cloud_net.stage_ns[: codec.stage])
    return max(0, local.encode_ns.get(codec.name, 0) - before_ns)
