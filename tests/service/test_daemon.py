"""What both daemons do around their work."""

import argparse
import asyncio
import os
import signal

import pytest

from edge_agent.config import EdgeConfig
from mc_sched.errors import ConfigError, UserError
from mc_sched.service import daemon


def configured(tmp_path, text, **options):
    """An edge agent's configuration from a file of this text and these options."""
    path = tmp_path / "edge.yaml"
    path.write_text(text)
    return daemon.configure(argparse.Namespace(config=str(path), **options), EdgeConfig)


def test_options_go_on_top_of_the_file(tmp_path):
    config = configured(tmp_path, "threads: 2\nmax_tasks: 9\n", threads=3, bundle=None)
    assert (config.threads, config.max_tasks, config.bundle) == (3, 9, "set-a")


def test_without_a_file_there_are_the_options_and_the_defaults():
    args = argparse.Namespace(config=None, listen="127.0.0.1:1", mode=None, edge_id="robot")
    assert daemon.configure(args, EdgeConfig) == EdgeConfig(listen="127.0.0.1:1", edge_id="robot")


def test_a_bad_option_names_the_command_line():
    with pytest.raises(ConfigError, match=r"^command line: key 'mode', value 'fast'"):
        daemon.configure(argparse.Namespace(config=None, mode="fast"), EdgeConfig)


def test_a_bad_file_names_the_file(tmp_path):
    with pytest.raises(ConfigError, match=r"edge.yaml: unknown key 'moed'; did you mean 'mode'"):
        configured(tmp_path, "moed: energy\n")


def test_an_option_changes_only_its_own_part_of_a_nested_key(tmp_path):
    """`--radio 4g` beside a file that declares the device's power."""
    text = "energy:\n  compute_w: 5.5\n  radio: wifi\n"
    config = configured(tmp_path, text, energy={"radio": "4g"})
    assert (config.energy.radio, config.energy.compute_w) == ("4g", 5.5)


def test_a_bad_option_beside_a_good_file_does_not_blame_the_file(tmp_path):
    with pytest.raises(ConfigError) as caught:
        configured(tmp_path, "threads: 2\n", threads=0)
    assert "edge.yaml" not in str(caught.value)


# --- the end of a process ---------------------------------------------------------------------


async def nothing():
    pass


def test_a_run_to_the_end_is_fine(capsys):
    assert daemon.run(nothing(), "mc-edge-agent") == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "error", [UserError("no such bundle"), OSError("port in use"), ValueError("bad weights")]
)
def test_an_error_for_people_is_one_line_on_stderr(capsys, error):
    async def fails():
        raise error

    assert daemon.run(fails(), "mc-edge-agent") == 1
    assert capsys.readouterr() == ("", f"mc-edge-agent: {error}\n")


def test_a_defect_is_not_dressed_up_as_a_users_error():
    async def broken():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        daemon.run(broken(), "mc-edge-agent")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_wait(number):
    waiting = asyncio.create_task(daemon.until_stopped())
    await asyncio.sleep(0)
    assert not waiting.done()
    os.kill(os.getpid(), number)
    await asyncio.wait_for(waiting, 5)
    for used in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().remove_signal_handler(used)


async def test_a_drain_that_does_not_end_is_left(monkeypatch):
    monkeypatch.setattr(daemon, "DRAIN_S", 0.01)
    await asyncio.wait_for(daemon.bounded(asyncio.Event().wait()), 5)


async def test_a_drain_is_waited_for():
    done = []

    async def drain():
        await asyncio.sleep(0)
        done.append(True)

    await daemon.bounded(drain())
    assert done == [True]


def test_the_process_can_be_gone_20_s_after_sigterm():
    assert daemon.DRAIN_S < 20
