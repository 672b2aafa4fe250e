"""Rewrite a piece of a network for inference: fewer and larger calls.

torch.fx traces the piece as a graph. Dropouts and merged norms are removed, and with `pack` the
sequences convolution + ReLU, convolution + residual sum (+ ReLU) and linear + ReLU become one
oneDNN call each (`kernels`). A module that fx cannot trace runs unchanged in the new precision.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable
from types import MethodType
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from mc_models.inference.kernels import BandedNorm, InFloat32, packed
from mc_models.networks.caffenet import NeighbourNorm

RELUS = (F.relu, torch.relu, torch.relu_, "relu", "relu_")
SUMS = (operator.add, operator.iadd, torch.add, "add", "add_")


def fuse(
    piece: nn.Module, x: Tensor, dtype: torch.dtype, pack: bool, gives_logits: bool = False
) -> Callable[[Tensor], Tensor]:
    """Return a copy of `piece` (eval mode, norms merged) that computes inputs like `x` in `dtype`.

    `x` is float32 and on the device that is to run the piece. With `gives_logits` the last layer
    with weights stays float32.
    """
    piece = nn.Sequential(copy.deepcopy(piece))  # a piece of one layer is traced like any other
    try:
        graph = _Tracer().trace(piece)
    except (fx.proxy.TraceError, TypeError, ValueError, RuntimeError):
        return piece.to(dtype)
    module = fx.GraphModule(piece, graph)
    _Fuser(module, x, dtype, pack, gives_logits).run()
    return _only_step(module) or module.forward  # no hooks, so the module's call adds nothing


def _only_step(module: fx.GraphModule) -> Callable[[Tensor], Tensor] | None:
    """The graph's layer if it has only one; calling it directly saves some microseconds."""
    steps = [node for node in module.graph.nodes if node.op not in ("placeholder", "output")]
    if len(steps) != 1:
        return None
    if steps[0].op == "call_module":
        return module.get_submodule(str(steps[0].target)).forward
    return steps[0].target if isinstance(steps[0].target, MethodType) else None


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, NeighbourNorm) or super().is_leaf_module(m, module_qualified_name)


class _Recorder(fx.Interpreter):
    """Runs a graph and keeps each node's output."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.values: dict[fx.Node, Any] = {}

    def run_node(self, n: fx.Node) -> Any:
        self.values[n] = super().run_node(n)
        return self.values[n]


class _Fuser:
    """One rewrite of one graph."""

    def __init__(
        self, module: fx.GraphModule, x: Tensor, dtype: torch.dtype, pack: bool, gives_logits: bool
    ) -> None:
        self._module, self._graph = module, module.graph
        self._dtype, self._pack = dtype, pack
        self._banded = pack or x.is_cuda
        self._drop_no_ops()
        recorder = _Recorder(module)
        recorder.run(x.clone())  # a piece may work in place
        self._values = recorder.values
        weighted = [node for node in self._graph.nodes if self._has_weights(node)]
        self._logits = weighted[-1] if gives_logits and weighted else None

    def run(self) -> None:
        """Replace layers by kernels and recompile the piece."""
        if self._logits is not None:  # before the module's weights are rounded
            output_layer = InFloat32(copy.deepcopy(self._layer(self._logits)))
            self._put([self._logits], output_layer.forward, self._logits.args[0])
        self._module.to(self._dtype)
        nodes: list[fx.Node] = list(self._graph.nodes)
        for node in nodes:
            if self._pack and self._has_weights(node):
                self._pack_layer(node)
            elif self._banded and isinstance(self._layer(node), NeighbourNorm):
                norm = BandedNorm(self._layer(node), self._sample(node.args[0]), self._dtype)
                self._put([node], norm.forward, node.args[0])
        self._module.delete_all_unused_submodules()
        self._module.recompile()

    # --- reading the graph ------------------------------------------------------------------

    def _layer(self, node: fx.Node) -> Any:
        return self._module.get_submodule(str(node.target)) if node.op == "call_module" else None

    def _has_weights(self, node: fx.Node) -> bool:
        return isinstance(self._layer(node), nn.Conv2d | nn.Linear)

    def _is_relu(self, node: fx.Node) -> bool:
        return node.target in RELUS or isinstance(self._layer(node), nn.ReLU)

    def _only_user(self, node: fx.Node) -> fx.Node | None:
        return next(iter(node.users)) if len(node.users) == 1 else None

    def _summand(self, layer: fx.Node, user: fx.Node) -> fx.Node | None:
        """The other input, if `user` adds the layer's output to a tensor of the same shape."""
        if user.target not in SUMS or len(user.args) != 2 or user.kwargs:
            return None
        others = [arg for arg in user.args if arg is not layer]
        other = others[0] if len(others) == 1 else None
        if not isinstance(other, fx.Node) or not isinstance(self._values[other], Tensor):
            return None
        return other if self._values[other].shape == self._values[layer].shape else None

    def _sample(self, node: Any) -> Tensor:
        value: Tensor = self._values[node]
        return value.to(self._dtype)

    # --- rewriting --------------------------------------------------------------------------

    def _drop_no_ops(self) -> None:
        for node in list(self._graph.nodes):
            if isinstance(self._layer(node), nn.Identity | nn.Dropout):
                node.replace_all_uses_with(node.args[0])
                self._graph.erase_node(node)

    def _pack_layer(self, node: fx.Node) -> None:
        """Replace the layer, and a sum and a ReLU that follow it, by one kernel."""
        layer, run, inputs = self._layer(node), [node], [node.args[0]]
        user = self._only_user(node)
        other = self._summand(node, user) if user and isinstance(layer, nn.Conv2d) else None
        if user and other:
            run.append(user)
            inputs.append(other)
            user = self._only_user(user)
        relu = user is not None and self._is_relu(user)
        if user and relu:
            run.append(user)
        kernel = packed(layer, self._sample(node.args[0]), relu)
        if kernel is not None:
            self._put(run, kernel.forward, *inputs)

    def _put(self, run: list[fx.Node], kernel: Callable[..., Tensor], *inputs: Any) -> None:
        """Replace the nodes of `run` by `kernel`, which computes the output of the last one."""
        with self._graph.inserting_after(run[-1]):
            new = self._graph.call_function(kernel, inputs)
        self._values[new] = self._values[run[-1]]
        run[-1].replace_all_uses_with(new)
        for node in reversed(run):
            self._graph.erase_node(node)
