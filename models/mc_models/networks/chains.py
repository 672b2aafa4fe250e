"""A network as a chain: named modules that run one after another, then its classifier.

`as_chain` converts any torchvision classifier that is one: it opens containers, splits the trunk
from the classifier behind the last map, and checks that the chain and the network give the same
output. The check fails for a network that computes more between its modules, such as DenseNet
with its functional layers.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn


class ChainError(ValueError):
    """The network is not a chain of modules; the sentence names it and the reason."""


@dataclass(frozen=True)
class Chain:
    """`trunk`: (dotted name, module) in forward order; `head`: last map -> logits [n, classes].

    The dotted names are those of the weights in the network's own state dict.
    """

    trunk: tuple[tuple[str, nn.Module], ...]
    head: nn.Module


class Classifier(nn.Sequential):
    """A network's own classifier: pooling and dropout on the map, then layers on vectors."""

    def forward(self, x: Tensor) -> Tensor:
        """Logits [n, classes] of a map [n, channels, h, w]."""
        for layer in self:
            x = layer(_taken_by(layer, x))
        return x.flatten(1)


def _taken_by(layer: nn.Module, x: Tensor) -> Tensor:
    """`x` in the form that `layer` accepts: for a linear layer, the flat map or its means."""
    if not isinstance(layer, nn.Linear) or x.dim() != 4:
        return x
    return x.mean((2, 3)) if x.shape[1] == layer.in_features else x.flatten(1)


def torchvision_chain(name: str, classes: int) -> Chain:
    """A torchvision classifier by name, at its published widths, with fresh weights."""
    from torchvision import models

    if name not in models.list_models(module=models):
        raise ChainError(
            f"torchvision has no classifier '{name}'; torchvision.models.list_models() names them"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # GoogLeNet's, about its initialisation
        net = models.get_model(name, weights=None, num_classes=classes)
    return as_chain(net)


def as_chain(net: nn.Module, input_px: int = 224) -> Chain:
    """`net`, an image classifier, as a chain of its own modules. Raises ChainError.

    Modules that inference does not call, such as auxiliary heads, are left out.
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
        raise ChainError(
            f"{_title(net)} is not a chain: its output is not that of its modules run in order"
        )
    net.train(was_training)
    return chain


def _opened(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """The children of `module`, with every Sequential replaced by its own children."""
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
        raise ChainError(f"{_title(net)} is not a chain: it runs its module {twice} more than once")
    return called, output


def _split(net: nn.Module, called: list[tuple[str, nn.Module]], x: Tensor) -> Chain:
    """Split behind the last module with an output map larger than 1 x 1; the rest classifies."""
    end = 0
    for i, (name, module) in enumerate(called):
        try:
            x = module(_taken_by(module, x))
        except (RuntimeError, TypeError, ValueError, AssertionError) as error:
            raise ChainError(
                f"{_title(net)} is not a chain: its module {name} does not accept the output of "
                "the module before it"
            ) from error
        if x.dim() == 4 and x.shape[-1] > 1:
            if x.shape[2] != x.shape[3]:
                raise ChainError(f"{_title(net)}: the map of {name} is not square")
            end = i + 1
    head = Classifier()
    for name, module in called[end:]:
        head.add_module(name.replace(".", "_"), module)
    return Chain(tuple(called[:end]), head)


def _title(net: nn.Module) -> str:
    return type(net).__name__
