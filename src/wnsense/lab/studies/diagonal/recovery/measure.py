"""Recovery by discrete descent: every start and rate of a part."""

from collections.abc import Mapping

import numpy as np
import torch

from wnsense.lab.studies.diagonal.cell_runs import CellRuns, equal_starts, objective_of, run_cells
from wnsense.lab.studies.diagonal.paced_descent import PacedDescent
from wnsense.lab.studies.diagonal.recovery.specification import RecoveryPart


def recovery_words(part: RecoveryPart) -> str:
    """Return a part in words, for reports of progress."""
    return f"s = {part.drawing.sparsity}, L = {part.depth}, problem {part.drawing.seed}"


def measure_recovery(part: RecoveryPart) -> Mapping[str, np.ndarray]:
    """Return the arrays of a part.

    Returns:
        `marks`, (marks,); `errors`, (marks, scales, ratios), in single precision; `error`, `residual`, `counts`, `time`
        and `radius`, the norm of x, at the end, (scales, ratios).
    """
    objective = objective_of(part.drawing, part.depth)
    scales = torch.tensor(part.scales, dtype=torch.float64)
    rates = [ratio for ratio in part.ratios if ratio is not None]
    columns: dict[float | None, CellRuns] = {}
    if None in part.ratios:
        columns[None] = run_cells(objective, PacedDescent(part.residual), equal_starts(objective, scales), part.steps)
    if rates:
        # The scale varies slowest.
        ratios = torch.tensor(rates, dtype=torch.float64).repeat(len(scales))
        start = equal_starts(objective, scales.repeat_interleave(len(rates)))
        cells = run_cells(objective, PacedDescent(part.residual, ratios), start, part.steps)
        columns |= {ratio: cells.every(place, len(rates)) for place, ratio in enumerate(rates)}
    runs = [columns[ratio] for ratio in part.ratios]
    return {
        "marks": runs[0].marks,
        "errors": np.stack([cells.errors for cells in runs], axis=-1).astype(np.float32),
        "error": np.stack([cells.errors[-1] for cells in runs], axis=-1),
        "residual": np.stack([cells.residual for cells in runs], axis=-1),
        "counts": np.stack([cells.counts for cells in runs], axis=-1),
        "time": np.stack([cells.time for cells in runs], axis=-1),
        "radius": np.stack([torch.linalg.vector_norm(cells.x, dim=-1).numpy() for cells in runs], axis=-1),
    }
