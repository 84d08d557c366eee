"""Report on the layers of any model: weight-normalized ones with their row lengths, and others with a matrix."""

from dataclasses import dataclass

from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from wnsense.networks.compiled import named_originals
from wnsense.networks.layers import LayerKind, NormalizedLayer
from wnsense.values import by_value


@dataclass(frozen=True)
@by_value
class LayerReport:
    """Row lengths of one weight-normalized layer.

    Attributes:
        name: Name of the layer in the model.
        kind: Implementation of its normalization.
        rows: Number of rows with a length of their own.
        shortest: Length of the shortest row of `v`.
        longest: Length of the longest row of `v`.
        has_trained_length: True if `g` is trained.
    """

    name: str
    kind: LayerKind
    rows: int
    shortest: float
    longest: float
    has_trained_length: bool


def layer_report(layer: NormalizedLayer) -> LayerReport:
    """Return the report on a weight-normalized layer."""
    lengths = layer.row_norms
    ends = float(lengths.min()), float(lengths.max())
    return LayerReport(layer.name, layer.kind, len(lengths), *ends, layer.has_trained_length)


def plain_layers(model: nn.Module, layers: tuple[NormalizedLayer, ...]) -> tuple[str, ...]:
    """Return the names of layers that have a matrix or a kernel but no weight normalization.

    Args:
        model: Any model.
        layers: Its weight-normalized layers.
    """
    normalized = {id(layer.module) for layer in layers}
    inside = tuple(
        f"{name}.parametrizations".lstrip(".") for name, module in named_originals(model) if is_parametrized(module)
    )
    return tuple(
        name or type(module).__name__
        for name, module in named_originals(model)
        if id(module) not in normalized and not name.startswith(inside) and _has_matrix(module)
    )


def _has_matrix(module: nn.Module) -> bool:
    own = list(module.parameters(recurse=False))
    parametrizations = getattr(module, "parametrizations", None)
    if isinstance(parametrizations, nn.ModuleDict):
        own += list(parametrizations.parameters())
    return any(parameter.dim() > 1 for parameter in own)
