"""A worker process without networks, which behaves as its first argument says.

    python -m tests.cloud_agent.front.scripted_worker BEHAVIOUR SOCKET PARENT

The front's tests start it instead of `cloud_agent.worker`.
"""

import os
import socket
import sys
import time
from dataclasses import replace

from mc_proto.v1 import cloud_pb2

from cloud_agent.pipe import messages as on_pipe
from cloud_agent.pipe.messages import Kind
from cloud_agent.pipe.task_end import TaskEnd
from cloud_agent.worker.parent import die_with_parent, ignore_signals
from cloud_agent.worker.pipe_end import PipeEnd
from mc_sched.core.cloud.routing import WorkerLoad
from tests.cloud_agent.cloud_rig import TABLE

BUNDLE = os.environ.get("SCRIPTED_BUNDLE", TABLE.bundle_hash)
"""Hash of the bundle that it claims to host."""


def main(behaviour, descriptor, parent):
    """Serve as the behaviour says."""
    ignore_signals()
    die_with_parent(parent)
    pipe = PipeEnd(socket.socket(fileno=descriptor))
    if behaviour == "exit":
        os._exit(3)
    if behaviour == "fail":
        pipe.send(on_pipe.message_frame(Kind.FAILED, on_pipe.Failed("bundle x: no such bundle")))
        os._exit(1)
    if behaviour == "never ready":
        time.sleep(60)
    ready = on_pipe.Ready(replace(TABLE, bundle_hash=BUNDLE), "the bundle", "cpu", {"stages": {}})
    pipe.send(on_pipe.message_frame(Kind.READY, ready))
    if behaviour == "garbage":
        pipe._connection.sendall(os.urandom(10_000))
        time.sleep(60)
    if behaviour == "ready twice":
        pipe.send(on_pipe.message_frame(Kind.READY, ready))
    if behaviour == "never reads":
        time.sleep(60)
    serve(pipe, behaviour)


def serve(pipe, behaviour):
    """Answer each task at once."""
    received, edges = 0, {}
    while (frames := pipe.read()) is not None:
        for frame in frames:
            if frame.kind == Kind.STOP:
                pipe.send(on_pipe.lines_frame([b'{"last":"line"}'], 2))
                os._exit(0)
            if frame.kind == Kind.PING:
                metrics = on_pipe.WorkerMetrics() if frame.head else None
                stuck = "executor" if behaviour == "stuck" else ""
                pipe.send(on_pipe.message_frame(Kind.PONG, on_pipe.Pong(stuck, metrics)))
            if frame.kind == Kind.EVENT:
                edge_id = getattr(on_pipe.read_event(frame), "edge_id", "")
                edges[edge_id] = edges.get(edge_id, 0) + 1
                load = WorkerLoad(time.monotonic_ns(), received=received)
                pipe.send(on_pipe.report_frame(on_pipe.Report(load, (), [(edge_id, 500)])))
            if frame.kind == Kind.TASK:
                received += 1
                if behaviour != "silent":
                    pipe.send(answer(frame, received, behaviour))


def answer(frame, received, behaviour):
    """A report with the result of one task."""
    number, _, event = on_pipe.read_task(frame)
    task_id = event.task_id.partition("/")[2]
    result = cloud_pb2.SessionReply.Result(exit="final", compute_ns=len(frame.body))
    message = cloud_pb2.SessionReply.TaskMessage(task_id=task_id, result=result)
    reply = cloud_pb2.SessionReply(messages=[message]).SerializeToString()
    if behaviour == "unreadable":
        reply = b"\xff\xff\xff"
    load = WorkerLoad(time.monotonic_ns(), 0, 1.0, 0, received)
    end = TaskEnd("result", "nowhere" if behaviour == "unknown exit" else "final")
    return on_pipe.report_frame(on_pipe.Report(load, [on_pipe.TaskMessage(number, reply, end)]))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
