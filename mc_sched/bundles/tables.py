"""The core's tables of a bundle, with the times in one host's profile.

The agents and the simulator share this module. The simulator runs no networks, so nothing in this
file imports torch.
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
    """Return the table of the bundle's local net, with the times in `profile`."""
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
        _cloud_net_on_edge(bundle, profile) if bundle.splits else None,
    )


def _encode_ns(bundle: Bundle, profile: Profile) -> dict[str, int]:
    """Return the encoding time per codec; for a split, stages before it and packing."""
    encode_ns = {row.name: profile.codec_ns[row.name] for row in bundle.codecs}
    for row in bundle.splits:
        encode_ns[row.name] = sum(profile.stage_ns[: row.stage]) + profile.split_ns[row.name]
    return encode_ns


def _cloud_net_on_edge(bundle: Bundle, profile: Profile) -> CloudTable:
    """Return the table of the cloud net on the edge device."""
    return CloudTable(bundle.cloud_name, profile.stage_ns, _exits(bundle, profile), bundle.hash)


def _exits(bundle: Bundle, profile: Profile) -> tuple[Exit, ...]:
    head_batch_ns = profile.head_batch_ns
    return tuple(
        Exit(row.name, row.stage, times[0], dict(row.top5), times)
        for row in bundle.exits
        for times in [head_batch_ns[row.name]]
    )


def cloud_table(bundle: Bundle, profile: Profile) -> CloudTable:
    """Return the table of the bundle's cloud net, with the times in `profile`."""
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
    return CloudTable(
        bundle.name, profile.stage_ns, exits, bundle.hash, codecs, splits,
        profile.batch_sizes, profile.stage_batch_ns,
    )  # fmt: skip


def stored_profile(
    bundle: Bundle, part: Part, file: str | None = None, device: str | None = None
) -> Profile:
    """Return the fastest stored profile of a bundle's net; nothing is measured.

    `file` is None for the user's own profiles. `device` is the start of the device's name, None for
    any device. Raises UserError, with the command that measures a profile, if there is none.
    """
    from mc_models.inference.profile_store import default_file

    place = Path(file) if file else default_file(bundle)
    found = _profiles(bundle, part, place)
    matching = [p for p in found if device is None or p.device.startswith(device)]
    if not matching:
        raise UserError(f"{place}: {_missing(bundle, part, device, found)}")
    return min(matching, key=lambda profile: profile.total_ns)


def has_profile(bundle: Bundle, part: Part) -> bool:
    """Return True if the user's own profiles have one of this net."""
    from mc_models.inference.profile_store import default_file

    return bool(_profiles(bundle, part, default_file(bundle)))


def _profiles(bundle: Bundle, part: Part, place: Path | None) -> list[Profile]:
    from mc_models.inference.profile_store import read_profiles

    return [p for p in read_profiles(place) if (p.bundle_hash, p.part) == (bundle.hash, part)]


def _missing(bundle: Bundle, part: Part, device: str | None, found: Sequence[Profile]) -> str:
    if found:
        devices = ", ".join(sorted({profile.device for profile in found}))
        return f"no profile of the device {device!r}; profiled devices: {devices}"
    return (
        f"no profile of bundle {bundle.name}'s {part} net; measure one with "
        f"`mc-sched profile {bundle.name}`, or name another file"
    )
