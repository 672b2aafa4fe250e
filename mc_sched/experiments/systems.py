"""The compared systems: policies, each in the modes that make a difference to it."""

from __future__ import annotations

from dataclasses import dataclass

from mc_sched.core.policies import POLICIES
from mc_sched.core.task import Mode

OURS = ("mc", "mc-paper")
"""This project's scheduler, and the paper's without changes."""
PAPER_BASELINES = ("ddnn", "server", "jointdnn")
"""The paper's baselines, section "Experimental setup"."""
MODE_DEPENDENT = frozenset({"mc", "mc-paper", "jointdnn", "neurosurgeon"})
"""Policies that depend on the mode."""
AS_PUBLISHED: dict[str, object] = {"max_batch": 1, "credits": False}
"""Settings of the cloud agent for the systems of the literature, the paper's included: it runs one
task at a time, and every edge may send what it likes."""
_ORDER = (*OURS, *PAPER_BASELINES, "neurosurgeon", "edgent", "edge-only")


@dataclass(frozen=True)
class System:
    """A policy in a mode."""

    policy: str
    mode: Mode

    @property
    def name(self) -> str:
        """Name in legends and tables."""
        return f"{self.policy}, {self.mode.value}" if self.policy in MODE_DEPENDENT else self.policy


def cloud_settings(policy: str) -> dict[str, object]:
    """Return the settings of the cloud agent that edges with this policy use."""
    return {} if policy == "mc" else AS_PUBLISHED


def systems() -> tuple[System, ...]:
    """Return all policies, ours first; those that do not depend on the mode appear once."""
    known = sorted(POLICIES, key=lambda name: _ORDER.index(name) if name in _ORDER else len(_ORDER))
    return tuple(
        System(policy, mode)
        for policy in known
        for mode in (Mode.PERFORMANCE, Mode.ENERGY)
        if mode is Mode.PERFORMANCE or policy in MODE_DEPENDENT
    )
