"""Reload of the configuration: live keys are applied, keys that need a restart are named."""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import Enum
from typing import Any, Generic

from mc_sched.errors import UserError
from mc_sched.service.config import ConfigT, changes, with_live


class Reloader(Generic[ConfigT]):
    """One per agent.

    `read` reads the configuration again, `apply` applies a changed one. Only `live` keys
    of an applied configuration differ from the one before.
    """

    def __init__(
        self,
        config: ConfigT,
        read: Callable[[], ConfigT],
        live: frozenset[str],
        apply: Callable[[ConfigT], None],
        logger: logging.Logger,
    ) -> None:
        self._config = config
        self._read = read
        self._live = live
        self._apply = apply
        self._logger = logger

    def reload(self) -> None:
        """Apply the live keys of the file; a mistake in the file changes nothing."""
        try:
            wanted = self._with_generated(self._read())
        except UserError as error:
            self._logger.error("not reloaded; the old configuration stays in effect: %s", error)
            return
        new = with_live(self._config, wanted, self._live)
        changed, waiting = changes(self._config, new), changes(new, wanted)
        if changed:
            self._apply(new)
            self._config = new
        summary = _change_list(changed) or "no key that can change live has changed"
        self._logger.info("reloaded: %s", summary)
        if waiting:
            self._logger.warning("needs a restart: %s", _change_list(waiting))

    def _with_generated(self, new: ConfigT) -> ConfigT:
        """Return the new configuration with the values that were generated at the start."""
        fields = type(new).model_fields
        generated = [k for k in fields.keys() - new.model_fields_set if fields[k].default_factory]
        return new.model_copy(update={key: getattr(self._config, key) for key in generated})


def _change_list(changed: dict[str, tuple[Any, Any]]) -> str:
    def text(value: Any) -> str:
        return str(value.value if isinstance(value, Enum) else value)

    return ", ".join(f"{k} {text(old)} -> {text(new)}" for k, (old, new) in changed.items())
