"""The servers of the benchmark and the generator, each pinned to a core."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from mc_sched.bench.load.plan import Burst, Phase
from mc_sched.bench.load.tally import LoadPoint
from mc_sched.errors import UserError
from mc_sched.testbed import Testbed, free_address

Process = asyncio.subprocess.Process
START_S = 90.0


@contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """Start child processes on one core; None for any. This thread returns to its own cores."""
    if core is None:
        yield
        return
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, own)


def cores() -> tuple[int, int]:
    """Return the cores of the servers and of the generator. Raises UserError if there is one."""
    available = sorted(os.sched_getaffinity(0))
    if len(available) < 2:
        raise UserError("bench load needs two cores: one for the agents, one for the generator")
    return available[0], available[1]


def agents(bundle: str, directory: Path, cloud_keys: dict[str, Any]) -> Testbed:
    """Return both agents without logs; `cloud_keys` are keys of the cloud agent's configuration."""
    options: tuple[str, ...] = ()
    if cloud_keys:
        directory.mkdir(parents=True, exist_ok=True)
        file = directory / "cloud.yaml"
        file.write_text(yaml.safe_dump(cloud_keys), encoding="utf-8")
        options = ("--config", str(file))
    return Testbed(
        bundle=bundle, link=None, cloud_options=options, directory=directory, logged=False
    )


class Generator:
    """The generator's process; an async context manager."""

    def __init__(self, input_px: int, core: int | None) -> None:
        self._arguments = [str(input_px), *([] if core is None else [str(core)])]

    async def __aenter__(self) -> Generator:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "mc_sched.bench.load.generator", *self._arguments,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=2**24,
        )  # fmt: skip
        return self

    async def __aexit__(self, *_: object) -> None:
        await _stop(self._process)

    async def offer(self, phase: Phase) -> LoadPoint:
        """Run a phase."""
        return LoadPoint(**await self._ask({"phase": asdict(phase)}))

    async def recover(self, burst: Burst) -> float | None:
        """Run a burst; return the seconds until the server serves again, None if it does not."""
        seconds: float | None = await self._ask(asdict(burst))
        return seconds

    async def _ask(self, job: dict[str, Any]) -> Any:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(job).encode() + b"\n")
        await stdin.drain()
        line = await stdout.readline()
        if not line:
            raise UserError("the load generator ended; its error stands above")
        return json.loads(line)


class FcfsServer:
    """The first-come-first-served server's process; an async context manager."""

    def __init__(self, bundle: str, core: int | None) -> None:
        self._bundle, self._core = bundle, core
        self.address = free_address()

    async def __aenter__(self) -> FcfsServer:
        with on_core(self._core):
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "mc_sched.bench.load.fcfs_server",
                self._bundle, self.address, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
        stderr = self._process.stderr
        assert stderr is not None
        last = b""
        while b"serving on" not in (line := await asyncio.wait_for(stderr.readline(), START_S)):
            if not line:
                raise UserError(f"the first-come-first-served server ended: {last.decode()}")
            last = line
        return self

    async def __aexit__(self, *_: object) -> None:
        await _stop(self._process)


async def _stop(process: Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.wait()
