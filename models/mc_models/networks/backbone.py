"""Start a cloud net from torchvision's ImageNet weights.

Those weights expect torchvision's colour normalisation, which differs from that of
`data.preprocess`. The difference, a scale and a shift per colour, is folded into the first
convolution and the norm behind it, so that the trunk computes the same from our input as
torchvision's did from its own.
"""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
from torch import Tensor, nn

from mc_models.data.preprocess import PIXEL_MEAN, PIXEL_SCALE
from mc_models.networks.chains import Chain

# grey level that becomes 0, and grey levels per unit, per colour: torchvision's ImageNet presets
_IMAGENET = ([255 * m for m in (0.485, 0.456, 0.406)], [255 * s for s in (0.229, 0.224, 0.225)])
# these weights were ported from nets for [-1, 1]; torchvision's transform_input undoes the preset
_OWN_INPUT = dict.fromkeys(("googlenet", "inception_v3"), ([127.5] * 3, [127.5] * 3))


class BackboneError(ValueError):
    """The weights cannot be used; the sentence names the file and the tensor."""


def load_backbone(chain: Chain, network: str, file: Path) -> None:
    """Fill the trunk of `chain` with the weights in `file`, in place; its head stays fresh.

    `file` is torchvision's state dict of `network`, as .safetensors or as torch.save wrote it.
    Raises BackboneError.
    """
    stored = _read(file)
    for name, module in chain.trunk:
        module.load_state_dict(_fitting(module, f"{name}.", stored, file))
    _fold_input(chain, *_OWN_INPUT.get(network, _IMAGENET))


def _read(file: Path) -> dict[str, Tensor]:
    """Return the state dict in `file`; unpickles only tensors."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not file.is_file():
        raise BackboneError(f"{file} is not a file; give torchvision's weights of the cloud net")
    try:
        if file.suffix == ".safetensors":
            stored: object = load_file(file)
        else:
            stored = torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise BackboneError(
            f"{file}: not readable as weights; give a .safetensors file or a state dict that "
            "torch.save wrote"
        ) from error
    if not isinstance(stored, dict) or not all(isinstance(t, Tensor) for t in stored.values()):
        raise BackboneError(f"{file} is not a state dict of named tensors; save net.state_dict()")
    return stored


def _fitting(
    module: nn.Module, prefix: str, stored: dict[str, Tensor], file: Path
) -> dict[str, Tensor]:
    """Take the state of `module` from `stored`; the error names the first wrong tensor."""
    state = module.state_dict()
    for name, tensor in state.items():
        if name.endswith("num_batches_tracked"):
            continue
        found = stored.get(prefix + name)
        if found is None:
            raise BackboneError(
                f"{file} has no weight {prefix}{name}; give the weights of this network"
            )
        if found.shape != tensor.shape:
            raise BackboneError(
                f"{file}: weight {prefix}{name} has shape {tuple(found.shape)}, but the "
                f"network needs {tuple(tensor.shape)}; use the published width and the weights of "
                "this network"
            )
        state[name] = found.to(tensor.dtype)
    return state


def _fold_input(chain: Chain, mean: list[float], scale: list[float]) -> None:
    """Make the first convolution accept our input x instead of (pixel - mean) / scale.

    pixel = PIXEL_SCALE * x + PIXEL_MEAN, so the old input is a * x + b. The weights absorb a; b
    adds a constant to each output channel, except at the padded border, which the norm subtracts.
    """
    layers = [m for _, module in chain.trunk for m in module.modules()]
    conv = next(m for m in layers if isinstance(m, nn.Conv2d))
    norm = next(m for m in layers if isinstance(m, nn.BatchNorm2d))
    a = PIXEL_SCALE / torch.tensor(scale)
    b = (PIXEL_MEAN - torch.tensor(mean)) / torch.tensor(scale)
    with torch.no_grad():
        assert norm.running_mean is not None
        norm.running_mean -= (conv.weight * b[:, None, None]).sum((1, 2, 3))
        conv.weight *= a[:, None, None]
