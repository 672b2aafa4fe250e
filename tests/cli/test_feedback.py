"""`mc-sched feedback` repeats an image with a higher accuracy."""

import json
import socket

from mc_proto.v1 import edge_pb2


def test_a_second_answer_is_shown(run, agent):
    agent.seen.append(edge_pb2.Task(task_id="t7", image=b"jpeg", deadline_ns=1, accuracy=0.8))
    ran = run("feedback", "t7", "--edge", agent.address)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        "t7+1: succeeded after 20.0 ms (edge, local), required accuracy 0.80",
        "star-dots, disc-checks, ring-waves, cross-dots, bar-plain",
    ]


def test_as_json_it_is_one_object_as_in_a_results_file(run, agent):
    agent.seen.append(edge_pb2.Task(task_id="t7", image=b"jpeg", deadline_ns=1, accuracy=0.8))
    row = json.loads(run("feedback", "t7", "--edge", agent.address, "--output", "json").out)
    assert (row["task_id"], row["kind"], row["required_accuracy"]) == ("t7+1", "succeeded", 0.8)


def test_a_task_that_is_forgotten_is_a_sentence(run, agent):
    ran = run("feedback", "t7", "--edge", agent.address)
    assert (ran.code, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert "not among the finished tasks" in ran.err


def test_without_an_agent_it_is_3(run):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
        ran = run("feedback", "t7", "--edge", address)
    assert (ran.code, ran.out, ran.err.count("\n")) == (3, "", 1)
    assert address in ran.err
