"""Networks prepared for inference on this host: the form in which the agents run them.

A prepared network has the pieces that the agents look between: layers of the local net, stages
and heads of the cloud net; of the features codec, the edge's first stages and projection, and the
cloud's restoration. Each piece is rewritten by `fuse`, channels_last, in one precision:

- On a CPU it exists twice, with torch's layers and with packed oneDNN ones; the faster one on
  this host stays. torch.compile is not used: on a two-core Zen 4 it took 24 to 37 s for set A,
  and its stages were slower than these (float32 10.6 against 8.9 ms for the whole cloud net);
  a device may have no compiler at all.
- On a GPU it is one CUDA graph.

Precision `auto` is settled by measurement (`profile_store.host_profile`): reduced precision has
to pay, and a CPU that only emulates bfloat16 stays with float32.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from mc_models.bundle.bundle import Bundle
from mc_models.codec.features import (
    NAME,
    FeatureCodec,
    FeatureDecoder,
    FeatureEncoder,
    first_stages,
    load_codec,
)
from mc_models.inference.cuda_graphs import GraphedPiece
from mc_models.inference.fuse import fuse

Piece = Callable[[Tensor], Tensor]
Device = Literal["cpu", "cuda"]
Precision = Literal["float32", "bfloat16", "float16"]
Setting = Literal["auto", "float32", "bfloat16"]
"""What a person can ask for; float16 is what `auto` may choose on a GPU."""

TRIALS = 10
"""Runs of each form of a piece; the least time counts, since noise only ever adds."""
TOLERANCE = {"float32": 1e-3, "bfloat16": 0.1, "float16": 0.02}
"""Largest relative difference (Euclidean norm) between two forms of a piece."""


class DeviceError(ValueError):
    """This host has no such device or precision; the sentence says what to choose."""


# --- what this host can do ----------------------------------------------------------------------


def host_device() -> Device:
    """The GPU if there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def checked_device(choice: str) -> Device:
    """ "cpu", "cuda" or "auto" as a device of this host. Raises DeviceError."""
    if choice == "cuda" and not torch.cuda.is_available():
        raise DeviceError("torch finds no GPU on this host; choose the device cpu or auto")
    return "cpu" if choice == "cpu" else host_device()


def device_name(device: Device) -> str:
    """The device with what decides its speed, as profiles record it: 'cpu (AVX512)'."""
    detail = (
        torch.cuda.get_device_name()
        if device == "cuda"
        else torch.backends.cpu.get_cpu_capability()
    )
    return f"{device} ({detail})"


def precisions(setting: str, device: Device) -> tuple[Precision, ...]:
    """The precisions that a setting leaves to choose from, float32 first. Raises DeviceError."""
    if setting not in get_args(Setting):
        raise DeviceError(f"precision {setting!r} is unknown; use {', '.join(get_args(Setting))}")
    if setting == "float32":
        return ("float32",)
    has_bfloat16 = _has_bfloat16(device)
    if setting == "auto":
        if device == "cuda":
            return ("float32", "float16")
        return ("float32", "bfloat16") if has_bfloat16 else ("float32",)
    if not has_bfloat16:
        raise DeviceError(f"this {device} has no bfloat16; set the precision to auto or float32")
    return ("bfloat16",)


def _has_bfloat16(device: Device) -> bool:
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    try:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    except (AttributeError, RuntimeError):
        return False  # a build of torch without oneDNN


# --- prepared networks --------------------------------------------------------------------------


@dataclass(frozen=True)
class PreparedLocal:
    """The local net: layers in order; they take float32 images and give float32 logits."""

    layers: tuple[Piece, ...]

    def __call__(self, x: Tensor) -> Tensor:
        """Logits [n, classes] of images [n, 3, px, px]."""
        for layer in self.layers:
            x = layer(x)
        return x


@dataclass(frozen=True)
class PreparedCloud:
    """The cloud net: stages take the stage before's output, of any precision; heads by exit."""

    stages: tuple[Piece, ...]
    heads: Mapping[str, Piece]

    def __call__(self, x: Tensor) -> Tensor:
        """Logits [n, classes] of the last exit for images [n, 3, px, px]."""
        for stage in self.stages:
            x = stage(x)
        return [*self.heads.values()][-1](x)

    def forward_all(self, x: Tensor) -> dict[str, Tensor]:
        """Logits [n, classes] of every exit, in forward order."""
        logits = {}
        for stage, (name, head) in zip(self.stages, self.heads.items(), strict=True):
            x = stage(x)
            logits[name] = head(x)
        return logits


@torch.inference_mode()
def prepare_local(
    bundle: Bundle, precision: Precision = "float32", device: Device | None = None
) -> PreparedLocal:
    """The local net in `precision`, chosen for torch's present number of threads."""
    device = device or host_device()
    workshop, after_logits = _PiecePreparer(precision, device), _PiecePreparer("float32", device)
    net = bundle.edge_net()
    last = max(i for i, layer in enumerate(net.layers) if _has_weights(layer))
    x = workshop.sample(bundle.input_px)
    layers: list[Piece] = []
    for index, layer in enumerate(net.layers):
        at = workshop if index <= last else after_logits
        piece, x = at.prepare(layer, x, gives_logits=index == last)
        layers.append(at.entrance(piece) if index == 0 else piece)
    return PreparedLocal(tuple(layers))


