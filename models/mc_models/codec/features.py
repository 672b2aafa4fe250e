"""The `features` codec: noisy features leave the device instead of the picture.

After Osia et al. 2020 (arXiv 1703.02952), a hybrid of two sites: the edge runs the first stages
of the cloud net and sends a small noisy projection of their output; the cloud projects back and
goes on from the stage behind the cut.

    edge    pixels -> stages before the cut -> project -> clip -> + noise -> clip -> 8 bits
    cloud   8 bits -> restore -> stages behind the cut -> exits

Every message has the same size, so that its length says nothing about the picture.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mc_models.bundle.bundle import Bundle
from mc_models.bundle.calibrate import through_jpeg
from mc_models.bundle.files import CLOUD_FILE, CODEC_FILE
from mc_models.bundle.rows import CodecRow
from mc_models.bundle.weights import built, load_weights, ready
from mc_models.data.image_sets import ImageSet
from mc_models.data.preprocess import batch_input
from mc_models.networks.branches import BranchedNet
from mc_models.networks.ops import count_ops

Piece = Callable[[Tensor], Tensor]
NAME = "features"
LIMIT = 3.0
"""Projected values are clipped to +-LIMIT standard deviations; 256 steps cover that range."""
_HALF = 127.5
_HIDDEN = 48


class FeatureCodec(nn.Module):
    """Both halves of the codec for an activation [n, channels_in, side_in, side_in].

    `project` is one strided convolution: each patch of `step` x `step` cells becomes one cell of
    `channels` numbers. `restore` is its transpose plus a correction that looks at neighbours.
    """

    def __init__(self, channels_in: int, channels: int, step: int, noise: float) -> None:
        super().__init__()
        self.noise = noise
        self.project = nn.Conv2d(channels_in, channels, step, stride=step)
        self.restore = nn.ConvTranspose2d(channels, channels_in, step, stride=step)
        last = nn.ConvTranspose2d(_HIDDEN, channels_in, step, stride=step)
        self.correct = nn.Sequential(
            nn.Conv2d(channels, _HIDDEN, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(_HIDDEN, _HIDDEN, 3, padding=1),
            nn.ReLU(),
            last,
        )
        nn.init.zeros_(last.weight)
        nn.init.zeros_(_bias(last))

    def send(self, activation: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """Message values float [n, channels, side, side] in +-LIMIT, noisy, of 256 levels."""
        return self.sent(self.project(activation), rng)

    def sent(self, projected: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """The same of projected values.

        The gradient passes through the rounding as if it were not there.
        """
        noisy = with_noise(projected, self.noise, rng)
        return noisy + (_levels(noisy) - noisy).detach()

    def receive(self, values: Tensor) -> Tensor:
        """Activation [n, channels_in, side_in, side_in] of message values."""
        return F.relu(self.restore(values) + self.correct(values))

    def forward(self, activation: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """What the cloud goes on with when the edge computed `activation`."""
        return self.receive(self.send(activation, rng))


def _bias(layer: nn.Conv2d | nn.ConvTranspose2d) -> Tensor:
    assert layer.bias is not None
    return layer.bias


def with_noise(values: Tensor, noise: float, rng: torch.Generator | None) -> Tensor:
    """Projected values, clipped before and after Gaussian noise of that deviation is added."""
    # drawn on the CPU, where `rng` lives, so that a seed means the same on every device
    drawn = torch.randn(values.shape, generator=rng).to(values.device)
    return (values.clamp(-LIMIT, LIMIT) + noise * drawn).clamp(-LIMIT, LIMIT)


def carried_nats(values: Tensor, noise: float) -> Tensor:
    """What values tell through noise of that deviation, in nats per value, as a scalar.

    The capacity of a Gaussian channel for each value's power (Shannon 1949): the rate term of a
    variational information bottleneck (Alemi et al. 2017, arXiv 1612.00410).
    """
    return 0.5 * torch.log1p((values.clamp(-LIMIT, LIMIT) / noise) ** 2).mean()


def _levels(values: Tensor) -> Tensor:
    """The nearest of 256 levels in +-LIMIT."""
    return to_values(to_codes(values))


def to_codes(values: Tensor) -> Tensor:
    """Message values in +-LIMIT as uint8."""
    return ((values / LIMIT + 1) * _HALF).round().to(torch.uint8)


def to_values(codes: Tensor) -> Tensor:
    """uint8 codes as message values."""
    return (codes.float() / _HALF - 1) * LIMIT


@torch.no_grad()
def start_from_pca(codec: FeatureCodec, activations: Tensor) -> float:
    """Set both projections to the first principal components of `activations`' patches.

    Values then have mean 0 and variance 1. Returns the share of the variance that they keep.
    """
    step, channels = codec.project.kernel_size[0], codec.project.out_channels
    patches = F.unfold(activations.float(), step, stride=step).transpose(1, 2).flatten(0, 1)
    mean = patches.mean(0)
    centred = patches - mean
    variance, axes = torch.linalg.eigh(centred.T @ centred / len(patches))
    kept, axes = variance.flip(0)[:channels].clamp(min=1e-8), axes.flip(1)[:, :channels]
    shape = (channels, activations.shape[1], step, step)
    project = (axes / kept.sqrt()).T
    codec.project.weight.copy_(project.reshape(shape))
    _bias(codec.project).copy_(-project @ mean)
    codec.restore.weight.copy_((axes * kept.sqrt()).T.reshape(shape))
    _bias(codec.restore).copy_(mean.reshape(shape[1], -1).mean(1))
    return float(kept.sum() / variance.sum())


# --- the edge's half ------------------------------------------------------------------------


class FeatureEncoder:
    """Network input [1, 3, px, px] to message: `pieces` give the projected values, then noise."""

    def __init__(self, pieces: Sequence[Piece], noise: float, seed: int | None = None) -> None:
        self._pieces = pieces
        self._noise = noise
        # noise that can be foretold can be subtracted: by default its seed is the system's secret
        self._rng = torch.Generator().manual_seed(secrets.randbits(63) if seed is None else seed)

    @torch.inference_mode()
    def __call__(self, x: Tensor) -> bytes:
        """The message of one image."""
        for piece in self._pieces:
            x = piece(x)
        noisy = with_noise(x.float().cpu(), self._noise, self._rng)
        return to_codes(noisy).contiguous().numpy().tobytes()


class _FirstStages(nn.Module):
    """The part of a BranchedNet that the edge needs, its weights under the same names."""

    def __init__(self, net: BranchedNet, count: int) -> None:
        super().__init__()
        self.stages = net.stages[:count]


def load_encoder(bundle: Bundle, seed: int | None = None) -> FeatureEncoder:
    """The edge's half of a bundle's codec as it was trained; agents run `prepare_encoder`'s.

    `seed` fixes the noise, for measurements. Raises BundleError.
    """
    codec = load_codec(bundle)
    return FeatureEncoder([*first_stages(bundle), codec.project], codec.noise, seed)


def first_stages(bundle: Bundle) -> list[nn.Module]:
    """The stages before the cut, with their weights, ready to run. Raises BundleError."""
    from mc_models.networks.fold import fold_norms
    from mc_models.networks.sets import build_cloud

    row = bundle.codec(NAME)
    net = built(lambda: build_cloud(bundle.spec, len(bundle.labels)), bundle.path)
    part = _FirstStages(net, row.stage)
    load_weights(part, bundle.path / CLOUD_FILE)
    return list(ready(fold_norms(part)).stages)


# --- the cloud's half -----------------------------------------------------------------------


class FeatureDecoder:
    """Message to the activation that the stage behind the cut takes; `receive` as the codec's."""

    def __init__(self, receive: Piece, row: CodecRow) -> None:
        self._receive = receive
        self._row = row

    @torch.inference_mode()
    def __call__(self, message: bytes) -> Tensor:
        """Activation [1, channels_in, side_in, side_in], channels_last; ValueError on bad size."""
        if len(message) != self._row.message_bytes:
            raise ValueError(
                f"a {NAME} message has {self._row.message_bytes} bytes, this one has {len(message)}"
            )
        shape = (1, self._row.channels, self._row.side, self._row.side)
        codes = torch.frombuffer(bytearray(message), dtype=torch.uint8).reshape(shape)
        return self._receive(to_values(codes).contiguous(memory_format=torch.channels_last))


