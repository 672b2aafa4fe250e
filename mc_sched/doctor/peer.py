"""Check that an edge's cloud agent is reachable, hosts the same bundle and gives it a session."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import grpc
from mc_models.bundle.files import BundleError
from mc_models.bundle.load import load_bundle
from mc_proto import serde
from mc_proto.session import CloudConnections, CloudSession, SessionEnded
from mc_proto.tls import load_identity
from mc_proto.v1 import cloud_pb2

from edge_agent.config import EdgeConfig
from mc_sched.doctor.check import Check, failed, ok, warning

TIMEOUT_S = 5.0


@dataclass(frozen=True)
class _Peer:
    """A cloud agent, as this edge finds it."""

    bundle_hash: str
    rtt_s: float
    credits: int
    """0 if no session was tried, because the cloud agent hosts another bundle."""


def check_peer(config: EdgeConfig) -> Check:
    """Check the cloud agent over the same connections and session as the edge agent's."""
    if config.cloud is None:
        return ok("peer", "none configured; this edge works alone")
    try:
        own = load_bundle(config.bundle, verify=False).hash
        peer = asyncio.run(_visit(config, config.cloud, own))
    except (OSError, ValueError, BundleError) as error:
        return failed("peer", str(error), "repair the certificate and the bundle first")
    except grpc.aio.AioRpcError as error:
        return _refused(config.cloud, error)
    except SessionEnded as error:
        remedy = "change what the sentence names; the cloud agent logs each session"
        return failed("peer", f"{config.cloud} ended the session: {error}", remedy)
    rtt_ms = peer.rtt_s * 1e3
    facts = {"address": config.cloud, "rtt_ms": rtt_ms, "bundle_hash": peer.bundle_hash}
    if peer.bundle_hash != own:
        remedy = "install the same bundle on both; until then the edge works alone"
        return warning("peer", f"{config.cloud} hosts another bundle", remedy, facts)
    plural = "" if peer.credits == 1 else "s"
    answer = f"{config.cloud} answers in {rtt_ms:.1f} ms and grants {peer.credits} credit{plural}"
    return ok("peer", answer, {**facts, "credits": peer.credits})


async def _visit(config: EdgeConfig, address: str, own_hash: str) -> _Peer:
    """Ask for the cloud's bundle, measure the round trip, and open a session."""
    directory = config.tls_for(address)
    connections = CloudConnections(address, load_identity(directory) if directory else None)
    try:
        table = serde.describe_from_wire(await connections.describe(TIMEOUT_S))
        started_s = time.monotonic()
        await connections.probe(cloud_pb2.ProbeRequest(), TIMEOUT_S)
        rtt_s, counter = time.monotonic() - started_s, _Counter()
        if table.bundle_hash == own_hash:
            session = CloudSession(connections, config.edge_id, own_hash, counter)
            await session.open(TIMEOUT_S)
            await session.close()
        return _Peer(table.bundle_hash, rtt_s, counter.credits)
    finally:
        await connections.close()


class _Counter:
    """Listener of a session without tasks, which keeps the credits."""

    credits = 0

    def on_message(self, message: cloud_pb2.SessionReply.TaskMessage, kind: str) -> None:
        """Do nothing: there are no tasks."""

    def on_lost(self, task_id: str, reason: str) -> None:
        """Do nothing: there are no tasks."""

    def on_credits(self, count: int) -> None:
        """Keep the credits."""
        self.credits = count

    def on_load(self, load: cloud_pb2.SessionReply.Load) -> None:
        """Do nothing."""

    def on_ended(self, end: SessionEnded) -> None:
        """Do nothing: the check ends the session."""


def _refused(address: str, error: grpc.aio.AioRpcError) -> Check:
    if error.code() is grpc.StatusCode.PERMISSION_DENIED:
        remedy = "add this node's name to tls.allow of the cloud agent and restart it"
        return failed("peer", f"{address} refuses this node's certificate", remedy)
    remedy = (
        "check that the cloud agent runs, that its port is open, and that both nodes have "
        "certificates of one authority; the cloud agent logs which certificates it refuses"
    )
    return failed("peer", f"{address} does not answer: {error.details()}", remedy)
