"""The core's tables of a bundle, with the times that one host's profile has of it.

Shared by the agents, which run what the tables describe, and the simulator, which does not: nothing
here imports torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mc_sched.core.tables import CloudTable, Codec, EntropyThreshold, Exit, LocalTable
from mc_sched.errors import UserError

if TYPE_CHECKING:
    from mc_models.bundle.load import Bundle
    from mc_models.inference.profile import Part, Profile


def local_table(bundle: Bundle, profile: Profile) -> LocalTable:
    """The bundle's local net with this host's times."""
    return LocalTable(
        bundle.local.name,
        bundle.local.top5,
        tuple(row.ops for row in bundle.local.layers),
        profile.layer_ns,
        _encode_ns(bundle, profile),
        tuple(
            EntropyThreshold(row.entropy, row.kept, dict(row.top5), row.unsure_top5)
            for row in bundle.thresholds
        ),
        _whole(bundle, profile) if bundle.splits else None,
    )


def _encode_ns(bundle: Bundle, profile: Profile) -> dict[str, int]:
    """From pixels to payload; for a split that is the stages before it, and packing."""
    made = {row.name: profile.codec_ns[row.name] for row in bundle.codecs}
    for row in bundle.splits:
        made[row.name] = sum(profile.stage_ns[: row.stage]) + profile.split_ns[row.name]
    return made


def _whole(bundle: Bundle, profile: Profile) -> CloudTable:
    """The cloud net on this device."""
    return CloudTable(bundle.cloud_name, profile.stage_ns, _exits(bundle, profile), bundle.hash)


def _exits(bundle: Bundle, profile: Profile) -> tuple[Exit, ...]:
    return tuple(
        Exit(row.name, row.stage, profile.head_ns[row.name], dict(row.top5)) for row in bundle.exits
    )


def cloud_table(bundle: Bundle, profile: Profile) -> CloudTable:
    """The bundle's exits and accuracies with this host's times."""
    codecs = (
        Codec("jpeg", decode_ns=profile.decode_ns),
        *(
            Codec(row.name, row.stage, profile.codec_ns[row.name], row.message_bytes)
            for row in bundle.codecs
        ),
    )
    splits = tuple(
        Codec(row.name, row.stage, profile.split_ns[row.name], row.message_bytes)
        for row in bundle.splits
    )
    exits = _exits(bundle, profile)
    return CloudTable(bundle.name, profile.stage_ns, exits, bundle.hash, codecs, splits)


def kept_profile(
    bundle: Bundle, part: Part, file: str | None = None, device: str | None = None
) -> Profile:
    """A bundle's profile from `file` (None: the user's own), without measuring anything.

    Of several the fastest counts, or of those whose device's name begins with `device`. UserError
    says how to make one where there is none.
    """
    from mc_models.inference.profile_store import default_file

    place = Path(file) if file else default_file(bundle)
    found = _kept(bundle, part, place)
    fit = [p for p in found if device is None or p.device.startswith(device)]
    if not fit:
        raise UserError(f"{place}: {_missing(bundle, part, device, found)}")
    return min(fit, key=lambda profile: profile.total_ns)


def has_profile(bundle: Bundle, part: Part) -> bool:
    """Whether the user's own profiles have one of this net."""
    from mc_models.inference.profile_store import default_file

    return bool(_kept(bundle, part, default_file(bundle)))


def _kept(bundle: Bundle, part: Part, place: Path | None) -> list[Profile]:
    from mc_models.inference.profile_store import read_profiles

    return [p for p in read_profiles(place) if (p.bundle_hash, p.part) == (bundle.hash, part)]


def _missing(bundle: Bundle, part: Part, device: str | None, found: Sequence[Profile]) -> str:
    if found:
        devices = ", ".join(sorted({profile.device for profile in found}))
        return f"no profile of a device {device!r}; there are {devices}"
    return (
        f"no profile of bundle {bundle.name}'s {part} net; measure one with "
        f"`mc-sched profile {bundle.name}`, or give another file"
    )
