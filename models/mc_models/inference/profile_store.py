"""Keep profiles between starts, and choose the one that an agent uses.

There is one file per bundle, `NAME-HASH.json`, in `$XDG_STATE_HOME/mc-sched/profiles` (default:
below `~/.local/state`), or the file that an agent's `profile:` names. Two agents may share it: each
adds its own profiles. If both write at the same time, one of them measures again at its next
start.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mc_models.bundle.load import Bundle
from mc_models.inference.profile import BatchTimes, Part, Profile, Times, blank_profile
from mc_models.inference.profiler import measure_profiles

if TYPE_CHECKING:
    from mc_models.inference.devices import Device

FORMAT = 5
QUIET = 0.2
"""Largest disturbance (`Profile.disturbed`) of times that are kept."""
GAIN = 1.05
"""Least speed-up by reduced precision for which `auto` chooses it."""


def default_file(bundle: Bundle) -> Path | None:
    """This user's profile file for a bundle; None for a user without a home."""
    try:
        state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    except RuntimeError:
        return None
    name = re.sub(r"[^\w.-]", "_", bundle.name)  # a name is free text
    return Path(state) / "mc-sched" / "profiles" / f"{name}-{bundle.hash[:12]}.json"


def host_profile(
    bundle: Bundle,
    part: Part,
    threads: int,
    precision: str = "auto",
    file: Path | None = None,
    device: Device | None = None,
    known: Sequence[Profile] = (),
) -> Profile:
    """This host's profile of a network, in the precision that the setting `precision` selects.

    The first fitting one of the `known` profiles is used. Without one, profiles missing from `file`
    (default: the user's) are measured, which takes seconds, and kept there unless the host was
    busy. Raises DeviceError, and OSError if a given `file` cannot be written.
    """
    from mc_models.inference.devices import host_device, precisions

    device = device or host_device()
    choices = precisions(precision, device)
    wanted = [blank_profile(bundle, part, threads, choice, device) for choice in choices]
    identities = {blank.identity for blank in wanted}
    for profile in known:
        if profile.identity in identities:
            return profile
    stored = stored_profiles(wanted, file or default_file(bundle))
    if len(stored) < len(wanted):
        # all of them again: only times of the same minute can be compared
        stored = measure_profiles(wanted, bundle, device)
        keep_profiles(stored, bundle, file)
    return best(stored)


def best(profiles: Sequence[Profile]) -> Profile:
    """The fastest profile; the first, float32, unless another is faster by the factor GAIN."""
    fastest = min(profiles, key=lambda profile: profile.total_ns)
    return fastest if fastest.total_ns * GAIN < profiles[0].total_ns else profiles[0]


def stored_profiles(wanted: Sequence[Profile], file: Path | None) -> list[Profile]:
    """The `wanted` profiles that `file` holds, with their times."""
    found = {profile.identity: profile for profile in read_profiles(file)}
    return [found[blank.identity] for blank in wanted if blank.identity in found]


def keep_profiles(profiles: Sequence[Profile], bundle: Bundle, file: Path | None = None) -> bool:
    """Store profiles in `file` or the user's; False if the host was busy or has no such place.

    Raises OSError if a given `file` cannot be written.
    """
    target = file or default_file(bundle)
    if target is None or any(profile.disturbed > QUIET for profile in profiles):
        return False
    try:
        _add_profiles(profiles, target)
    except OSError:
        if file is not None:
            raise
        return False  # the default place may be read-only
    return True


# --- the file -----------------------------------------------------------------------------------


def read_profiles(file: Path | None) -> list[Profile]:
    """The profiles in `file`; none if it is missing, damaged or of another format."""
    if file is None:
        return []
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
        return [parse_profile(item) for item in raw["profiles"]] if raw["format"] == FORMAT else []
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _add_profiles(profiles: Sequence[Profile], file: Path) -> None:
    """Add profiles to `file`, replacing those with the same identity. Raises OSError."""
    kept = {profile.identity: profile for profile in [*read_profiles(file), *profiles]}
    content = {"format": FORMAT, "profiles": [asdict(profile) for profile in kept.values()]}
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f"{file.name}.{os.getpid()}.partial")
    partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    partial.replace(file)


def parse_profile(item: Mapping[str, Any]) -> Profile:
    """Return the profile whose fields `item` holds as JSON values. Raises KeyError or TypeError."""
    kinds = ("layers", "stages", "heads", "images", "codecs", "splits")
    times: dict[str, Any] = {kind: _parse_times(item[kind]) for kind in kinds}
    times["batches"] = tuple(
        BatchTimes(batch["size"], _parse_times(batch["stages"]), _parse_times(batch["heads"]))
        for batch in item["batches"]
    )
    return Profile(**{**item, **times})


def _parse_times(by_name: Mapping[str, Any]) -> dict[str, Times]:
    return {name: Times(**times) for name, times in by_name.items()}
