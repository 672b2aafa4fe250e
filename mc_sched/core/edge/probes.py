"""Timing and content of the probes of the link to the cloud."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.edge.state import EdgeState
from mc_sched.core.errors import UnexpectedEvent
from mc_sched.core.events import TimerKind
from mc_sched.core.forecasts.edge_forecast import EdgeForecast
from mc_sched.core.forecasts.probe_value import ProbeValue
from mc_sched.core.policies import POLICIES
from mc_sched.core.policy import View
from mc_sched.core.predictors.probing import Padding
from mc_sched.core.settings import EdgeSettings
from mc_sched.core.task import Task
from mc_sched.core.transitions import PROBING, CloudLeg, ProbeState

ACTIVE_NS = 10 * 10**9
"""Time after the last task during which probes still measure the link for the next one."""


class EdgeProbes:
    """Sends a probe when a cloud agent is reached, and one more an interval after each answer."""

    def __init__(
        self,
        settings: EdgeSettings,
        state: EdgeState,
        forecast: EdgeForecast,
        worth: ProbeValue,
        view: Callable[[Task, int], View],
    ) -> None:
        self._settings = settings
        self._state, self._forecast = state, forecast
        self._value, self._view = worth, view
        self._probing: ProbeState = ProbeState.IDLE
        self._last_task: Task | None = None
        self._last_task_ns = -ACTIVE_NS
        self._last_rtt_ns = 0

    def reconfigure(self, settings: EdgeSettings) -> None:
        """Probe under other settings from the next probe on."""
        self._settings = settings

    def task_came(self, task: Task) -> None:
        """Remember the last task: probes measure the link for tasks like it."""
        self._last_task, self._last_task_ns = task, self._state.now_ns

    # --- events -----------------------------------------------------------------------------

    def on_cloud_reached(self, event: ev.CloudReached) -> None:
        """Send the first probe at once."""
        self._cancel_timer()
        self._move("CloudReached")
        self._send()

    def on_answered(self, event: ev.LinkSampled) -> None:
        """Schedule the next probe after an answer."""
        is_padded = event.up_bytes or event.down_bytes
        # the round trip is at most that of a padded probe
        self._last_rtt_ns = min(event.rtt_ns, self._last_rtt_ns) if is_padded else event.rtt_ns
        self._schedule("LinkSampled")

    def on_probe_lost(self, event: ev.ProbeLost) -> None:
        """Schedule the next probe although the last one was not answered."""
        self._schedule("ProbeLost")

    def on_timer_fired(self) -> None:
        """Send the next probe."""
        self._move("TimerFired")
        self._send()

    def on_cloud_gone(self) -> None:
        """Stop probing until a cloud agent is reached again."""
        self._cancel_timer()
        self._move("CloudGone")

    # --- the schedule -----------------------------------------------------------------------

    def _move(self, move: str) -> None:
        try:
            self._probing = PROBING[self._probing][move]
        except KeyError:
            raise UnexpectedEvent("edge", f"probing={self._probing.value}", move, ()) from None

    def _schedule(self, move: str) -> None:
        was_sent = self._probing is ProbeState.SENT
        self._move(move)
        if was_sent:
            at_ns = self._state.now_ns + self._settings.probe_interval_ns
            self._state.actions.append(do.SetTimer("", TimerKind.PROBE, at_ns))

    def _cancel_timer(self) -> None:
        if self._probing is ProbeState.SCHEDULED:
            self._state.actions.append(do.CancelTimer("", TimerKind.PROBE))

    def _send(self) -> None:
        padding = self._padding(self._state.now_ns)
        self._state.actions.append(
            do.SendProbe(padding.up_bytes, padding.down_bytes, self._last_rtt_ns)
        )

    # --- the padding ------------------------------------------------------------------------

    def _padding(self, now_ns: int) -> Padding:
        """Bytes for the probe to carry so that it measures a rate; none beside an upload.

        Once the link has been measured, an idle edge sends no padding: no task needs the rate.
        """
        active = now_ns - self._last_task_ns <= ACTIVE_NS
        link = self._forecast.link
        sending = any(entry.cloud is CloudLeg.UPLOADING for entry in self._state.entries)
        if sending or not (active or link.rests_on_prior):
            return Padding()
        worth_it = active and link.depends_on_worth(now_ns) and self._is_worth_it(now_ns)
        return link.next_padding(now_ns, worth_it)

    def _is_worth_it(self, now_ns: int) -> bool:
        """True if a faster link could change the decision about a task like the last one."""
        if self._last_task is None:
            return False
        task = replace(self._last_task, submitted_ns=now_ns)
        policy = POLICIES[task.policy or self._settings.policy]
        return self._value.is_worth_it(task, self._view(task, now_ns), policy)
