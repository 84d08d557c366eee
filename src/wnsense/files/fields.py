"""Kind and truth of a problem file, with checks of their sizes."""

import math

import torch
from jaxtyping import Inexact
from torch import Tensor

from wnsense.checks import require, require_size
from wnsense.files.named_arrays import FileArrays
from wnsense.files.operator_fields import SOURCES, asymmetric_count, source_name, symmetry_word
from wnsense.linalg import symmetric_part
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator

_SAY_COMPLEX = "the measured matrix is real, by the kind and the numbers in this file"


def read_kind(file: FileArrays) -> Kind:
    """Return the kind of the unknown: that of the file, by default psd or the only kind that the operator measures.

    Raises:
        InputError: If it is no text, or a kind that the operator does not measure; or if it is missing beside masks,
            whose unknown may be real or complex.
    """
    source = source_name(file)
    allowed = SOURCES[source]
    if "kind" not in file:
        advice = "hermitian for a complex image, psd for a real one"
        require(source != "masks", "kind beside masks", file.contents(), advice)
        return Kind.PSD if Kind.PSD in allowed else allowed[0]
    word = file.text("kind", "as 'psd' or 'symmetric'")
    advice = (
        "give a rectangular problem as matrices, entries or left_vectors and right_vectors"
        if word == Kind.RECTANGULAR
        else "correct kind in the file"
    )
    require(word in allowed, f"a kind that is {' or '.join(allowed)}", repr(word[:40]), advice)
    return Kind(word)


def read_truth(file: FileArrays, operator: Operator) -> tuple[LowRank | None, tuple[str, ...]]:
    """Return the true matrix, None if the file has none, and warnings.

    Args:
        file: Arrays of the file.
        operator: Operator that measured the matrix.

    Raises:
        InputError: If the truth is given twice, has a wrong size or another kind, or as `FileArrays.tensor` does.
    """
    require("truth" not in file or "truth_factor" not in file, "truth or truth_factor", "both", "keep one of them")
    # Always in double precision, since the rank is determined here.
    double = FileArrays(file.arrays, torch.float64, torch.device("cpu"))
    truth, warnings = None, tuple[str, ...]()
    if "truth_factor" in file:
        truth = _truth_from_factor(double, operator)
    elif "truth" in file:
        require_size("truth", file.shape("truth"), operator.shape, "it is the matrix that was measured")
        T = double.tensor("truth", is_complex=operator.is_complex, advice=_SAY_COMPLEX)
        if operator.kind.is_symmetric:
            truth, warnings = _truth_from_eigenvectors(T, double.precision("truth"), operator.kind)
        else:
            U, values, Vh = torch.linalg.svd(T, full_matrices=False)
            keep = _above(values, max(T.shape) * double.precision("truth"))
            truth = LowRank(U[:, keep], torch.diag(values[keep]).to(T.dtype), Vh[keep].mH)
    return truth and truth.to(dtype=operator.dtype, device=file.device), warnings


def _truth_from_eigenvectors(
    T: Inexact[Tensor, "m m"], precision: float, kind: Kind
) -> tuple[LowRank, tuple[str, ...]]:
    skew = asymmetric_count(T.unsqueeze(0), precision) > 0
    values, vectors = torch.linalg.eigh(symmetric_part(T))
    least, most = float(values.min()), float(values.abs().max())
    require(
        kind is not Kind.PSD or least >= -math.sqrt(precision) * most,
        "a positive semidefinite truth for kind psd",
        f"an eigenvalue of {least:.3g}",
        "write kind = 'symmetric' into the file if it may be indefinite",
    )
    keep = _above(values.abs(), len(values) * precision)
    truth = LowRank(vectors[:, keep], torch.diag(values[keep]).to(T.dtype))
    word = symmetry_word(kind)
    return truth, (f"truth is not {word} and is replaced by its {word} part",) if skew else ()


def _truth_from_factor(file: FileArrays, operator: Operator) -> LowRank:
    kind, size = operator.kind, operator.shape[0]
    require(kind.is_symmetric, f"truth for kind {kind}", "truth_factor", "F F^T is symmetric")
    shape = file.shape("truth_factor")
    if shape in {(size,), (1, size)}:
        # One column, also if it is stored as a row: SciPy writes vectors as rows.
        shape = (size, 1)
    fits = len(shape) == 2 and shape[0] == size and shape[1] > 0
    require(fits, f"a truth_factor of {size} rows and at least one column", file.size("truth_factor"))
    F = file.tensor("truth_factor", is_complex=operator.is_complex, advice=_SAY_COMPLEX).reshape(shape)
    return LowRank(F, torch.eye(shape[1], dtype=F.dtype))


def _above(values: Tensor, cut: float) -> Tensor:
    """Return a mask of the values above `cut` times the largest; only the first one if all are zero."""
    keep: Tensor = values > cut * values.max()
    if not bool(keep.any()):
        keep[0] = True
    return keep
