"""Check that an edge's cloud agent is reachable, accepts it and hosts the same bundle."""

from __future__ import annotations

import asyncio
import time

import grpc
from mc_models.bundle.files import BundleError
from mc_models.bundle.load import load_bundle
from mc_proto import serde
from mc_proto.channel import connect
from mc_proto.tls import load_identity
from mc_proto.v1 import cloud_pb2, cloud_pb2_grpc

from edge_agent.config import EdgeConfig
from mc_sched.doctor.check import Check, failed, ok, warning

TIMEOUT_S = 5.0


def check_peer(config: EdgeConfig) -> Check:
    """Check the cloud agent over the same kind of connection as the edge agent's."""
    if config.cloud is None:
        return ok("peer", "none configured; this edge works alone")
    try:
        bundle_hash, rtt_s = asyncio.run(_describe(config, config.cloud))
        own = load_bundle(config.bundle, verify=False).hash
    except (OSError, ValueError, BundleError) as error:
        return failed("peer", str(error), "repair the certificate and the bundle first")
    except grpc.aio.AioRpcError as error:
        return _refused(config.cloud, error)
    facts = {"address": config.cloud, "rtt_ms": rtt_s * 1e3, "bundle_hash": bundle_hash}
    if bundle_hash != own:
        remedy = "install the same bundle on both; until then the edge works alone"
        return warning("peer", f"{config.cloud} hosts another bundle", remedy, facts)
    return ok("peer", f"{config.cloud} answers in {rtt_s * 1e3:.1f} ms", facts)


async def _describe(config: EdgeConfig, address: str) -> tuple[str, float]:
    """Return the hash of the cloud's bundle and the round trip of a second call, in seconds."""
    directory = config.tls_for(address)
    async with connect(address, load_identity(directory) if directory else None) as channel:
        stub = cloud_pb2_grpc.CloudAgentStub(channel)
        reply = await stub.Describe(cloud_pb2.DescribeRequest(), timeout=TIMEOUT_S)
        started_s = time.monotonic()
        await stub.Probe(cloud_pb2.ProbeRequest(), timeout=TIMEOUT_S)
        return serde.describe_from_wire(reply).bundle_hash, time.monotonic() - started_s


def _refused(address: str, error: grpc.aio.AioRpcError) -> Check:
    if error.code() is grpc.StatusCode.PERMISSION_DENIED:
        remedy = "add this node's name to tls.allow of the cloud agent and restart it"
        return failed("peer", f"{address} refuses this node's certificate", remedy)
    remedy = (
        "check that the cloud agent runs, that its port is open, and that both nodes have "
        "certificates of one authority; the cloud agent logs which certificates it refuses"
    )
    return failed("peer", f"{address} does not answer: {error.details()}", remedy)
