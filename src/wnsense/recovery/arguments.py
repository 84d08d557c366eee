"""Arguments of `recover` and `recover_robustly`: a whole problem, or an operator and measurements."""

import numpy as np
import torch
from torch import Tensor

from wnsense.checks import InputError, require
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator
from wnsense.sensing.problem import Problem


def problem_from_arguments(
    operator: Operator | Problem,
    measurements: Tensor | np.ndarray | None,
    *,
    truth: LowRank | None,
    noise_level: float | None,
    weights: Tensor | np.ndarray | None,
) -> Problem:
    """Return the problem that the arguments describe.

    Args:
        operator: Operator `M`, or a whole problem.
        measurements: Measurements `y`, (n,); None with a whole problem.
        truth: True matrix; None takes that of the problem.
        noise_level: Noise level; None takes that of the problem.
        weights: Weights, (n,); None takes those of the problem.

    Raises:
        InputError: If measurements are given twice or not at all, or sizes or numbers are wrong.
    """
    if isinstance(operator, Problem):
        require(measurements is None, "a problem alone", "measurements besides", "give the operator and measurements")
        given = operator
        return Problem(
            given.operator,
            given.measurements,
            given.truth if truth is None else truth,
            given.noise_level if noise_level is None else noise_level,
            given.weights if weights is None else _as_vector(weights, given.operator),
        )
    if measurements is None:
        raise InputError("needed measurements with an operator, got none; give them, or a whole Problem")
    return Problem(
        operator,
        _as_vector(measurements, operator),
        truth,
        noise_level,
        None if weights is None else _as_vector(weights, operator),
    )


def _as_vector(values: Tensor | np.ndarray, operator: Operator) -> Tensor:
    vector = torch.as_tensor(values)
    require(not vector.is_complex(), "real measurements", f"{vector.dtype}", "take the real part if the rest is zero")
    return vector.to(device=operator.device, dtype=operator.real_dtype)
