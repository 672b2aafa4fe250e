"""The systems that are compared: policies, each in the modes that make a difference to it."""

from __future__ import annotations

from dataclasses import dataclass

from mc_sched.core.policies import POLICIES
from mc_sched.core.task import Mode

OURS = ("mc", "mc-paper")
"""This project's scheduler, and the paper's to the letter."""
THREE = ("ddnn", "server", "jointdnn")
"""The paper's baselines, section "Experimental setup"."""
BY_MODE = frozenset({"mc", "mc-paper", "jointdnn", "neurosurgeon"})
"""Policies that look at the mode; to the others both are one."""
_ORDER = (*OURS, *THREE, "neurosurgeon", "edgent", "edge-only")


@dataclass(frozen=True)
class System:
    """A policy in a mode."""

    policy: str
    mode: Mode

    @property
    def name(self) -> str:
        """For legends and tables."""
        return f"{self.policy}, {self.mode.value}" if self.policy in BY_MODE else self.policy


def systems() -> tuple[System, ...]:
    """Every policy that there is, ours first; those that know no mode once."""
    known = sorted(POLICIES, key=lambda name: _ORDER.index(name) if name in _ORDER else len(_ORDER))
    return tuple(
        System(policy, mode)
        for policy in known
        for mode in (Mode.PERFORMANCE, Mode.ENERGY)
        if mode is Mode.PERFORMANCE or policy in BY_MODE
    )
