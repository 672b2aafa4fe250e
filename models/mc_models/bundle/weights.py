"""Networks' weights as float16 safetensors files: write them, and fill networks with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from mc_models.bundle.files import TABLE_FILE, BundleError

if TYPE_CHECKING:
    from torch import nn

_Net = TypeVar("_Net", bound="nn.Module")


def build_or_fail(build: Callable[[], _Net], path: Path) -> _Net:
    """Return `build()`; BundleError if the bundle asks for a network that does not exist."""
    try:
        return build()
    except ValueError as error:
        raise BundleError(f"{path / TABLE_FILE}: {error}") from error


def load_weights(net: nn.Module, file: Path) -> None:
    """Fill `net` with a file's float16 weights, as float32.

    Raises BundleError with the name of the first weight that is missing or has another shape.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        stored = load_file(file)
    except (OSError, SafetensorError) as error:
        raise BundleError(f"{file}: not readable ({error}); copy the bundle again") from error
    state = net.state_dict()
    for name, tensor in state.items():
        if name.endswith("num_batches_tracked"):
            continue
        found = tuple(stored[name].shape) if name in stored else None
        if found != tuple(tensor.shape):
            raise BundleError(
                f"{file}: weight {name} has shape {found}, the network needs "
                f"{tuple(tensor.shape)}; {TABLE_FILE} and the weights belong to different bundles"
            )
        state[name] = stored[name].float()
    net.load_state_dict(state)


def ready(net: _Net) -> _Net:
    """Return `net` set for inference: eval mode, no gradients, channels_last."""
    import torch

    net.eval().requires_grad_(False)
    net.to(memory_format=torch.channels_last)
    return net


def save_weights(net: nn.Module, file: Path) -> None:
    """Write a network's weights as float16 safetensors."""
    import torch
    from safetensors.torch import save_file

    state = {
        name: tensor.detach().to(torch.float16).contiguous()
        for name, tensor in net.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    save_file(state, file)
    file.chmod(0o644)  # safetensors lets only the owner read it; agents may run as another user