@torch.inference_mode()
def prepare_cloud(
    bundle: Bundle, precision: Precision = "float32", device: Device | None = None
) -> PreparedCloud:
    """The cloud net in `precision`, chosen for torch's present number of threads."""
    workshop = _PiecePreparer(precision, device or host_device())
    net = bundle.cloud_net()
    x = workshop.sample(bundle.input_px)
    stages, heads = [], {}
    for name, stage in zip(net.exit_names, net.stages, strict=True):
        piece, x = workshop.prepare(stage, x)
        stages.append(workshop.entrance(piece))
        heads[name], _ = workshop.prepare(net.heads[name], x, gives_logits=True)
    return PreparedCloud(tuple(stages), heads)


@torch.inference_mode()
def prepare_encoder(
    bundle: Bundle,
    precision: Precision = "float32",
    device: Device | None = None,
    seed: int | None = None,
) -> FeatureEncoder:
    """The edge's half of the features codec in `precision`; the projected values are float32.

    `seed` fixes the noise, for measurements. Raises BundleError.
    """
    workshop = _PiecePreparer(precision, device or host_device())
    codec = load_codec(bundle)
    x = workshop.sample(bundle.input_px)
    pieces = []
    for stage in first_stages(bundle):
        piece, x = workshop.prepare(stage, x)
        pieces.append(piece)
    project, _ = workshop.prepare(codec.project, x, gives_logits=True)
    return FeatureEncoder([workshop.entrance(pieces[0]), *pieces[1:], project], codec.noise, seed)


@torch.inference_mode()
def prepare_decoder(
    bundle: Bundle, precision: Precision = "float32", device: Device | None = None
) -> FeatureDecoder:
    """The cloud's half of the features codec in `precision`. Raises BundleError."""
    workshop = _PiecePreparer(precision, device or host_device())
    row = bundle.codec(NAME)
    values = workshop.normal(row.channels, row.side)  # as a message's values are, nearly
    receive, _ = workshop.prepare(_Receiving(load_codec(bundle)), values)
    return FeatureDecoder(workshop.entrance(receive), row)


class _Receiving(nn.Module):
    """A codec's `receive` as a module, which is what can be rewritten."""

    def __init__(self, codec: FeatureCodec) -> None:
        super().__init__()
        self.codec = codec

    def forward(self, values: Tensor) -> Tensor:
        return self.codec.receive(values)


def _has_weights(module: nn.Module) -> bool:
    return any(isinstance(layer, nn.Conv2d | nn.Linear) for layer in module.modules())


class _PiecePreparer:
    """Prepares pieces for one device and precision."""

    def __init__(self, precision: Precision, device: Device) -> None:
        self._precision, self._device = precision, device
        self._dtype: torch.dtype = getattr(torch, precision)

    def sample(self, px: int) -> Tensor:
        """An input [1, 3, px, px] to choose by."""
        return self.normal(3, px)

    def normal(self, channels: int, side: int) -> Tensor:
        """Normally distributed values [1, channels, side, side]."""
        x = torch.randn(1, channels, side, side, generator=torch.Generator().manual_seed(0))
        return x.to(self._device, memory_format=torch.channels_last)

    def prepare(
        self, piece: nn.Module, x: Tensor, gives_logits: bool = False
    ) -> tuple[Piece, Tensor]:
        """`piece` for inputs like `x`, and its float32 output on `x`."""
        piece = piece.to(self._device)
        plain = fuse(piece, x, self._dtype, False, gives_logits)
        expected: Tensor = piece(x.clone())
        small = x.to(self._dtype)
        if self._device == "cuda":
            return GraphedPiece(plain, small), expected
        packed = fuse(piece, x, self._dtype, True, gives_logits)
        return _fastest([plain, packed], small, TOLERANCE[self._precision]), expected

    def entrance(self, piece: Piece) -> Piece:
        """`piece` for inputs from outside: of another precision, layout or device."""

        def enter(x: Tensor) -> Tensor:
            x = x.to(self._device, self._dtype, memory_format=torch.channels_last)
            return piece(x)

        return enter


def _fastest(forms: Sequence[Piece], x: Tensor, tolerance: float) -> Piece:
    """The form with the least time on `x` among those that agree with the first."""
    expected = forms[0](x.clone()).float()
    forms = [forms[0], *(f for f in forms[1:] if _difference(f, x, expected) <= tolerance)]
    least = [float("inf")] * len(forms)
    for _ in range(TRIALS):
        for index, form in enumerate(forms):
            y = x.clone()  # a form may work in place
            started = time.perf_counter()
            form(y)
            least[index] = min(least[index], time.perf_counter() - started)
    return forms[least.index(min(least))]


def _difference(form: Piece, x: Tensor, expected: Tensor) -> float:
    """Relative Euclidean distance of a form's output from the expected one."""
    try:
        found = form(x.clone()).float()
    except RuntimeError:
        return float("inf")  # oneDNN has no such layer after all
    return float((found - expected).norm() / expected.norm().clamp(min=1e-12))
