"""The status of an edge agent."""

from __future__ import annotations

from mc_proto.v1 import edge_pb2
from mc_sched.core.edge.snapshot import EdgeSnapshot


def status_to_wire(snapshot: EdgeSnapshot) -> edge_pb2.StatusReply:
    """Return the machine's part of a status; the daemon adds version, bundle, uptime, labels."""
    return edge_pb2.StatusReply(
        cloud=snapshot.cloud.value,
        cloud_detail=snapshot.cloud_detail,
        mode=snapshot.mode,
        policy=snapshot.policy,
        basic_accuracy=snapshot.basic_accuracy,
        draining=snapshot.draining,
        tasks_open=snapshot.tasks_open,
        outcomes=snapshot.outcomes,
        sites=snapshot.sites,
        gave_up=snapshot.gave_up,
        credits=snapshot.credits,
        in_flight=snapshot.in_flight,
        uplink_bps=snapshot.uplink_bps,
        downlink_bps=snapshot.downlink_bps,
        rtt_ns=snapshot.rtt_ns,
        local_predicted_ns=snapshot.local_predicted_ns,
        local_residual_ns=snapshot.local_residual_ns,
        local_residual_ops_ns=snapshot.local_residual_ops_ns,
        local_busy=snapshot.local_busy,
        busy_by_others=snapshot.busy_by_others,
        energy_j=snapshot.energy_j,
        energy_source=snapshot.energy_source,
        idle_w=snapshot.idle_w,
        predictors={
            name: edge_pb2.Reliability(
                n=found.n, coverage=found.coverage, mape=found.mape, p95_under=found.p95_under
            )
            for name, found in snapshot.predictors.items()
        },
        compute_w=snapshot.compute_w,
        power_w=snapshot.power_w,
        energy_measured_j=snapshot.energy_measured_j,
        energy_modelled_j=snapshot.energy_modelled_j,
        energy_idle_j=snapshot.energy_idle_j,
        energy_tail_j=snapshot.energy_tail_j,
        energy_probes_j=snapshot.energy_probes_j,
        e3_per_j=snapshot.e3_per_j,
        e3_with_tail_per_j=snapshot.e3_with_tail_per_j,
    )
