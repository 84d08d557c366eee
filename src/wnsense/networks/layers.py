"""Weight-normalized layers: parametrizations of linear layers, and search for such layers in any model."""

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

from wnsense.checks import require
from wnsense.networks.compiled import named_originals
from wnsense.values import by_value

_WEIGHT = "weight"
# The class that torch puts behind `torch.nn.utils.parametrizations.weight_norm`; it has no public name.
_TORCH_NORM = type(weight_norm(nn.Linear(1, 1)).parametrizations[_WEIGHT][0])


class Normalization(StrEnum):
    """Map from the parameters of a hidden layer to its matrix."""

    WEIGHT = "weight"
    L1 = "l1"
    NONE = "none"


class L1Norm(nn.Module):
    """Parametrization `W_i = g v_i / ||v_i||_1` with one `g` for the whole layer (arXiv 2404.19112)."""

    def forward(self, length: Float[Tensor, ""], direction: Float[Tensor, "rows columns"]) -> Tensor:
        """Return the matrix `W`."""
        return length * direction / direction.abs().sum(1, keepdim=True)

    def right_inverse(self, weight: Float[Tensor, "rows columns"]) -> tuple[Tensor, Tensor]:
        """Return `g` and `v` for a matrix: `g` is the mean of the rows' L1 norms.

        `forward` gives the matrix again only if all its rows have the same L1 norm.
        """
        return weight.abs().sum(1).mean(), weight


class ExactWeightNorm(nn.Module):
    """Parametrization of torch's `weight_norm` by operations whose second derivatives are right.

    torch's own implementation is a fused kernel. Its backward pass, when it is differentiated again, takes the lengths
    of the rows for constants. Hessians of such models are therefore wrong and not symmetric, without a warning.
    """

    def __init__(self, dim: int) -> None:
        """Create the parametrization for the dimension that counts rows; -1 for one length of all entries."""
        super().__init__()
        self.dim = dim

    def forward(self, length: Tensor, direction: Tensor) -> Tensor:
        """Return `g v / ||v||`."""
        return _scaled_to(direction, length, self.dim)


@contextmanager
def twice_differentiable(model: nn.Module) -> Iterator[None]:
    """Give weight normalization in a model right second derivatives while this is open.

    Both of torch's implementations are covered, parametrization and hooks. Parameters and names do not change; values
    may differ in their last digit.
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
                # A nested call finds the hook already replaced, and leaves it.
                if "compute_weight" not in vars(hook):
                    hooks.append(hook)
                    # An attribute of the instance hides the method of the class until it is deleted.
                    vars(hook)["compute_weight"] = partial(_exact_weight, hook)
        yield
    finally:
        for own, original in chains:
            own[0] = original
        for hook in hooks:
            del vars(hook)["compute_weight"]


class ScaledMatrix(nn.Module):
    """Parametrization `s W` without normalization, with the same scaling `s` as the normalized layers."""

    def __init__(self, scale: float) -> None:
        """Create the parametrization for a scaling `s`."""
        super().__init__()
        self.scale = scale

    def forward(self, weight: Tensor) -> Tensor:
        """Return the matrix `s W`."""
        return self.scale * weight

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Return the parameter `W` of a matrix."""
        return weight / self.scale

    def extra_repr(self) -> str:
        """Return the arguments that a printed model shows."""
        return f"scale={self.scale:g}"

    def _get_name(self) -> str:
        """Return the name in a printed model, which is part of the fingerprint of checkpoints."""
        return "Scaled"


def normalized_linear(linear: nn.Linear, scale: float, *, train_length: bool) -> nn.Linear:
    """Put torch's `weight_norm` on a layer: `z = s <W_i / ||W_i||, a>`.

    In torch's names, `original0` is `s` and `original1` is `W`.

    Args:
        linear: Linear layer, changed in place; its weight becomes `W`.
        scale: Scaling `s`.
        train_length: True if `s` is the start of a trained number for each row, torch's `g`; False if it is fixed.
    """
    normalized = cast("nn.Linear", weight_norm(linear, dim=0))
    length = _original(normalized, "original0")
    with torch.no_grad():
        length.fill_(scale)
    length.requires_grad_(train_length)
    return normalized


def l1_linear(linear: nn.Linear, length: float, *, train_length: bool) -> nn.Linear:
    """Put `L1Norm` on a layer: arguments as for `normalized_linear`, with one length for all rows."""
    parametrize.register_parametrization(linear, _WEIGHT, L1Norm())
    g = _original(linear, "original0")
    with torch.no_grad():
        g.fill_(length)
    g.requires_grad_(train_length)
    return linear


