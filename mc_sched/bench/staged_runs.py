"""The cloud net run stage by stage in this thread, with plain checks or with the cloud machine.

There is no queue, second thread or log; `mc-sched bench overhead` measures their cost.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace

from mc_models.bundle.load import Bundle
from mc_models.inference.predict import top5, top5_and_entropy
from mc_models.inference.prepare import PreparedCloud
from mc_models.inference.profile import Profile
from torch import Tensor

from mc_sched.bundles.tables import cloud_table
from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.cloud.machine import CloudMachine
from mc_sched.core.settings import CloudSettings
from mc_sched.core.tables import CloudTable
from mc_sched.core.task import ExitRule, Prediction

BUDGET_NS = 10_000_000_000
Answer = tuple[tuple[int, float], ...]


class CheckedStages:
    """Stages with a check behind each: of give-up, and whether the budget allows the next exit."""

    def __init__(self, bundle: Bundle, net: PreparedCloud, profile: Profile) -> None:
        later = zip(profile.stage_ns[1:], [*profile.head_ns.values()][1:], strict=True)
        # from the end of each stage to the next exit's answer; none follows the last
        to_next_ns = [stage_ns + head_ns for stage_ns, head_ns in later]
        rows = zip(net.stages, bundle.exits, [*to_next_ns, BUDGET_NS], strict=True)
        self._path = [(stage, net.heads[e.name], e.temperature, ns) for stage, e, ns in rows]
        self._given_up = threading.Event()

    def run(self, x: Tensor) -> Answer:
        """Return the answer of the last exit within the budget, for an input [1, 3, px, px]."""
        due_ns = time.monotonic_ns() + BUDGET_NS
        for stage, head, temperature, to_next_ns in self._path:
            x = stage(x)
            if self._given_up.is_set():
                break
            if time.monotonic_ns() + to_next_ns > due_ns:
                return top5(head(x), temperature)
        raise RuntimeError("the run was given up")


class ScheduledStages:
    """Stages run by the actions of a cloud machine that has one task at a time."""

    def __init__(self, bundle: Bundle, net: PreparedCloud, profile: Profile) -> None:
        self._net = net
        self._temperatures = {row.name: row.temperature for row in bundle.exits}
        self._machine = CloudMachine(
            CloudSettings(), _with_rising_accuracy(cloud_table(bundle, profile))
        )
        self._last = bundle.exits[-1].name
        self._number = 0

    def run(self, x: Tensor) -> Answer:
        """Return the last exit's answer, decided at each exit, for an input [1, 3, px, px]."""
        self._number += 1
        task_id = str(self._number)
        event: ev.CloudEvent = ev.Received(
            time.monotonic_ns(), task_id, "bench", 0.0, BUDGET_NS, 0, exit_rule=ExitRule.PURSUE
        )
        while True:
            action = self._machine.handle(event)[-1]
            started_ns = time.monotonic_ns()
            if isinstance(action, do.Decode):
                event = ev.Decoded(started_ns, task_id, 0)
            elif isinstance(action, do.RunStage):
                x = self._net.stages[action.stage](x)
                now_ns = time.monotonic_ns()
                event = ev.StageDone(now_ns, (task_id,), action.stage, now_ns - started_ns)
            elif isinstance(action, do.RunHead):
                logits = self._net.heads[action.exit](x)
                [answer] = top5_and_entropy(logits, self._temperatures[action.exit])
                prediction = Prediction(*answer)
                now_ns = time.monotonic_ns()
                event = ev.HeadDone(
                    now_ns, (task_id,), action.exit, (prediction,), now_ns - started_ns
                )
            elif isinstance(action, do.Reply) and action.exit == self._last:
                return action.prediction.top
            else:
                raise RuntimeError(f"the task did not reach the last exit: {action}")


def _with_rising_accuracy(table: CloudTable) -> CloudTable:
    """Return the table with rising accuracies, so that the machine decides at each exit."""
    exits = (replace(e, accuracy={"jpeg": float(n)}) for n, e in enumerate(table.exits))
    return replace(table, exits=tuple(exits))
