"""Values of a features message: clipped, noisy, and rounded to 256 levels."""

from __future__ import annotations

import torch
from torch import Tensor

LIMIT = 3.0
"""Projected values are clipped to +-LIMIT standard deviations; 256 levels cover that range."""
_HALF = 127.5


def with_noise(values: Tensor, noise: float, rng: torch.Generator | None) -> Tensor:
    """Add Gaussian noise of standard deviation `noise`; clip to +-LIMIT before and after."""
    # drawn on the CPU, where `rng` lives, so that a seed gives the same noise on every device
    drawn = torch.randn(values.shape, generator=rng).to(values.device)
    return (values.clamp(-LIMIT, LIMIT) + noise * drawn).clamp(-LIMIT, LIMIT)


def information_nats(values: Tensor, noise: float) -> Tensor:
    """Mean information that a value carries through the noise, in nats, as a scalar.

    The capacity of a Gaussian channel for each value's power (Shannon 1949): the rate term of a
    variational information bottleneck (Alemi et al. 2017, arXiv 1612.00410).
    """
    return 0.5 * torch.log1p((values.clamp(-LIMIT, LIMIT) / noise) ** 2).mean()


def nearest_levels(values: Tensor) -> Tensor:
    """Round values to the nearest of the 256 levels in +-LIMIT."""
    return to_values(to_codes(values))


def to_codes(values: Tensor) -> Tensor:
    """Message values in +-LIMIT as uint8."""
    return ((values / LIMIT + 1) * _HALF).round().to(torch.uint8)


def to_values(codes: Tensor) -> Tensor:
    """uint8 codes as message values."""
    return (codes.float() / _HALF - 1) * LIMIT
