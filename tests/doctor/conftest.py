"""Fixtures that run `mc-sched doctor` in this process."""

from tests.cli.conftest import plain_terminal, run

__all__ = ["plain_terminal", "run"]
