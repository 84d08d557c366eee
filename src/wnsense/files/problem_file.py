"""Problem files: what a user measured, in NumPy's .npz, MATLAB's .mat (v5 or v7.3) or .safetensors.

A file holds, under these names, in the shapes that MATLAB's size() shows, y and one description of what measured it,
as literal as here: nothing is normalized.

name           size          meaning
y              n             the measurements, real; n x 1 and 1 x n will do
matrices       n x m1 x m2   y_i = Re <M_i, Z>; square but for kind rectangular
svec           n x m(m+1)/2  the same, the upper triangle row by row, sqrt(2) off the diagonal; for kind hermitian
                             n x m^2, sqrt(2) times the imaginary parts of the strict upper triangle appended
vectors        n x m         y_i = a_i^H Z a_i
vectors_minus  n x m         beside vectors: y_i = a_i^H Z a_i - b_i^H Z b_i
left_vectors   n x m1        beside right_vectors, n x m2: y_i = Re a_i^H Z b_i, rectangular
blocks         n x m x k     y_i = Tr(A_i^H Z A_i)
entries        n x 2         y_i = Re Z[row, column], counted from 1 in .mat files and from 0 in others
  shape        2             beside entries: m1 and m2
  entry_weights  n           beside entries, optional: what each entry is multiplied with
  imaginary    n             beside entries, optional: 1 where y_i is the imaginary part
  transform    text          beside entries, optional: dct, hadamard or fourier, what they are the entries of
  signs        m1            beside transform, optional: 1 or -1, what rows are multiplied with before it
  signs_right  m2            beside transform, optional: the same of columns, for kind rectangular
  complex      1             beside entries, optional: 1 where a rectangular unknown is complex
paulis         n texts       y_i = Tr(P_i Z), as XIZ: rows of a char matrix in .mat, one text of them in .safetensors
effects        q x K x 2     y_i = Tr(Z (E_1 x ... x E_q)), E = e e^H, e one of the K of each of q qubits
  outcomes     n x q         beside effects, optional: which, counted as entries are; all K^q without them
masks          L x image     y = |DFT of mask times x|^2 for Z = x x^H, mask by mask, the DFT unitary
  scale        1             beside paulis or masks, optional: what each measurement is multiplied with
kind           text          optional: psd, symmetric, hermitian (complex) or rectangular
truth          m1 x m2       optional: the matrix that was measured
truth_factor   m x k         optional, instead of truth: F with truth = F F^H
noise_level    1             optional: ||noise|| / ||y||, 0.01 is 1%
weights        n             optional: how much each measurement counts in the least squares

Without a kind it is psd; paulis and effects are hermitian, left_vectors rectangular, and masks must say. Unknowns are
complex for kind hermitian, and for kind rectangular where matrices or left_vectors are or imaginary is there; beside
the transform fourier, which makes real matrices complex too, complex alone says so. Text stands in the metadata of
.safetensors, and complex numbers in two tensors, as vectors.real and vectors.imag.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from wnsense.checks import require
from wnsense.files.containers import first_index, read_container, write_container
from wnsense.files.fields import read_kind, read_truth
from wnsense.files.named_arrays import FileArrays, numpy_array
from wnsense.files.operator_fields import COMPANIONS, SOURCES, read_operator
from wnsense.files.problem_writer import operator_arrays, truth_arrays
from wnsense.sensing.problem import Problem

_NAMES = frozenset({"y", *SOURCES, *COMPANIONS, "kind", "truth", "truth_factor", "noise_level", "weights"})
_SAY_REAL = "measurements are real: the real part, or the square of the magnitude"


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
        path: A `.npz`, `.mat` or `.safetensors` file.
        dtype: torch.float64 or torch.float32, whatever the precision of the file; complex unknowns have that precision.
        device: Where the problem shall lie.

    Raises:
        InputError: When the file cannot be read or used; the message is one line.
    """
    require(dtype in {torch.float64, torch.float32}, "dtype torch.float64 or torch.float32", dtype)
    container = read_container(path, _NAMES)
    file = FileArrays(container.arrays, dtype, torch.device(device), container.first_index)
    if "y" in file:
        require(0 not in file.shape("y"), "at least one measurement in y", "none")
    y = file.vector("y", "the measurements", advice=_SAY_REAL)
    kind = read_kind(file)
    operator, warnings = read_operator(file, kind, len(y))
    truth, truth_warnings = read_truth(file, operator)
    noise_level = file.number("noise_level", "as 0.01 for 1%") if "noise_level" in file else None
    weights = file.vector("weights", "one for each measurement") if "weights" in file else None
    problem = Problem(operator, y, truth, noise_level, weights)
    if container.others:
        ignored = f"ignored what a problem file has no use for: {', '.join(container.others)}"
        warnings = (ignored, *warnings)
    return LoadedProblem(problem, warnings + truth_warnings)


def write_problem(path: Path, problem: Problem, *, hdf5: bool = False) -> None:
    """Write a problem file that `read_problem` takes, whole or not at all.

    A declared second moment is not kept: files act literally, and what reads them finds the scale.

    Args:
        path: Ends in `.npz`, `.mat` or `.safetensors`.
        problem: A problem whose operator has a name in the format; packed rows in any storage are written as svec.
        hdf5: Whether a `.mat` shall be MATLAB's v7.3, which it is in any case where v5 cannot hold its arrays.

    Raises:
        InputError: When the operator has no form in a file, or the place cannot be written.
    """
    arrays = operator_arrays(problem.operator, first_index(path))
    if problem.truth is not None:
        arrays |= truth_arrays(problem.truth, problem.operator.kind)
    if problem.weights is not None:
        arrays["weights"] = numpy_array(problem.weights)
    arrays["kind"] = np.array(str(problem.operator.kind))
    if problem.noise_level is not None:
        arrays["noise_level"] = np.array(problem.noise_level)
    # Last, so that a .mat which is cut off between two variables holds no problem, instead of another one.
    arrays["y"] = numpy_array(problem.measurements)
    write_container(path, arrays, hdf5=hdf5)
