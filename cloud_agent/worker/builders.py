"""Builders of a worker's parts: profile, executor, decoders."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from mc_models.bundle.load import Bundle
from mc_models.codec.splits import unpack
from mc_models.data.preprocess import decode_image, to_input
from mc_models.inference.devices import Precision, host_device
from mc_models.inference.prepare import prepare_cloud, prepare_decoder
from mc_models.inference.profile import Profile
from mc_models.inference.profile_store import host_profile, parse_profile
from mc_models.inference.self_test import try_cloud

from cloud_agent.pipe.messages import Start
from cloud_agent.worker.decoder import Decode
from cloud_agent.worker.executor import Report, StageExecutor
from mc_sched.errors import UserError


def check_device(wanted: str) -> None:
    """Raise UserError if torch finds another device than the configured one."""
    if wanted.startswith("cuda") and host_device() != "cuda":
        raise UserError(f"devices: {wanted}: torch finds no GPU that it can use")


def make_decoders(bundle: Bundle, precision: Precision) -> dict[str, Decode]:
    """Return a decoder per codec: from a payload to the input of the first stage it enters."""
    decoders: dict[str, Decode] = {
        "jpeg": lambda payload: to_input(decode_image(payload, bundle.input_px))
    }
    for row in bundle.codecs:
        decoders[row.name] = prepare_decoder(bundle, precision)
    for split in bundle.splits:
        decoders[split.name] = partial(unpack, row=split)
    return decoders


def load_profile(bundle: Bundle, start: Start) -> Profile:
    """Return a profile that a worker of this agent has used, the stored one, or measure one."""
    file = Path(start.profile) if start.profile else None
    known = [parse_profile(profile) for profile in start.profiles]
    return host_profile(bundle, "cloud", start.threads, start.precision, file, known=known)


def make_executor(bundle: Bundle, report: Report, profile: Profile, start: Start) -> StageExecutor:
    """Prepare and self-test the cloud net; return the thread that runs it."""
    sizes = _sizes_up_to(start.settings.max_batch, profile.batch_sizes)
    net = prepare_cloud(bundle, profile.precision, batch_sizes=sizes)
    try_cloud(net.stages, net.heads, bundle, largest_batch=sizes[-1])
    return StageExecutor(
        list(net.stages),
        dict(net.heads.items()),
        {row.name: row.temperature for row in bundle.exits},
        report,
        start.threads,
    )


def _sizes_up_to(max_batch: int, sizes: Sequence[int]) -> tuple[int, ...]:
    """Return the batch sizes to prepare; a batch between two sizes is padded to the larger one."""
    smaller = [size for size in sizes if size < max_batch]
    return (*smaller, *sizes[len(smaller) : len(smaller) + 1])
