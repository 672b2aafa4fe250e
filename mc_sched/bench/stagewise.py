"""The cloud agent's inside without its network: driver, machine and executor on one input."""

from __future__ import annotations

import time

import torch
from mc_models.bundle import Bundle
from mc_models.profile import Profile

from cloud_agent.driver import Call, CloudDriver
from cloud_agent.executor import Finished
from cloud_agent.main import cloud_table, make_executor
from mc_sched.core.actions import Reply
from mc_sched.core.cloud_machine import CloudMachine
from mc_sched.core.events import Arrived, HeadDone, StageDone
from mc_sched.core.settings import CloudSettings
from mc_sched.core.task import ExitRule
from mc_sched.obs.event_log import EventLog

BUDGET_NS = 10_000_000_000


class Stagewise:
    """Runs tasks to the last exit, with every exit check on the way."""

    def __init__(self, bundle: Bundle, profile: Profile) -> None:
        table = cloud_table(bundle, profile)
        self._accuracy = table.exits[-1].accuracy["jpeg"]
        self._driver = CloudDriver(CloudMachine(CloudSettings(), table), EventLog(None, "bench"))
        self._executor = make_executor(bundle, self._report, 1, profile.precision)
        self._driver.attach(self._executor)
        self._number = 0
        self._started_ns = self._ended_ns = 0

    async def run_ms(self, x: torch.Tensor) -> float:
        """One task; the time on the executor's thread from its first stage to its reply."""
        self._number += 1
        key = f"bench/{self._number}"
        call = self._driver.calls[key] = Call()
        event = Arrived(
            time.monotonic_ns(), key, "bench", self._accuracy, BUDGET_NS, 0,
            exit_rule=ExitRule.PURSUE,
        )  # fmt: skip
        self._driver.arrive(call, event, x)
        while not isinstance(await call.mailbox.get(), Reply):
            pass
        del self._driver.calls[key]
        return (self._ended_ns - self._started_ns) / 1e6

    def _report(self, event: Finished) -> None:
        if isinstance(event, StageDone) and event.stage == 0:
            self._started_ns = event.now_ns - event.took_ns
        self._driver.handle(event)
        if isinstance(event, HeadDone):
            self._ended_ns = time.monotonic_ns()

    def close(self) -> None:
        """End the worker."""
        self._executor.close()
