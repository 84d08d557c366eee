"""Random problems of the studies, and the least l1 norm with which answers are compared."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.lab.studies.diagonal.sparse_drawing import SparseDrawing
from wnsense.sensing.drawn_maps import gaussian_map
from wnsense.sensing.linear_map import LinearMap
from wnsense.sensing.map_sources import linear_map
from wnsense.sparse.references import basis_pursuit

# Truths have seeds of their own, so that A is the same for every sparsity.
_TRUTH_SEED = 1_000_000
# Entries of a vertex of the linear program that its tolerance leaves at zero.
_ZERO = 1e-9


def drawn(drawing: SparseDrawing) -> tuple[LinearMap, Float[Tensor, " n"]]:
    """Return the map and the truth."""
    A = gaussian_map(drawing.rows, drawing.columns, torch.Generator().manual_seed(drawing.seed))
    rng = torch.Generator().manual_seed(_TRUTH_SEED * drawing.sparsity + drawing.seed)
    truth = torch.zeros(drawing.columns, dtype=A.dtype)
    places = torch.randperm(drawing.columns, generator=rng)[: drawing.sparsity]
    truth[places] = torch.randn(drawing.sparsity, generator=rng, dtype=A.dtype)
    if drawing.least_norm is not None:
        truth = truth * (drawing.least_norm / least_norm(A.dense().numpy(), A.times(truth).numpy(), signed=True))
    return A, truth


def least_norm(A: Float[np.ndarray, "m n"], y: Float[np.ndarray, " m"], *, signed: bool) -> float:
    """Return the least `||z||_1` over `A z = y` (and `z >= 0` if not signed).

    It is found by the linear program. The system is then solved again on the support of the program's vertex, for
    more digits than the program's tolerance gives.

    Raises:
        InputError: If no `z` explains `y`.
    """
    solved = basis_pursuit(linear_map(A), torch.from_numpy(y), nonnegative=not signed).solution.numpy()
    support = np.abs(solved) > _ZERO * np.abs(solved).max()
    exact = np.linalg.lstsq(A[:, support], y, rcond=None)[0]
    return float(np.abs(exact).sum())
