"""Problem files: measurements and operator in NumPy's .npz, MATLAB's .mat (v5 or v7.3) or .safetensors.

A file holds y and one description of the operator, under these names, in the shapes that MATLAB's size() shows. Nothing
is normalized.

name           size          meaning
y              n             the measurements, real; n x 1 or 1 x n
matrices       n x m1 x m2   y_i = Re <M_i, Z>; square but for kind rectangular
svec           n x m(m+1)/2  as matrices, by the upper triangle row by row, sqrt(2) off the diagonal
               n x m^2       for kind hermitian: after it sqrt(2) times the imaginary parts above the diagonal
vectors        n x m         y_i = a_i^H Z a_i
vectors_minus  n x m         beside vectors: y_i = a_i^H Z a_i - b_i^H Z b_i
left_vectors   n x m1        beside right_vectors, n x m2: y_i = Re a_i^H Z b_i, rectangular
blocks         n x m x k     y_i = Tr(A_i^H Z A_i)
entries        n x 2         y_i = Re Z[row, column], counted from 1 in .mat files and from 0 in others
  shape        2             beside entries: m1 and m2
  entry_weights  n           beside entries, optional: factor of each entry
  imaginary    n             beside entries, optional: 1 where y_i is the imaginary part
  transform    text          beside entries, optional: dct, hadamard or fourier, whose entries they are
  signs        m1            beside transform, optional: 1 or -1, factors of the rows before it
  signs_right  m2            beside transform, optional: factors of the columns, for kind rectangular
  complex      1             beside entries, optional: 1 if a rectangular unknown is complex
paulis         n texts       y_i = Tr(P_i Z), P_i as XIZ: rows of a char matrix in .mat, one text in .safetensors
effects        q x K x 2     y_i = Tr(Z (E_1 x ... x E_q)), E = e e^H, e one of K vectors of each qubit
  outcomes     n x q         beside effects, optional: their numbers, counted as entries; by default all
masks          L x image     y = |DFT of mask times x|^2 for Z = x x^H, mask by mask; unitary DFT
  scale        1             beside paulis or masks, optional: factor of all measurements
kind           text          optional: psd, symmetric, hermitian (complex) or rectangular
truth          m1 x m2       optional: the matrix that was measured
truth_factor   m x k         optional, instead of truth: F with truth = F F^H
noise_level    1             optional: ||noise|| / ||y||, 0.01 is 1%
weights        n             optional: weight of each measurement in the least squares

Without kind the unknown is psd; with paulis and effects it is hermitian, with left_vectors rectangular; with masks kind
is required. An unknown of kind hermitian is complex. One of kind rectangular is complex if matrices or left_vectors
are complex, or if imaginary is there. With the transform fourier, which makes real matrices complex too, only complex
decides. In .safetensors texts stand in the metadata, and complex numbers in two tensors, such as vectors.real and
vectors.imag.
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
from wnsense.linalg import Place
from wnsense.sensing.problem import Problem
from wnsense.values import by_value

_NAMES = frozenset({"y", *SOURCES, *COMPANIONS, "kind", "truth", "truth_factor", "noise_level", "weights"})
_SAY_REAL = "measurements are real: the real part, or the square of the magnitude"


@dataclass(frozen=True)
@by_value
class LoadedProblem:
    """Problem from a file.

    Attributes:
        problem: Problem.
        warnings: Sentences on what was ignored or changed in reading.
    """

    problem: Problem
    warnings: tuple[str, ...] = ()


def read_problem(path: Path, *, dtype: torch.dtype = torch.float64, device: Place = "cpu") -> LoadedProblem:
    """Read a problem file; `docs/files.md` describes the format.

    Args:
        path: Path of a `.npz`, `.mat` or `.safetensors` file.
        dtype: torch.float64 or torch.float32, for any precision of the file; complex unknowns have that precision.
        device: Device of the problem.

    Raises:
        InputError: If the file cannot be read or used; the message is one line.
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
        ignored = f"ignored arrays that are no part of a problem file: {', '.join(container.others)}"
        warnings = (ignored, *warnings)
    return LoadedProblem(problem, warnings + truth_warnings)


def write_problem(path: Path, problem: Problem, *, hdf5: bool = False) -> None:
    """Write a problem file for `read_problem`, whole or not at all.

    A declared second moment is not written: `recover` determines the scale.

    Args:
        path: Path that ends in `.npz`, `.mat` or `.safetensors`.
        problem: Problem whose operator the format can describe; packed rows in any storage are written as svec.
        hdf5: True to write a `.mat` as MATLAB's v7.3, as is done in any case if v5 cannot hold the arrays.

    Raises:
        InputError: If the format cannot describe the operator, or the file cannot be written.
    """
    arrays = operator_arrays(problem.operator, first_index(path))
    if problem.truth is not None:
        arrays |= truth_arrays(problem.truth, problem.operator.kind)
    if problem.weights is not None:
        arrays["weights"] = numpy_array(problem.weights)
    arrays["kind"] = np.array(str(problem.operator.kind))
    if problem.noise_level is not None:
        arrays["noise_level"] = np.array(problem.noise_level)
    # Last, so that a .mat cut off between two variables holds no problem, and not another one.
    arrays["y"] = numpy_array(problem.measurements)
    write_container(path, arrays, hdf5=hdf5)
