"""The spectrum along a run, as columns of its trace: what a run does with more rank than it needs."""

import numpy as np
import torch
from torch import Tensor

from wnsense.linalg import symmetric_part
from wnsense.running.trace import Columns
from wnsense.sensing.low_rank import LowRank
from wnsense.solvers.objective import SensingObjective

# The name of the metric, and what the names of its columns begin with.
SPECTRUM = "spectrum"
# Of a run with more directions than this the leading ones are written down.
_MOST_VALUES = 32


def recorded_spectrum(objective: SensingObjective, point: LowRank) -> Tensor:
    """The leading eigenvalues (singular values where rectangular) in the user's units, the largest magnitude first.

    From the triangular factor of the frame, at no application. NaN where the run has diverged.
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
    """The trace with `spectrum_1`, `spectrum_2` and so on in place of one column of several numbers a row.

    Stages of different widths then lie end to end, and every column is one of a data frame.
    """
    columns = dict(trace)
    values = columns.pop(SPECTRUM, None)
    if values is not None:
        columns |= {f"{SPECTRUM}_{place + 1}": np.ascontiguousarray(of) for place, of in enumerate(values.T)}
    return Columns(columns)
