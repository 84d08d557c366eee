"""Row lengths of weight-normalized layers: read, rescale and set them without a change of the function."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from wnsense.checks import require, size_text
from wnsense.networks.layers import NormalizedLayer, normalized_layers, require_normalized_layers
from wnsense.networks.network import Network
from wnsense.networks.row_ranges import check_row_norms, exact_row_norms, require_positive, span_text

NAN = float("nan")


def minimum_row_norm(model: nn.Module) -> Float[Tensor, ""]:
    """Return `W_min`, the length of the shortest row of all weight-normalized layers, on the model's device.

    Raises:
        InputError: If no layer is weight-normalized.
    """
    return torch.stack([layer.row_norms.min() for layer in require_normalized_layers(model)]).min()


def row_norm_range(model: nn.Module) -> tuple[float, float]:
    """Return the lengths of the shortest and the longest row of weight-normalized layers.

    For a `Network` without normalization they are those of the rows of `W`; for other models they are NaN.
    """
    norms = [layer.row_norms for layer in normalized_layers(model)]
    if not norms and isinstance(model, Network):
        norms = list(model.row_norms())
    if not norms:
        return NAN, NAN
    ends = torch.stack([torch.stack([rows.min(), rows.max()]) for rows in norms])
    return float(ends[:, 0].min()), float(ends[:, 1].max())


@torch.no_grad()
def rescale_rows(model: nn.Module, factor: float | Float[Tensor, " rows"]) -> None:
    """Multiply the rows of `v` in all weight-normalized layers.

    The function `f` stays equal, and its gradients by `v` are divided by the factor.

    Args:
        model: Any model; changed in place.
        factor: Positive number for all rows, or (rows,) if all layers have the same number of rows.

    Raises:
        InputError: If no layer is weight-normalized, the factor is not positive or of another size, or the new
            lengths are out of the range of the layer's dtype. The model is then unchanged.
    """
    layers = require_normalized_layers(model)
    exact = torch.as_tensor(factor, dtype=torch.float64)
    require(exact.numel() > 0 and (exact > 0).all(), "a positive factor", span_text(exact))
    for layer in layers:
        lengths = exact_row_norms(layer)
        fits = exact.dim() == 0 or exact.shape == lengths.shape
        advice = "rescale layers of other sizes one by one, or all by one number"
        require(
            fits, f"one factor, or {len(lengths)}, one for each row of {layer.name!r}", size_text(exact.shape), advice
        )
        # The factor is checked as it is after rounding to the layer's dtype.
        _check_layer(layer, lengths * exact.to(layer.direction).double())
    for layer in layers:
        layer.direction.mul_(_along_rows(layer, exact.to(layer.direction)))


@torch.no_grad()
def set_row_norms(model: nn.Module, row_norm: float) -> None:
    """Set the length of all rows of `v` in all weight-normalized layers. The function `f` stays equal.

    Lengths are measured in the norm that divides the rows.

    Args:
        model: Any model; changed in place.
        row_norm: New length, positive.

    Raises:
        InputError: If no layer is weight-normalized, a row has length 0, or the new length is not positive or out of
            the range of the layer's dtype. The model is then unchanged.
    """
    layers = require_normalized_layers(model)
    require_positive("row norm", row_norm)
    for layer in layers:
        lengths = exact_row_norms(layer)
        bad = int((~(torch.isfinite(lengths) & (lengths > 0))).sum())
        advice = "a row of length 0 has no direction; draw it again"
        require(bad == 0, f"rows of a length above 0 in {layer.name!r}", f"{bad} without", advice)
        _check_layer(layer, torch.full_like(lengths, row_norm))
    for layer in layers:
        # In double precision, since the quotient of two lengths in range may itself be out of range.
        factor = _along_rows(layer, row_norm / exact_row_norms(layer))
        layer.direction.copy_(layer.direction.double() * factor)


def _check_layer(layer: NormalizedLayer, lengths: Float[Tensor, " rows"]) -> None:
    check_row_norms(f"rows of {layer.name!r}", lengths, layer.direction.dtype, layer.rows.shape[1])


def _along_rows(layer: NormalizedLayer, factor: Tensor) -> Tensor:
    """Return one factor for each row, or one for all rows, in a shape that multiplies `v`."""
    if layer.dim is None or factor.dim() == 0:
        return factor.reshape(()) if factor.numel() == 1 else factor
    shape = [1] * layer.direction.dim()
    shape[layer.dim] = -1
    return factor.reshape(shape)
