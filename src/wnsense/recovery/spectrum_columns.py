"""Spectrum along a run as columns of its trace; for the spectrum as evidence see `evidence.spectral_rank`."""

import numpy as np
import torch
from torch import Tensor

from wnsense.linalg import symmetric_part
from wnsense.running.trace import Columns
from wnsense.sensing.low_rank import LowRank
from wnsense.solvers.objective import SensingObjective

# Name of the metric, and prefix of the names of its columns.
SPECTRUM = "spectrum"
# Largest number of leading values that are recorded.
_MOST_VALUES = 32


def recorded_spectrum(objective: SensingObjective, point: LowRank) -> Tensor:
    """Return the leading eigenvalues (rectangular: singular values) in the user's units, largest magnitude first.

    They are computed from the triangular factor of the frame, without an application. NaN if the run has diverged.
    """
    Z = objective.to_user(point)
    R: Tensor = torch.linalg.qr(Z.X, mode="r").R
    S = R if Z.Y is None else torch.linalg.qr(Z.Y, mode="r").R
    core = R @ Z.Theta @ S.mH
    count = min(_MOST_VALUES, *core.shape[-2:])
    if not bool(torch.isfinite(core).all()):
        return core.real.new_full((count,), float("nan"))
    values: Tensor = torch.linalg.eigvalsh(symmetric_part(core)) if Z.Y is None else torch.linalg.svdvals(core)
    order = values.abs().argsort(descending=True, stable=True)
    return values[order[:count]]


def one_column_each(trace: Columns) -> Columns:
    """Return the trace with columns `spectrum_1`, `spectrum_2` and so on in place of one column of vectors.

    Stages of different widths can then follow each other, and each column fits a data frame.
    """
    columns = dict(trace)
    values = columns.pop(SPECTRUM, None)
    if values is not None:
        columns |= {f"{SPECTRUM}_{place + 1}": np.ascontiguousarray(column) for place, column in enumerate(values.T)}
    return Columns(columns)
