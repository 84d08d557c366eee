"""Integrated flows of signed networks from equal starts."""

import numpy as np
import torch
from jaxtyping import Float, Int

from wnsense.lab.diagonal.flow import FlowRun, FlowStop, normalized_flow, plain_flow
from wnsense.lab.studies.diagonal.diagonal_parts import FlowPart
from wnsense.lab.studies.diagonal.problems import drawn
from wnsense.lab.studies.diagonal.sparse_drawing import SparseDrawing

# Rows of a trajectory in equal ratios of time, and rows at even places among the integrator's steps.
_IN_RATIOS, _EVENLY = 70, 70


def flow_of(
    A: Float[np.ndarray, "m n"], y: Float[np.ndarray, " m"], part: FlowPart, stop: FlowStop, tolerance: float
) -> FlowRun:
    """Integrate the flow of a part.

    Args:
        A: Map of the positive network, (M, 2 N).
        y: Measurements, (M,).
        part: Depth, start and rate.
        stop: Conditions of the end.
        tolerance: Tolerance of the integrator.
    """
    start = np.full(A.shape[1], part.scale)
    if part.ratio is None:
        return plain_flow(A, y, start, part.depth, stop=stop, tolerance=tolerance)
    return normalized_flow(A, y, start, part.depth, ratio=part.ratio, stop=stop, tolerance=tolerance)


def problem_matrices(drawing: SparseDrawing) -> tuple[Float[np.ndarray, "m n"], Float[np.ndarray, " n"]]:
    """Return the dense map and the truth of a problem."""
    operator, truth = drawn(drawing)
    dense: torch.Tensor = operator.dense()
    return dense.numpy(), truth.numpy()


def spread_rows(times: Float[np.ndarray, " t"]) -> Int[np.ndarray, " rows"]:
    """Return the rows that a picture needs, the first and the last among them."""
    last = len(times) - 1
    in_ratios = np.searchsorted(times, np.geomspace(times[1], times[-1], _IN_RATIOS)).clip(0, last)
    return np.unique(np.concatenate([np.linspace(0, last, _EVENLY).round().astype(int), in_ratios]))
