"""Matrices as users have them, by their factors."""

import torch

from wnsense.checks import require, require_finite, require_size
from wnsense.linalg import symmetric_part
from wnsense.sensing.given_numbers import NumbersLike, floating_tensor
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.space import Space


def low_rank_from(name: str, matrix: LowRank | NumbersLike, space: Space) -> LowRank:
    """Return a matrix by its factors, in the precision of a space.

    A full matrix is decomposed: by eigenvalues for the symmetric kinds, by singular values otherwise. Values at the
    level of rounding are left out.

    Args:
        name: Name of the matrix, for messages.
        matrix: Matrix by its factors, or a full matrix, (m1, m2).
        space: Space that the matrix belongs to.

    Raises:
        InputError: If a full matrix has another size or symmetry, is complex where the space is real, or is not finite.
    """
    if isinstance(matrix, LowRank):
        # A complex matrix has no place in a real space; the checks of sizes and distances tell so.
        is_lossless = space.is_complex or not matrix.dtype.is_complex
        return matrix.to(device=space.device, dtype=space.dtype) if is_lossless else matrix
    Z = floating_tensor(name, matrix)
    require_size(name, Z.shape, space.shape)
    is_real = space.is_complex or not Z.is_complex()
    require(is_real, f"{name} that is real, as the unknown", Z.dtype, "complex unknowns need a complex dtype")
    require_finite(name, Z)
    # Half of the digits of the numbers that came: products of factors are symmetric up to rounding.
    asymmetry = torch.finfo(Z.dtype).eps ** 0.5
    Z = Z.to(device=space.device, dtype=space.dtype)
    if space.kind.is_symmetric:
        difference, size = float((Z - Z.mH).norm()), float(Z.norm())
        came = f"one that differs from its transpose by {difference / size if size else 0.0:.1e}"
        require(difference <= asymmetry * size, f"{name} that is symmetric for kind {space.kind}", came)
        values, vectors = torch.linalg.eigh(symmetric_part(Z))
        order = values.abs().argsort(descending=True)[: _rank(values.abs(), space)]
        return LowRank(vectors[:, order], torch.diag(values[order]).to(space.dtype))
    U, values, Vh = torch.linalg.svd(Z, full_matrices=False)
    rank = _rank(values, space)
    return LowRank(U[:, :rank], torch.diag(values[:rank]).to(space.dtype), Vh[:rank].mH)


def _rank(magnitudes: torch.Tensor, space: Space) -> int:
    """Return the number of magnitudes above rounding, at least 1."""
    rounding = torch.finfo(space.real_dtype).eps * max(space.shape)
    return max(1, int((magnitudes > rounding * magnitudes.max()).sum()))
