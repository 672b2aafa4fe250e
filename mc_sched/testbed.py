"""Both agents and an emulated link on this machine, as child processes."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import tempfile
from pathlib import Path

from mc_sched.errors import UserError

START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 20.0
Process = asyncio.subprocess.Process


class Testbed:
    """Starts the cloud agent and the link, then the edge agent; an async context manager.

    `link` is a kind of `mc-sched link`, or None for a direct connection. The agents write logs if
    `logged`.
    """

    __test__ = False  # pytest collects classes with this prefix

    def __init__(
        self,
        *,
        bundle: str = "set-a",
        link: str | None = "wifi",
        edge_options: tuple[str, ...] = (),
        cloud_options: tuple[str, ...] = (),
        directory: str | Path | None = None,
        logged: bool = True,
    ) -> None:
        self._bundle = bundle
        self._link = link
        self._logged = logged
        self._edge_options = edge_options
        self._cloud_options = cloud_options
        self._temporary = None if directory else tempfile.TemporaryDirectory(prefix="mc-sched-")
        self.directory = Path(directory or self._temporary.name)  # type: ignore[union-attr]
        self._processes: dict[str, Process] = {}
        self.edge_address, self.cloud_address, self.link_address = (
            free_address() for _ in range(3)
        )
        self.edge_http, self.cloud_http = free_address(), free_address()

    @property
    def edge_log(self) -> Path:
        """The edge agent's event log."""
        return self.directory / "edge.jsonl"

    @property
    def cloud_log(self) -> Path:
        """The cloud agent's event log."""
        return self.directory / "cloud.jsonl"

    async def __aenter__(self) -> Testbed:
        self.directory.mkdir(parents=True, exist_ok=True)
        try:
            await asyncio.gather(self.start_cloud(), self._start_link())
            await self._start_edge()
        except BaseException:
            await self._stop_all()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop_all()

    # --- the agents -------------------------------------------------------------------------

    async def start_cloud(self) -> None:
        """Start the cloud agent and wait until it serves."""
        options = ("--bundle", self._bundle, *self._logs("cloud"))
        listen = ("--listen", self.cloud_address)
        await self._start("cloud", "cloud_agent", *listen, *options, *self._cloud_options)

    async def _start_edge(self) -> None:
        cloud = self.link_address if self._link else self.cloud_address
        radio = ("--radio", self._link) if self._link in ("wifi", "4g", "3g") else ()
        # both agents are on this machine, and no sensor can separate their power
        options = ("--bundle", self._bundle, *self._logs("edge"), "--power", "none")
        listen = ("--listen", self.edge_address, "--cloud", cloud)
        await self._start("edge", "edge_agent", *listen, *options, *radio, *self._edge_options)

    def _logs(self, node: str) -> tuple[str, ...]:
        if not self._logged:
            return ("--log-store", "none", "--http", "none")
        log, store = self.directory / f"{node}.jsonl", self.directory / f"{node}.db"
        http = self.edge_http if node == "edge" else self.cloud_http
        return ("--event-log", str(log), "--log-store", str(store), "--http", http)

    async def kill_cloud(self) -> None:
        """Kill the cloud agent with SIGKILL."""
        process = self._processes.pop("cloud")
        process.kill()
        await process.wait()

    def cpu_s(self) -> float:
        """Return the processor time of both agents since they started."""
        import psutil

        agents = (psutil.Process(self._processes[name].pid) for name in ("edge", "cloud"))
        return sum(sum(agent.cpu_times()[:2]) for agent in agents)

    # --- the link ---------------------------------------------------------------------------

    async def _start_link(self) -> None:
        if self._link is None:
            return
        ends = ("--listen", self.link_address, "--target", self.cloud_address)
        await self._start("link", "mc_sched.cli", "link", *ends, "--kind", self._link, "--control")

    async def cut_link(self, mode: str = "blackhole") -> None:
        """Break the link: silently, or with a reset of its connections."""
        await self._control_link("cut reset" if mode == "reset" else "cut")

    async def restore_link(self) -> None:
        """Repair the link after `cut_link`."""
        await self._control_link("restore")

    async def set_link(self, kind: str) -> None:
        """Change the link to another kind."""
        await self._control_link(f"kind {kind}")

    async def follow_traces(self, up: Path, down: Path) -> None:
        """Set the link's rates by two Mahimahi traces; the round trip stays the same."""
        await self._control_link(f"trace {up} {down}")

    async def _control_link(self, line: str) -> None:
        stdin = self._processes["link"].stdin
        assert stdin is not None
        stdin.write(f"{line}\n".encode())
        await stdin.drain()

    # --- processes --------------------------------------------------------------------------

    async def _start(self, name: str, module: str, *options: str) -> None:
        errors = self.directory / f"{name}.stderr"
        start = errors.stat().st_size if errors.exists() else 0
        with errors.open("ab") as file:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", module, *options,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL, stderr=file,
                start_new_session=True,
            )  # fmt: skip
        self._processes[name] = process
        waited_s = 0.0
        while " on " not in _tail(errors, start):
            if process.returncode is not None:
                raise UserError(
                    f"the {name} process exited during its start: {_tail(errors, start)}"
                )
            if waited_s > START_TIMEOUT_S:
                raise UserError(f"the {name} process did not start within {START_TIMEOUT_S:.0f} s")
            await asyncio.sleep(0.05)
            waited_s += 0.05

    async def _stop_all(self) -> None:
        for name in ("edge", "cloud", "link"):
            process = self._processes.get(name)
            if process is not None and process.returncode is None:
                process.send_signal(signal.SIGTERM)
        for process in self._processes.values():
            try:
                await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
            except asyncio.TimeoutError:
                process.kill()
                await process.wait()
        self._processes.clear()
        if self._temporary is not None:
            self._temporary.cleanup()


def _tail(path: Path, start: int) -> str:
    with path.open("rb") as file:
        file.seek(start)
        return file.read()[-2000:].decode(errors="replace").strip()


def free_address() -> str:
    """Return an address of this host, with a port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"
