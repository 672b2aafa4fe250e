"""The process of a daemon: its signals, its errors, the end of its drain."""

import asyncio
import os
import signal

import pytest
from prometheus_client import CollectorRegistry

from edge_agent.config import EdgeConfig
from mc_sched.errors import UserError
from mc_sched.service import daemon, grpc_port
from mc_sched.service.options import agent_parser


async def nothing():
    pass


def test_a_run_that_ends_returns_0(capsys):
    assert daemon.run(nothing(), "mc-edge-agent") == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "error", [UserError("no such bundle"), OSError("port in use"), ValueError("bad weights")]
)
def test_an_expected_error_is_one_line_on_stderr(capsys, error):
    async def fails():
        raise error

    assert daemon.run(fails(), "mc-edge-agent") == 1
    assert capsys.readouterr() == ("", f"mc-edge-agent: {error}\n")


def test_a_defect_is_not_reported_as_a_users_error():
    async def broken():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        daemon.run(broken(), "mc-edge-agent")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_wait(number, daemon_signals):
    waiting = asyncio.create_task(daemon.until_stopped())
    await asyncio.sleep(0)
    assert not waiting.done()
    os.kill(os.getpid(), number)
    await asyncio.wait_for(waiting, 5)


async def test_a_drain_that_does_not_end_is_abandoned(monkeypatch):
    monkeypatch.setattr(grpc_port, "DRAIN_S", 0.01)
    await asyncio.wait_for(grpc_port.within_drain_limit(asyncio.Event().wait()), 5)


async def test_a_drain_is_waited_for():
    done = []

    async def drain():
        await asyncio.sleep(0)
        done.append(True)

    await grpc_port.within_drain_limit(drain())
    assert done == [True]


def test_the_process_can_be_gone_20_s_after_sigterm():
    assert grpc_port.DRAIN_S < 20


# --- a daemon from its options to its end -------------------------------------------------------


class FakeAgent:
    """Notes the calls of the process; soon after its start it is reloaded and stopped."""

    expires = None

    def __init__(self, config, logger):
        self.calls = [("made", config.threads, logger.name)]

    def collector(self):
        return CollectorRegistry()

    def progressing(self):
        return True

    def apply(self, new):
        self.calls.append(("apply", new.quantile))

    async def start(self):
        self.calls.append(("start",))
        loop = asyncio.get_running_loop()
        loop.call_later(0.05, os.kill, os.getpid(), signal.SIGHUP)
        loop.call_later(0.1, os.kill, os.getpid(), signal.SIGTERM)

    async def stop(self):
        self.calls.append(("stop",))


@pytest.fixture
def fake_daemon():
    """A daemon whose agents are fakes, and the agents that it has made."""
    agents = []

    def make(config, logger):
        agents.append(FakeAgent(config, logger))
        return agents[-1]

    return daemon.Daemon("edge", EdgeConfig, frozenset({"quantile"}), make), agents


def parsed(*options):
    return agent_parser("edge", "", "", "127.0.0.1:7070").parse_args(
        ["--log-store", "none", "--http", "none", *options]
    )


def test_a_daemon_starts_reloads_and_stops_its_agent(fake_daemon, tmp_path, monkeypatch):
    made, agents = fake_daemon
    path = tmp_path / "edge.yaml"
    path.write_text("threads: 2\n")
    start = FakeAgent.start

    async def start_and_edit(agent):
        await start(agent)
        path.write_text("threads: 3\nquantile: 0.9\n")

    monkeypatch.setattr(FakeAgent, "start", start_and_edit)
    before = signal.getsignal(signal.SIGINT)
    assert made.main(parsed("--config", str(path))) == 0
    signal.signal(signal.SIGINT, before)
    calls = [("made", 2, "mc-edge-agent"), ("start",), ("apply", 0.9), ("stop",)]
    assert agents[0].calls == calls


def test_a_daemon_with_a_bad_option_makes_no_agent(fake_daemon, capsys):
    made, agents = fake_daemon
    assert made.main(parsed("--threads", "0")) == 1
    assert capsys.readouterr().err.startswith("mc-edge-agent: command line: key 'threads'")
    assert agents == []
