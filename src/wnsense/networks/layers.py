"""Linear layers under the parametrizations that a network is made of, and finding such layers in any model."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import weight_norm
from torch.nn.utils.weight_norm import WeightNorm

from wnsense.checks import InputError

_WEIGHT = "weight"
# The class that torch puts behind `torch.nn.utils.parametrizations.weight_norm`; it has no public name.
_TORCH_NORM = type(weight_norm(nn.Linear(1, 1)).parametrizations[_WEIGHT][0])


class Normalization(StrEnum):
    """How a hidden layer makes its matrix of its parameters."""

    WEIGHT = "weight"
    L1 = "l1"
    NONE = "none"


class L1Norm(nn.Module):
    """W_i = g v_i / ||v_i||_1 with one g for the whole layer (arXiv 2404.19112)."""

    def forward(self, length: Float[Tensor, ""], direction: Float[Tensor, "rows columns"]) -> Tensor:
        """The matrix."""
        return length * direction / direction.abs().sum(1, keepdim=True)

    def right_inverse(self, weight: Float[Tensor, "rows columns"]) -> tuple[Tensor, Tensor]:
        """G is the mean of the rows' L1 norms; a matrix whose rows are not alike comes back changed."""
        return weight.abs().sum(1).mean(), weight


class ExactWeightNorm(nn.Module):
    """What torch's `weight_norm` computes, in operations whose second derivatives are right.

    torch's own is a fused kernel. Its backward pass takes the rows' lengths for constants when it is differentiated
    again, so that Hessians of such models come out wrong, and not even symmetric, without a warning.
    """

    def __init__(self, dim: int) -> None:
        """Keep the dimension that counts rows; -1 where there is one length for all."""
        super().__init__()
        self.dim = dim

    def forward(self, length: Tensor, direction: Tensor) -> Tensor:
        """G v / ||v||."""
        return _scaled_to(direction, length, self.dim)


@contextmanager
def twice_differentiable(model: nn.Module) -> Iterator[None]:
    """While this is open, weight normalization in a model, of either of torch's kinds, has right second derivatives.

    The model is otherwise the same, parameters and names included; values may differ in their last digit.
    """
    chains: list[tuple[nn.ModuleList, nn.Module]] = []
    hooks: list[WeightNorm] = []
    try:
        for module in model.modules():
            if parametrize.is_parametrized(module):
                for chain in cast("nn.ModuleDict", module.parametrizations).values():
                    own = cast("nn.ModuleList", chain)
                    if isinstance(own[0], _TORCH_NORM):
                        chains.append((own, own[0]))
                        own[0] = ExactWeightNorm(cast("int", own[0].dim))
            for hook in _weight_norm_hooks(module):
                # One within another leaves it to the other.
                if "compute_weight" not in vars(hook):
                    hooks.append(hook)
                    # An instance's attribute hides the method of its class until it is deleted.
                    vars(hook)["compute_weight"] = partial(_exact_weight, hook)
        yield
    finally:
        for own, torchs in chains:
            own[0] = torchs
        for hook in hooks:
            del vars(hook)["compute_weight"]


class Scaled(nn.Module):
    """The matrix s W of a parameter W: without normalization, under the same scaling."""

    def __init__(self, scale: float) -> None:
        """Keep s."""
        super().__init__()
        self.scale = scale

    def forward(self, weight: Tensor) -> Tensor:
        """The matrix."""
        return self.scale * weight

    def right_inverse(self, weight: Tensor) -> Tensor:
        """The parameter."""
        return weight / self.scale

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"scale={self.scale:g}"


def normalized_linear(linear: nn.Linear, scale: float, *, train_length: bool) -> nn.Linear:
    """Put torch's `weight_norm` on a layer, z = s <W_i / ||W_i||, a>: its `original0` is s, its `original1` is W.

    Args:
        linear: The layer, changed in place; its weight becomes W.
        scale: s.
        train_length: Whether s is the start of a trained number for each row, torch's `g`, or stays.
    """
    normalized = cast("nn.Linear", weight_norm(linear, dim=0))
    length = _original(normalized, "original0")
    with torch.no_grad():
        length.fill_(scale)
    length.requires_grad_(train_length)
    return normalized


def l1_linear(linear: nn.Linear, length: float, *, train_length: bool) -> nn.Linear:
    """Put `L1Norm` on a layer; arguments as for `normalized_linear`, with one number for the layer."""
    parametrize.register_parametrization(linear, _WEIGHT, L1Norm())
    g = _original(linear, "original0")
    with torch.no_grad():
        g.fill_(length)
    g.requires_grad_(train_length)
    return linear


def plain_linear(linear: nn.Linear, scale: float) -> nn.Linear:
    """Z = s <W_i, a>; the layer itself for s = 1."""
    if scale == 1:
        return linear
    with torch.no_grad():
        W = linear.weight.clone()
        parametrize.register_parametrization(linear, _WEIGHT, Scaled(scale))
        # Not by way of W / s, which rounds.
        _original(linear, "original").copy_(W)
    return linear


