"""`mc-sched certs`: its jobs and their errors."""

import json


def test_one_command_makes_a_deployments_certificates(run, tmp_path):
    ran = run("certs", "init", tmp_path / "certs", "--node", "robot", "--node", "server=10.0.0.1,s")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == [str(tmp_path / "certs" / name) for name in ("robot", "server")]
    shown = run("certs", "show", tmp_path / "certs", "--output", "json")
    rows = {row["name"]: row for row in json.loads(shown.out)["certificates"]}
    assert rows["server"]["hosts"] == ["server", "10.0.0.1", "s"]
    assert 396 < rows["robot"]["days_left"] <= 397


def test_nodes_can_be_added_and_are_never_replaced_by_accident(run, tmp_path):
    assert run("certs", "init", tmp_path, "--node", "robot").code == 0
    assert run("certs", "init", tmp_path, "--node", "other").code == 0
    again = run("certs", "init", tmp_path, "--node", "robot")
    assert again.code == 1
    assert "exists already; use `mc-sched certs renew`" in again.err


def test_renewal_is_for_every_node_or_those_named(run, tmp_path):
    run("certs", "init", tmp_path, "--node", "a", "--node", "b", "--days", 1)
    assert run("certs", "renew", tmp_path, "--node", "a").code == 0
    shown = run("certs", "show", tmp_path, "--output", "json")
    left = {row["name"]: row["days_left"] for row in json.loads(shown.out)["certificates"]}
    assert left["b"] < 1 < left["a"]
    assert run("certs", "renew", tmp_path).out.count("\n") == 2


def test_expiry_as_a_metric(run, tmp_path):
    run("certs", "init", tmp_path, "--node", "robot")
    ran = run("certs", "show", tmp_path / "robot", "--output", "metrics")
    assert 'mc_certificate_expiry_timestamp_seconds{name="robot"} ' in ran.out
    assert ran.out.splitlines()[1].startswith("# TYPE mc_certificate_expiry_timestamp_seconds")


def test_a_table_for_people(run, tmp_path):
    run("certs", "init", tmp_path, "--node", "robot=10.0.0.7")
    assert "robot, 10.0.0.7" in run("certs", "show", tmp_path).out


def test_an_empty_folder(run, tmp_path):
    for job in ("show", "renew"):
        ran = run("certs", job, tmp_path)
        assert ran.code == 1
        assert str(tmp_path) in ran.err