def plain_linear(linear: nn.Linear, scale: float) -> nn.Linear:
    """Put the scaling of `z = s <W_i, a>` on a layer; for `s = 1` return the layer itself."""
    if scale == 1:
        return linear
    with torch.no_grad():
        W = linear.weight.clone()
        parametrize.register_parametrization(linear, _WEIGHT, ScaledMatrix(scale))
        # Copied, since the way through `W / s` rounds.
        _original(linear, "original").copy_(W)
    return linear


class LayerKind(StrEnum):
    """Implementation of weight normalization in a layer."""

    PARAMETRIZATION = "parametrization"
    HOOKS = "hooks (deprecated)"
    L1 = "L1, one length"


@dataclass(frozen=True)
@by_value
class NormalizedLayer:
    """Weight-normalized layer of any model.

    Attributes:
        name: Name of the module in the model, followed by that of the tensor if it is not `weight`.
        module: Module with the parameters.
        direction: Parameter `v`, whose rows are divided by their lengths.
        length: Parameter `g`.
        dim: Dimension of `v` that counts rows; None if all of `v` has one length.
        order: Order of the norm that divides, 2 or 1.
    """

    name: str
    module: nn.Module
    direction: Tensor
    length: Tensor
    dim: int | None
    order: int = 2

    @property
    def rows(self) -> Float[Tensor, "rows columns"]:
        """Direction `v` as a matrix of rows."""
        v = self.direction
        return v.reshape(1, -1) if self.dim is None else v.movedim(self.dim, 0).flatten(1)

    @property
    def row_norms(self) -> Float[Tensor, " rows"]:
        """Lengths `||v_i||` in the norm that divides, (rows,), detached."""
        lengths: Tensor = torch.linalg.vector_norm(self.rows.detach(), ord=self.order, dim=1)
        return lengths

    @property
    def kind(self) -> LayerKind:
        """Implementation of the normalization."""
        if self.order == 1:
            return LayerKind.L1
        return LayerKind.PARAMETRIZATION if hasattr(self.module, "parametrizations") else LayerKind.HOOKS

    @property
    def has_trained_length(self) -> bool:
        """True if `g` is trained."""
        return self.length.requires_grad


def normalized_layers(model: nn.Module) -> tuple[NormalizedLayer, ...]:
    """Return the weight-normalized layers of any model, in the order of its modules.

    They are found if they use torch's parametrization, torch's older `torch.nn.utils.weight_norm` by hooks, or
    `L1Norm`.
    """
    return tuple(
        layer
        for name, module in named_originals(model)
        for layer in (*_parametrized(name, module), *_hooked(name, module))
    )


def require_normalized_layers(model: nn.Module) -> tuple[NormalizedLayer, ...]:
    """Return the weight-normalized layers of a model that must have one.

    Raises:
        InputError: If no layer is weight-normalized.
    """
    layers = normalized_layers(model)
    require(layers, "a weight-normalized layer", "a model without one", "see normalized_layers(model)")
    return layers


def parameter_matrix(linear: nn.Module) -> Float[Tensor, "rows columns"]:
    """Return the parameter `W` of a linear layer, with a parametrization of this module or without one."""
    if not parametrize.is_parametrized(linear):
        return cast("Tensor", linear.weight)
    chain = cast("nn.ModuleDict", linear.parametrizations)[_WEIGHT]
    return _original(linear, "original" if hasattr(chain, "original") else "original1")


def shared_length(linear: nn.Module) -> Float[Tensor, ""]:
    """Return the length `g` of a layer with `L1Norm`."""
    return _original(linear, "original0")


def _parametrized(name: str, module: nn.Module) -> Iterator[NormalizedLayer]:
    if not parametrize.is_parametrized(module):
        return
    for tensor, chain in cast("nn.ModuleDict", module.parametrizations).items():
        first = cast("nn.ModuleList", chain)[0]
        if isinstance(first, _TORCH_NORM | ExactWeightNorm | L1Norm):
            dim = 0 if isinstance(first, L1Norm) else cast("int", first.dim)
            v, g = cast("Tensor", chain.original1), cast("Tensor", chain.original0)
            order = 1 if isinstance(first, L1Norm) else 2
            # torch writes -1 for one length of all entries.
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
    """Return the rows of `v` at lengths `g`.

    The square is used because its derivatives cost a quarter less than those of a norm.
    """
    along = [d for d in range(direction.dim()) if d != dim]
    return direction * (length * direction.square().sum(along, keepdim=dim != -1).rsqrt())


def _original(module: nn.Module, part: str) -> Tensor:
    return cast("Tensor", getattr(cast("nn.ModuleDict", module.parametrizations)[_WEIGHT], part))


def _full(name: str, tensor: str) -> str:
    if tensor == _WEIGHT:
        return name or _WEIGHT
    return f"{name}.{tensor}" if name else tensor