@dataclass(frozen=True)
class NormalizedLayer:
    """A weight-normalized layer of some model.

    Attributes:
        name: Of the module in the model, with the tensor's where it is not `weight`.
        module: The module.
        direction: v, a parameter, whose rows are divided by their lengths.
        length: g.
        dim: The dimension of v that counts rows; None where all of v has one length.
        order: Of the norm, 2 or 1.
    """

    name: str
    module: nn.Module
    direction: Tensor
    length: Tensor
    dim: int | None
    order: int = 2

    @property
    def rows(self) -> Float[Tensor, "rows columns"]:
        """The direction as a matrix of rows."""
        v = self.direction
        return v.reshape(1, -1) if self.dim is None else v.movedim(self.dim, 0).flatten(1)

    @property
    def row_norms(self) -> Float[Tensor, " rows"]:
        """||v_i||, detached, in the norm that divides."""
        lengths: Tensor = torch.linalg.vector_norm(self.rows.detach(), ord=self.order, dim=1)
        return lengths

    @property
    def has_trained_length(self) -> bool:
        """Whether g is trained."""
        return self.length.requires_grad


def normalized_layers(model: nn.Module) -> tuple[NormalizedLayer, ...]:
    """The weight-normalized layers of any model, in the model's order.

    Known are torch's parametrization, its older `torch.nn.utils.weight_norm` by hooks, and `L1Norm`.
    """
    found: list[NormalizedLayer] = []
    for name, module in model.named_modules():
        found += [*_parametrized(name, module), *_hooked(name, module)]
    return tuple(found)


def parameter_matrix(linear: nn.Module) -> Float[Tensor, "rows columns"]:
    """The parameter W behind a linear layer's matrix, under any parametrization of this module or none."""
    if not parametrize.is_parametrized(linear):
        return cast("Tensor", linear.weight)
    chain = cast("nn.ModuleDict", linear.parametrizations)[_WEIGHT]
    return _original(linear, "original" if hasattr(chain, "original") else "original1")


def shared_length(linear: nn.Module) -> Float[Tensor, ""]:
    """The g of a layer under `L1Norm`."""
    return _original(linear, "original0")


def minimum_row_norm(model: nn.Module) -> Float[Tensor, ""]:
    """W_min, the length of the shortest row of all weight-normalized layers; left on the device.

    Raises:
        InputError: When no layer is weight-normalized.
    """
    layers = normalized_layers(model)
    if not layers:
        raise InputError("needed a weight-normalized layer, got a model without one; see normalized_layers(model)")
    return torch.stack([layer.row_norms.min() for layer in layers]).min()


def _parametrized(name: str, module: nn.Module) -> Iterator[NormalizedLayer]:
    if not parametrize.is_parametrized(module):
        return
    for tensor, chain in cast("nn.ModuleDict", module.parametrizations).items():
        first = cast("nn.ModuleList", chain)[0]
        if isinstance(first, _TORCH_NORM | ExactWeightNorm | L1Norm):
            dim = 0 if isinstance(first, L1Norm) else cast("int", first.dim)
            v, g = cast("Tensor", chain.original1), cast("Tensor", chain.original0)
            order = 1 if isinstance(first, L1Norm) else 2
            # -1 is torch's word for one length of all.
            yield NormalizedLayer(_full(name, tensor), module, v, g, None if dim == -1 else dim, order)


def _hooked(name: str, module: nn.Module) -> Iterator[NormalizedLayer]:

    for hook in _weight_norm_hooks(module):
        v, g = (getattr(module, f"{hook.name}_{part}") for part in "vg")
        yield NormalizedLayer(_full(name, hook.name), module, v, g, None if hook.dim == -1 else hook.dim)


def _weight_norm_hooks(module: nn.Module) -> list[WeightNorm]:
    # The hooks of a module have no public list.
    return [hook for hook in vars(module)["_forward_pre_hooks"].values() if isinstance(hook, WeightNorm)]


def _exact_weight(hook: WeightNorm, module: nn.Module) -> Tensor:
    v, g = (getattr(module, f"{hook.name}_{part}") for part in "vg")
    return _scaled_to(v, g, hook.dim)


def _scaled_to(direction: Tensor, length: Tensor, dim: int) -> Tensor:
    """The rows of v at lengths g. By the square, whose derivatives are a quarter cheaper than those of a norm."""
    along = [d for d in range(direction.dim()) if d != dim]
    return direction * (length * direction.square().sum(along, keepdim=dim != -1).rsqrt())


def _original(module: nn.Module, part: str) -> Tensor:
    return cast("Tensor", getattr(cast("nn.ModuleDict", module.parametrizations)[_WEIGHT], part))


def _full(name: str, tensor: str) -> str:
    if tensor == _WEIGHT:
        return name or _WEIGHT
    return f"{name}.{tensor}" if name else tensor
