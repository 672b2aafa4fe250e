"""A reload: the configuration is read again, what can change live does, the rest is named."""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import Enum
from typing import Any, Generic

from mc_sched.errors import UserError
from mc_sched.service.config import ConfigT, changes, with_live


class Reloader(Generic[ConfigT]):
    """One per agent.

    `read` reads the configuration as at the start, `apply` puts a changed one into force; only
    `live` keys of it ever differ from the one before.
    """

    def __init__(
        self,
        config: ConfigT,
        read: Callable[[], ConfigT],
        live: frozenset[str],
        apply: Callable[[ConfigT], None],
        log: logging.Logger,
    ) -> None:
        self._config = config
        self._read = read
        self._live = live
        self._apply = apply
        self._log = log

    def reload(self) -> None:
        """Take over what can change; a mistake in the file changes nothing."""
        try:
            wanted = self._given(self._read())
        except UserError as error:
            self._log.error("not reloaded, nothing has changed: %s", error)
            return
        new = with_live(self._config, wanted, self._live)
        changed, waiting = changes(self._config, new), changes(new, wanted)
        if changed:
            self._apply(new)
            self._config = new
        said = _told(changed) or "nothing that can change live has changed"
        self._log.info("reloaded: %s", said)
        if waiting:
            self._log.warning("needs a restart: %s", _told(waiting))

    def _given(self, new: ConfigT) -> ConfigT:
        """The new configuration, without values that were only made up at the start."""
        fields = type(new).model_fields
        made_up = [k for k in fields.keys() - new.model_fields_set if fields[k].default_factory]
        return new.model_copy(update={key: getattr(self._config, key) for key in made_up})


def _told(changed: dict[str, tuple[Any, Any]]) -> str:
    def plain(value: Any) -> str:
        return str(value.value if isinstance(value, Enum) else value)

    return ", ".join(f"{k} {plain(old)} -> {plain(new)}" for k, (old, new) in changed.items())
