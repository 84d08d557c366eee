"""The kind, the operator and the truth that a problem file describes, each size checked against the others."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.checks import require, require_size
from wnsense.linalg import frobenius_norm, symmetric_part
from wnsense.sensing.dense import DenseSensing
from wnsense.sensing.file_arrays import FileArrays
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator
from wnsense.sensing.rank_one import PairedRankOneSensing, RankOneSensing

_SOURCES = ("matrices", "svec", "vectors")
# Asymmetry is looked for in blocks of about this many numbers, since the measurements may fill half the memory.
_BLOCK_ENTRIES = 2**22


def source_name(file: FileArrays) -> str:
    """Which of `matrices`, `svec` and `vectors` holds the operator.

    Raises:
        InputError: When none or several do, or `vectors_minus` is not beside `vectors`.
    """
    given = [name for name in _SOURCES if name in file]
    if "vectors_minus" in file:
        require(given, "vectors beside vectors_minus", "vectors_minus alone", "for a^T Z a alone call them vectors")
    require(given, "one of matrices, svec and vectors", file.found(), "say what measured")
    require(len(given) == 1, "one of matrices, svec and vectors", " and ".join(given), "keep the one that gave y")
    if "vectors_minus" in file:
        require(given == ["vectors"], "vectors_minus only beside vectors", f"it beside {given[0]}", "keep what gave y")
    return given[0]


def read_kind(file: FileArrays) -> Kind:
    """The kind of the unknown; psd when the file does not say.

    Raises:
        InputError: When it is no text, or not a kind that the operator in the file can measure.
    """
    if "kind" not in file:
        return Kind.PSD
    allowed = [Kind.PSD, Kind.SYMMETRIC, *([Kind.RECTANGULAR] if source_name(file) == "matrices" else [])]
    advice = {
        str(Kind.HERMITIAN): "complex problems have no file format yet, use Python",
        str(Kind.RECTANGULAR): "give a rectangular problem as matrices",
    }
    word = file.text("kind", "as 'psd' or 'symmetric'")
    require(word in allowed, f"a kind that is {' or '.join(allowed)}", repr(word[:40]), advice.get(word, ""))
    return Kind(word)


def read_operator(file: FileArrays, kind: Kind, count: int) -> tuple[Operator, tuple[str, ...]]:
    """What measured, taken literally.

    Args:
        file: The file.
        kind: Of the unknown.
        count: n, the number of measurements in y.

    Returns:
        The operator, and warnings.

    Raises:
        InputError: When there is none or more than one, or its size does not fit, or what `FileArrays.tensor` raises.
    """
    source = source_name(file)
    if source == "matrices":
        return _from_matrices(file, kind, count)
    rows = _rows(file, source, count, "m (m + 1) / 2" if source == "svec" else "m")
    if source == "svec":
        size = svec_size(rows.shape[1])
        return DenseSensing(rows, (size, size), kind), ()
    if "vectors_minus" not in file:
        return RankOneSensing(rows, kind), ()
    require_size("vectors_minus", file.shape("vectors_minus"), rows.shape, "each vector needs its partner to subtract")
    return PairedRankOneSensing(rows, file.tensor("vectors_minus"), kind), ()


def svec_size(length: int) -> int:
    """The m of m (m + 1) / 2 = length.

    Raises:
        InputError: When there is none.
    """
    size = (math.isqrt(8 * length + 1) - 1) // 2
    below, above = size * (size + 1) // 2, (size + 1) * (size + 2) // 2
    advice = f"{below} are for m = {size}, {above} for m = {size + 1}"
    require(below == length, "m (m + 1) / 2 columns in svec", length, advice)
    return size


def read_truth(file: FileArrays, kind: Kind, shape: tuple[int, int]) -> tuple[LowRank | None, tuple[str, ...]]:
    """The matrix that was measured, where the file knows it.

    Args:
        file: The file.
        kind: Of the unknown.
        shape: (m1, m2) of the unknown.

    Returns:
        The truth, and warnings.

    Raises:
        InputError: When it is given twice, has the wrong size, is not of the kind, or what `FileArrays.tensor` raises.
    """
    require("truth" not in file or "truth_factor" not in file, "truth or truth_factor", "both", "keep one of them")
    # In double precision whatever is wanted later: the rank is read off here.
    double = FileArrays(file.arrays, torch.float64, torch.device("cpu"))
    truth, warnings = None, tuple[str, ...]()
    if "truth_factor" in file:
        truth = _truth_from_factor(double, kind, shape[0])
    elif "truth" in file:
        require_size("truth", file.shape("truth"), shape, "it is the matrix that was measured")
        if kind.is_symmetric:
            truth, warnings = _truth_from_eigenvectors(double, kind)
        else:
            U, values, Vh = torch.linalg.svd(double.tensor("truth"), full_matrices=False)
            keep = _above(values, max(shape) * double.precision("truth"))
            truth = LowRank(U[:, keep], torch.diag(values[keep]), Vh[keep].mH)
    return truth and truth.to(dtype=file.dtype, device=file.device), warnings


def _rows(file: FileArrays, name: str, count: int, width: str) -> Float[Tensor, "n d"]:
    shape = file.shape(name)
    transposed = len(shape) == 2 and shape[0] != count and shape[1] == count
    require(
        len(shape) == 2 and shape[0] == count and shape[1] > 0,
        f"{name} of size {count} x {width}, a row for each number in y",
        file.size(name),
        "transpose it" if transposed else "",
    )
    return _not_all_zero(file, name)


def _from_matrices(file: FileArrays, kind: Kind, count: int) -> tuple[Operator, tuple[str, ...]]:
    shape = file.shape("matrices")
    if len(shape) == 2 and (shape[1] == 1 or not kind.is_symmetric):
        # MATLAB drops a last side of 1.
        shape = (*shape, 1)
    side = "m x m" if kind.is_symmetric else "m1 x m2"
    last = len(shape) == 3 and shape[0] != count and shape[2] == count
    require(
        len(shape) == 3 and shape[0] == count and min(shape) > 0,
        f"matrices of size {count} x {side}, one for each number in y",
        file.size("matrices"),
        "bring the last side to the front" if last else "",
    )
    if kind.is_symmetric:
        advice = "write kind = 'rectangular' into the file if the unknown is not square"
        require(shape[1] == shape[2], f"square matrices for kind {kind}", f"{shape[1]} x {shape[2]}", advice)
    M = _not_all_zero(file, "matrices").reshape(shape)
    warnings = tuple[str, ...]()
    skew = _asymmetric_count(M, file.precision("matrices")) if kind.is_symmetric else 0
    if skew:
        what = f"{skew} of the {count} matrices are not symmetric; each is replaced by its symmetric part"
        warnings = (f"{what}, which changes no measurement of a symmetric unknown",)
    return DenseSensing.from_matrices(M, kind), warnings


def _not_all_zero(file: FileArrays, name: str) -> Tensor:
    values = file.tensor(name)
    require(file.arrays[name].any(), f"{name} that are not all zero", "zeros only", "they measure nothing")
    return values


def _truth_from_eigenvectors(file: FileArrays, kind: Kind) -> tuple[LowRank, tuple[str, ...]]:
    T, precision = file.tensor("truth"), file.precision("truth")
    skew = _asymmetric_count(T.unsqueeze(0), precision) > 0
    values, vectors = torch.linalg.eigh(symmetric_part(T))
    least, most = float(values.min()), float(values.abs().max())
    require(
        kind is not Kind.PSD or least >= -math.sqrt(precision) * most,
        "a positive semidefinite truth for kind psd",
        f"an eigenvalue of {least:.3g}",
        "write kind = 'symmetric' into the file if it may be indefinite",
    )
    keep = _above(values.abs(), len(values) * precision)
    truth = LowRank(vectors[:, keep], torch.diag(values[keep]))
    return truth, ("truth is not symmetric and is replaced by its symmetric part",) if skew else ()


def _truth_from_factor(file: FileArrays, kind: Kind, size: int) -> LowRank:
    require(kind.is_symmetric, f"truth for kind {kind}", "truth_factor", "F F^T is symmetric")
    shape = file.shape("truth_factor")
    if shape in {(size,), (1, size)}:
        # One column, whichever way it lies: SciPy writes vectors as rows.
        shape = (size, 1)
    fits = len(shape) == 2 and shape[0] == size and shape[1] > 0
    require(fits, f"a truth_factor of {size} rows and at least one column", file.size("truth_factor"))
    F = file.tensor("truth_factor").reshape(shape)
    return LowRank(F, torch.eye(shape[1], dtype=F.dtype))


def _above(values: Tensor, cut: float) -> Tensor:
    """Which values exceed cut times the largest; of zeros alone the first."""
    keep: Tensor = values > cut * values.max()
    if not bool(keep.any()):
        keep[0] = True
    return keep


def _asymmetric_count(M: Float[Tensor, "n m m"], precision: float) -> int:
    """How many of the matrices differ from their transpose by more than rounding, in norm."""
    size = M.shape[1]
    tolerance = 8 * math.sqrt(size) * precision
    step = max(1, _BLOCK_ENTRIES // (size * size))
    blocks = (M[start : start + step] for start in range(0, len(M), step))
    return sum(int((frobenius_norm(B - B.mT) > tolerance * frobenius_norm(B)).sum()) for B in blocks)