def load_codec(bundle: Bundle) -> FeatureCodec:
    """A bundle's codec with its weights, ready to run. Raises BundleError."""
    row = bundle.codec(NAME)
    codec = FeatureCodec(row.channels_in, row.channels, row.step, row.noise)
    load_weights(codec, bundle.path / CODEC_FILE)
    return ready(codec)


# --- the cut --------------------------------------------------------------------------------


def before_cut(net: BranchedNet, stage: int, x: Tensor) -> Tensor:
    """The activation that stage `stage` takes."""
    for module in net.stages[:stage]:
        x = module(x)
    return x


def behind_cut(net: BranchedNet, stage: int, x: Tensor) -> dict[str, Tensor]:
    """Logits [n, classes] of every exit behind the cut."""
    logits = {}
    for name, module in list(zip(net.exit_names, net.stages, strict=True))[stage:]:
        x = module(x)
        logits[name] = net.heads[name](x)
    return logits


@torch.inference_mode()
def features_logits(
    net: BranchedNet,
    codec: FeatureCodec,
    stage: int,
    images: ImageSet,
    batch: int = 32,
    report: Callable[[int, int], None] | None = None,
) -> dict[str, Tensor]:
    """Logits [n, classes] of every exit behind the cut, from messages of what a camera shows.

    The noise has a fixed seed, so that the same images give the same figures.
    """
    rng = torch.Generator().manual_seed(0)
    parts: dict[str, list[Tensor]] = {}
    for start in range(0, len(images), batch):
        x = batch_input(through_jpeg(images.images[start : start + batch]))
        activation = codec(before_cut(net, stage, x), rng)
        for name, logits in behind_cut(net, stage, activation).items():
            parts.setdefault(name, []).append(logits)
        if report is not None:
            report(min(start + batch, len(images)), len(images))
    return {name: torch.cat(rows) for name, rows in parts.items()}


def count_edge_ops(stages: Iterable[nn.Module], codec: FeatureCodec, input_px: int) -> int:
    """MACs of the edge's half for one image."""
    x = torch.zeros(1, 3, input_px, input_px)
    total = 0
    for module in (*stages, codec.project):
        ops, x = count_ops(module, x)
        total += ops
    return total
