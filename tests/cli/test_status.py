"""Output and errors of `mc-sched status`."""

import json
import socket

from tests.cli.fake_edge import FakeEdge


def test_without_an_agent_it_is_3_and_one_sentence(run):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
        ran = run("status", "--edge", address)
    assert (ran.code, ran.out, ran.err.count("\n")) == (3, "", 1)
    assert f"no edge agent answers at {address}" in ran.err
    assert "start mc-edge-agent at that address" in ran.err


def test_as_json_it_is_one_object_with_numbers_as_numbers(run, agent):
    ran = run("status", "--edge", agent.address, "--output", "json")
    assert (ran.code, ran.err) == (0, "")
    status = json.loads(ran.out)
    assert status["outcomes"] == {"succeeded": 3}
    assert (status["rtt_ns"], status["uplink_bps"], status["gave_up"]) == (8_000_000, 18e6, 0)
    assert (status["draining"], status["tasks_open"], status["cloud_detail"]) == (False, 0, "")
    assert status["bundle_hash"] == "0123"


def test_every_field_of_the_wire_is_shown_even_if_zero(run, agent):
    ran = run("status", "--edge", agent.address, "--output", "json")
    fields = agent.status.DESCRIPTOR.fields
    names = {field.name for field in fields if not field.has_presence} - {"labels"}
    assert names <= json.loads(ran.out).keys()


def test_the_bundles_labels_are_left_out(run, agent):
    assert "labels" not in run("status", "--edge", agent.address).out


def rows_of(ran):
    """Return the rows of the printed table, text by label."""
    lines = (line.split("│") for line in ran.out.splitlines())
    return {row[1].strip(): row[2].strip() for row in lines if len(row) > 3}


def test_for_people_it_is_a_table_with_units(run, agent):
    ran = run("status", "--edge", agent.address)
    assert (ran.code, ran.err) == (0, "")
    rows = rows_of(ran)
    assert (rows["rtt"], rows["uplink"], rows["downlink"]) == ("8.0 ms", "18.00 Mbps", "unknown")
    assert (rows["outcomes"], rows["cloud"]) == ("succeeded 3", "up")


def test_what_no_sensor_tells_is_unknown(run, agent):
    ran = run("status", "--edge", agent.address, "--output", "json")
    assert json.loads(ran.out)["busy_by_others"] is None
    assert rows_of(run("status", "--edge", agent.address))["busy_by_others"] == "unknown"


def test_a_name_of_digits_stays_text(run):
    with FakeEdge().in_a_thread() as agent:
        agent.status.bundle = "20240501"
        ran = run("status", "--edge", agent.address, "--output", "json")
    assert json.loads(ran.out)["bundle"] == "20240501"
