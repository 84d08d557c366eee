"""Problem files: what a user measured, in NumPy's .npz or MATLAB's .mat (v5).

A file holds, under these names, in the shapes that MATLAB's size() shows:

name           size          meaning
y              n             the measurements; n x 1 and 1 x n will do
matrices       n x m x m     y_i = <M_i, Z>      one of these three, as literal as here: nothing is normalized
svec           n x m(m+1)/2  y_i = <M_i, Z>      the upper triangle row by row, sqrt(2) off the diagonal
vectors        n x m         y_i = a_i^T Z a_i
vectors_minus  n x m         beside vectors: y_i = a_i^T Z a_i - b_i^T Z b_i
kind           text          optional: psd (when missing), symmetric, or rectangular beside n x m1 x m2 matrices
truth          m x m         optional: the matrix that was measured (m1 x m2 if rectangular)
truth_factor   m x k         optional, instead of truth: F with truth = F F^T
noise_level    1             optional: ||noise|| / ||y||, 0.01 is 1%
weights        n             optional: how much each measurement counts in the least squares
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from wnsense.checks import InputError, require
from wnsense.sensing.containers import read_container, write_container
from wnsense.sensing.dense import DenseSensing
from wnsense.sensing.file_arrays import FileArrays
from wnsense.sensing.file_parts import read_kind, read_operator, read_truth
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator
from wnsense.sensing.problem import Problem
from wnsense.sensing.rank_one import PairedRankOneSensing, RankOneSensing

_OPERATOR = ("matrices", "svec", "vectors", "vectors_minus")
_NAMES = frozenset({"y", *_OPERATOR, "kind", "truth", "truth_factor", "noise_level", "weights"})


@dataclass(frozen=True)
class LoadedProblem:
    """A problem from a file.

    Attributes:
        problem: The problem.
        warnings: What was ignored or changed in reading, a sentence each.
    """

    problem: Problem
    warnings: tuple[str, ...] = ()


def read_problem(
    path: Path, *, dtype: torch.dtype = torch.float64, device: torch.device | str = "cpu"
) -> LoadedProblem:
    """Read a problem file; the format stands at the head of this module.

    Args:
        path: A `.npz` or `.mat` file.
        dtype: torch.float64 or torch.float32, whatever the precision of the file.
        device: Where the problem shall lie.

    Raises:
        InputError: When the file cannot be read or used; the message is one line.
    """
    require(dtype in {torch.float64, torch.float32}, "dtype torch.float64 or torch.float32", dtype)
    container = read_container(path, _NAMES)
    file = FileArrays(container.arrays, dtype, torch.device(device))
    if "y" in file:
        require(0 not in file.shape("y"), "at least one measurement in y", "none")
    y = file.vector("y", "the measurements")
    kind = read_kind(file)
    operator, warnings = read_operator(file, kind, len(y))
    truth, truth_warnings = read_truth(file, kind, operator.shape)
    noise_level = file.number("noise_level", "as 0.01 for 1%") if "noise_level" in file else None
    weights = file.vector("weights", "one for each measurement") if "weights" in file else None
    problem = Problem(operator, y, truth, noise_level, weights)
    if container.others:
        ignored = f"ignored what a problem file has no use for: {', '.join(container.others)}"
        warnings = (ignored, *warnings)
    return LoadedProblem(problem, warnings + truth_warnings)


def write_problem(path: Path, problem: Problem) -> None:
    """Write a problem file that `read_problem` takes, whole or not at all.

    A declared second moment is not kept: files act literally, and what reads them finds the scale.

    Args:
        path: Ends in `.npz` or `.mat`.
        problem: A real problem whose operator is held as numbers: dense, rank-one or paired rank-one.

    Raises:
        InputError: When the problem is complex or made of functions, or the place cannot be written.
    """
    require(
        not problem.operator.is_complex, "a real problem", "a complex one", "complex problems have no file format yet"
    )
    tensors = _operator_tensors(problem.operator)
    if problem.truth is not None:
        tensors |= _truth_tensors(problem.truth, problem.operator.kind)
    if problem.weights is not None:
        tensors["weights"] = problem.weights
    arrays = {name: _numpy(tensor) for name, tensor in tensors.items()}
    arrays["kind"] = np.array(str(problem.operator.kind))
    if problem.noise_level is not None:
        arrays["noise_level"] = np.array(problem.noise_level)
    # Last, so that a .mat which is cut off between two variables holds no problem, instead of another one.
    arrays["y"] = _numpy(problem.measurements)
    write_container(path, arrays)


def _numpy(tensor: torch.Tensor) -> np.ndarray:
    array: np.ndarray = tensor.detach().cpu().numpy()
    return array


def _operator_tensors(operator: Operator) -> dict[str, torch.Tensor]:
    if isinstance(operator, DenseSensing):
        if operator.kind.is_symmetric:
            return {"svec": operator.rows}
        return {"matrices": operator.rows.reshape(-1, *operator.shape)}
    if isinstance(operator, RankOneSensing):
        return {"vectors": operator.vectors}
    if isinstance(operator, PairedRankOneSensing):
        return {"vectors": operator.vectors, "vectors_minus": operator.vectors_minus}
    raise InputError(
        f"needed measurements held as numbers, got {type(operator).__name__}; build a DenseSensing of its matrices"
    )


def _truth_tensors(truth: LowRank, kind: Kind) -> dict[str, torch.Tensor]:
    require(not truth.batch, "one truth", "a batch of them")
    if kind is not Kind.PSD:
        return {"truth": truth.dense()}
    Z = truth.orthonormal()
    values = torch.diagonal(Z.Theta)
    least, most = float(values.min()), float(values.abs().max())
    rounding = torch.finfo(values.dtype).eps ** 0.5
    require(least >= -rounding * most, "a positive semidefinite truth for kind psd", f"an eigenvalue of {least:.3g}")
    return {"truth_factor": Z.X * values.clamp(min=0).sqrt()}
