"""Range of row lengths that a floating-point dtype can hold."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.checks import require
from wnsense.networks.layers import NormalizedLayer


def exact_row_norms(layer: NormalizedLayer) -> Float[Tensor, " rows"]:
    """Return `||v_i||` in double precision, in which squares of single-precision numbers cannot under- or overflow."""
    lengths: Tensor = torch.linalg.vector_norm(layer.rows.detach(), ord=layer.order, dim=1, dtype=torch.float64)
    return lengths


def check_row_norms(rows: str, lengths: Float[Tensor, " rows"], dtype: torch.dtype, columns: int) -> None:
    """Refuse lengths at which entries, or sums of their squares, overflow or lose digits.

    Args:
        rows: Name of the rows, for the message.
        lengths: Lengths, in double precision.
        dtype: Dtype of the rows.
        columns: Number of entries of a row.

    Raises:
        InputError: If a length is out of range.
    """
    # torch sums squares of half precision in single precision.
    own, total = torch.finfo(dtype), torch.finfo(torch.promote_types(dtype, torch.float32))
    # At this length, entries below the smallest number of the dtype are less than rounding.
    least = math.sqrt(columns) * max(own.tiny, math.sqrt(total.tiny / total.eps))
    most = min(own.max, math.sqrt(total.max)) / 2
    fits = (lengths >= least) & (lengths <= most)
    name = str(dtype).removeprefix("torch.")
    require(fits.all(), f"{rows} with lengths from {least:.1e} to {most:.1e} in {name}", span_text(lengths[~fits]))


def require_positive(name: str, value: float) -> None:
    """Raise `InputError` unless a number is finite and positive."""
    require(math.isfinite(value) and value > 0, f"a positive {name}", value)


def span_text(values: Tensor) -> str:
    """Return the smallest and the largest number as text, or the number if both are equal."""
    if values.numel() == 0:
        return "none"
    least, most = float(values.min()), float(values.max())
    return f"{least:.3g}" if least == most or math.isnan(least) else f"{least:.3g} to {most:.3g}"
