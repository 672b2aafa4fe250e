"""A network as a chain: named modules that run one after the other, then its classifier.

`as_chain` makes one of a torchvision classifier without code of its own for it: containers are
opened, the trunk is split from the classifier at the last map, and the chain is run beside the
network to see that both compute the same. Where a network does more between its modules than
hand on a tensor (DenseNet's functional layers, say), that check fails and says so.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn


class ChainError(ValueError):
    """The network is no chain of modules; the sentence names it and where it departs."""


@dataclass(frozen=True)
class Chain:
    """`trunk`: (dotted name, module) in forward order; `head`: last map -> logits [n, classes].

    The dotted names are those of the weights in the network's own state dict.
    """

    trunk: tuple[tuple[str, nn.Module], ...]
    head: nn.Module


class Classifier(nn.Sequential):
    """A network's own classifier: pools and dropouts on the map, then layers on vectors."""

    def forward(self, x: Tensor) -> Tensor:
        """Logits [n, classes] of a map [n, channels, h, w]."""
        for layer in self:
            x = layer(_taken_by(layer, x))
        return x.flatten(1)


def _taken_by(layer: nn.Module, x: Tensor) -> Tensor:
    """`x` as `layer` takes it: a linear layer takes the map as a vector, or its means."""
    if not isinstance(layer, nn.Linear) or x.dim() != 4:
        return x
    return x.mean((2, 3)) if x.shape[1] == layer.in_features else x.flatten(1)


def torchvision_chain(name: str, classes: int) -> Chain:
    """A torchvision classifier by its name there, at its published widths, with fresh weights."""
    from torchvision import models

    if name not in models.list_models(module=models):
        raise ChainError(f"torchvision has no classifier '{name}'; its list_models() names them")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # GoogLeNet's, about its initialisation
        net = models.get_model(name, weights=None, num_classes=classes)
    return as_chain(net)


def as_chain(net: nn.Module, input_px: int = 224) -> Chain:
    """`net`, an image classifier, as a chain of its own modules. Raises ChainError.

    Modules that an inference does not call, such as auxiliary heads, are left out.
    """
    was_training = net.training
    net.eval()
    x = torch.randn(1, 3, input_px, input_px, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        called, expected = _calls(net, x)
        chain = _split(net, called, x)
        y = x
        for _, module in chain.trunk:
            y = module(y)
        y = chain.head(y)
    if y.shape != expected.shape or not torch.allclose(y, expected, rtol=1e-3, atol=1e-5):
        raise ChainError(f"{_title(net)} does more than run its modules one after the other")
    net.train(was_training)
    return chain


def _opened(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """The children of `module`, with every Sequential replaced by what it holds."""
    for name, child in module.named_children():
        if isinstance(child, nn.Sequential) and type(child).forward is nn.Sequential.forward:
            yield from _opened(child, f"{prefix}{name}.")
        else:
            yield prefix + name, child


def _calls(net: nn.Module, x: Tensor) -> tuple[list[tuple[str, nn.Module]], Tensor]:
    """The opened modules in the order in which a forward pass calls them, and its output."""
    called: list[tuple[str, nn.Module]] = []
    hooks = [
        module.register_forward_hook(lambda m, _x, _y, name=name: called.append((name, m)))
        for name, module in _opened(net)
    ]
    try:
        output: Tensor = net(x)
    finally:
        for hook in hooks:
            hook.remove()
    names = [name for name, _ in called]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ChainError(f"{_title(net)} runs its module {twice} more than once")
    return called, output


def _split(net: nn.Module, called: list[tuple[str, nn.Module]], x: Tensor) -> Chain:
    """Trunk up to the last module that gives a map of more than one place; the rest classifies."""
    end = 0
    for i, (name, module) in enumerate(called):
        try:
            x = module(_taken_by(module, x))
        except (RuntimeError, TypeError, ValueError, AssertionError) as error:
            raise ChainError(
                f"{_title(net)} is no chain: its module {name} does not take what the one "
                "before it gives"
            ) from error
        if x.dim() == 4 and x.shape[-1] > 1:
            if x.shape[2] != x.shape[3]:
                raise ChainError(f"{_title(net)}: {name} gives no map [n, channels, h, w]")
            end = i + 1
    head = Classifier()
    for name, module in called[end:]:
        head.add_module(name.replace(".", "_"), module)
    return Chain(tuple(called[:end]), head)


def _title(net: nn.Module) -> str:
    return type(net).__name__
