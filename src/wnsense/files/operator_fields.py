"""Operator of a problem file, by the names of its arrays, with checks of their sizes."""

import math
from collections.abc import Callable

from jaxtyping import Inexact
from torch import Tensor

from wnsense.checks import require, require_size
from wnsense.files.entry_fields import read_entries
from wnsense.files.named_arrays import FileArrays
from wnsense.files.state_fields import read_effects, read_paulis, read_scale
from wnsense.linalg import frobenius_norm
from wnsense.sensing.ensembles.block_rank import BlockRankSensing
from wnsense.sensing.ensembles.dense import DenseSensing
from wnsense.sensing.ensembles.diffraction import CodedDiffractionSensing
from wnsense.sensing.ensembles.rank_one import PairedRankOneSensing, RankOneSensing, RectangularRankOneSensing
from wnsense.sensing.kinds import Kind
from wnsense.sensing.operator import Operator

_SYMMETRIC = (Kind.PSD, Kind.SYMMETRIC, Kind.HERMITIAN)
# Arrays that describe an operator, and the kinds of unknown that it measures.
SOURCES = {
    "matrices": (*_SYMMETRIC, Kind.RECTANGULAR),
    "svec": _SYMMETRIC,
    "vectors": _SYMMETRIC,
    "left_vectors": (Kind.RECTANGULAR,),
    "blocks": _SYMMETRIC,
    "entries": (*_SYMMETRIC, Kind.RECTANGULAR),
    "paulis": (Kind.HERMITIAN,),
    "effects": (Kind.HERMITIAN,),
    "masks": _SYMMETRIC,
}
# Arrays that complete one of those.
COMPANIONS = {
    "vectors_minus": ("vectors",),
    "right_vectors": ("left_vectors",),
    "shape": ("entries",),
    "entry_weights": ("entries",),
    "imaginary": ("entries",),
    "complex": ("entries",),
    "transform": ("entries",),
    "signs": ("entries",),
    "signs_right": ("entries",),
    "outcomes": ("effects",),
    "scale": ("paulis", "masks"),
}
_NEEDED = {"left_vectors": "right_vectors", "entries": "shape"}
# Numbers in a block of the test of symmetry, since the measurements may fill half the memory.
_BLOCK_ENTRIES = 2**22
_SAY_COMPLEX = "write kind = 'hermitian' into the file if the unknown is complex"

Read = tuple[Operator, tuple[str, ...]]


def source_name(file: FileArrays) -> str:
    """Return the name in `SOURCES` that describes the operator.

    Raises:
        InputError: If none or several are there, or a companion is without its source.
    """
    given = [name for name in SOURCES if name in file]
    for name, beside in COMPANIONS.items():
        if name in file and not given:
            advice = "for a^T Z a alone call them vectors" if name == "vectors_minus" else ""
            require(given, f"{' or '.join(beside)} beside {name}", f"{name} alone", advice)
    *most, last = SOURCES
    one_of = f"one of {', '.join(most)} and {last}"
    require(given, one_of, file.contents(), "add the operator")
    require(len(given) == 1, one_of, " and ".join(given), "keep the one that gave y")
    source = given[0]
    for name, beside in COMPANIONS.items():
        fits = name not in file or source in beside
        require(fits, f"{name} only beside {' or '.join(beside)}", f"it beside {source}", "keep what gave y")
    needed = _NEEDED.get(source)
    require(needed is None or needed in file, f"{needed} beside {source}", file.contents())
    return source


def read_operator(file: FileArrays, kind: Kind, count: int) -> Read:
    """Return the operator, without normalization, and warnings.

    Args:
        file: Arrays of the file.
        kind: Kind of the unknown.
        count: Number of measurements `n`.

    Raises:
        InputError: If there is no operator or more than one, or its size does not fit, or as `FileArrays.tensor` does.
    """
    readers: dict[str, Callable[[FileArrays, Kind, int], Read]] = {
        "matrices": _from_matrices,
        "svec": _from_svec,
        "vectors": _from_vectors,
        "left_vectors": lambda file, _kind, count: _from_two_sides(file, count),
        "blocks": _from_blocks,
        "entries": lambda file, kind, count: (read_entries(file, kind, count), ()),
        "paulis": lambda file, _kind, count: (read_paulis(file, count), ()),
        "effects": lambda file, _kind, count: (read_effects(file, count), ()),
        "masks": _from_masks,
    }
    return readers[source_name(file)](file, kind, count)


def svec_size(length: int, *, is_complex: bool = False) -> int:
    """Return `m` with `m (m + 1) / 2 = length`, or with `m^2 = length` for Hermitian matrices.

    Raises:
        InputError: If there is none.
    """
    if is_complex:
        size = math.isqrt(length)
        lengths, formula = (size * size, (size + 1) ** 2), "m^2"
    else:
        size = (math.isqrt(8 * length + 1) - 1) // 2
        lengths, formula = (size * (size + 1) // 2, (size + 1) * (size + 2) // 2), "m (m + 1) / 2"
    advice = f"{lengths[0]} are for m = {size}, {lengths[1]} for m = {size + 1}"
    require(lengths[0] == length, f"{formula} columns in svec", length, advice)
    return size


def asymmetric_count(M: Inexact[Tensor, "n m m"], precision: float) -> int:
    """Return the number of matrices that differ from their conjugate transpose by more than rounding, in norm."""
    size = M.shape[1]
    tolerance = 8 * math.sqrt(size) * precision
    step = max(1, _BLOCK_ENTRIES // (size * size))
    blocks = (M[start : start + step] for start in range(0, len(M), step))
    return sum(int((frobenius_norm(B - B.mH) > tolerance * frobenius_norm(B)).sum()) for B in blocks)


def symmetry_word(kind: Kind) -> str:
    """Return the adjective for matrices of a symmetric kind."""
    return "Hermitian" if kind is Kind.HERMITIAN else "symmetric"


def _from_svec(file: FileArrays, kind: Kind, count: int) -> Read:
    is_complex = kind is Kind.HERMITIAN
    rows = _rows(file, "svec", count, "m^2" if is_complex else "m (m + 1) / 2")
    size = svec_size(rows.shape[1], is_complex=is_complex)
    return DenseSensing.from_rows(rows, size, kind), ()


def _from_vectors(file: FileArrays, kind: Kind, count: int) -> Read:
    is_complex = kind is Kind.HERMITIAN
    rows = _rows(file, "vectors", count, "m", is_complex=is_complex)
    if "vectors_minus" not in file:
        return RankOneSensing.from_vectors(rows, kind), ()
    require_size("vectors_minus", file.shape("vectors_minus"), rows.shape, "each vector needs its partner to subtract")
    minus = file.tensor("vectors_minus", is_complex=is_complex, advice=_SAY_COMPLEX)
    return PairedRankOneSensing.from_vectors(rows, minus, kind), ()


def _from_two_sides(file: FileArrays, count: int) -> Read:
    is_complex = file.is_complex("left_vectors") or file.is_complex("right_vectors")
    left = _rows(file, "left_vectors", count, "m1", is_complex=is_complex)
    right = _rows(file, "right_vectors", count, "m2", is_complex=is_complex)
    return RectangularRankOneSensing.from_vectors(left, right), ()


def _from_blocks(file: FileArrays, kind: Kind, count: int) -> Read:
    blocks = _three_sided(file, "blocks", count, "m x k", is_complex=kind is Kind.HERMITIAN)
    return BlockRankSensing.from_blocks(blocks, kind), ()


def _from_matrices(file: FileArrays, kind: Kind, count: int) -> Read:
    is_complex = kind is Kind.HERMITIAN or (kind is Kind.RECTANGULAR and file.is_complex("matrices"))
    side = "m x m" if kind.is_symmetric else "m1 x m2"
    shape = _three_sides(file, "matrices", count, side, may_lack_last=not kind.is_symmetric)
    if kind.is_symmetric:
        advice = "write kind = 'rectangular' into the file if the unknown is not square"
        require(shape[1] == shape[2], f"square matrices for kind {kind}", f"{shape[1]} x {shape[2]}", advice)
    M = _not_all_zero(file, "matrices", is_complex=is_complex).reshape(shape)
    skew = asymmetric_count(M, file.precision("matrices")) if kind.is_symmetric else 0
    if not skew:
        return DenseSensing.from_matrices(M, kind), ()
    word = symmetry_word(kind)
    sentence = f"{skew} of the {count} matrices are not {word}; each is replaced by its {word} part"
    return DenseSensing.from_matrices(M, kind), (f"{sentence}, which changes no measurement of a {word} unknown",)


def _from_masks(file: FileArrays, kind: Kind, count: int) -> Read:
    shape = file.shape("masks")
    require(len(shape) > 1 and min(shape) > 0, "masks of size L x the image's sides", file.size("masks"))
    needed = f"masks of {count} pixels together, one for each number in y"
    require(math.prod(shape) == count, needed, f"{math.prod(shape)} of {file.size('masks')}", "masks come first")
    masks = _not_all_zero(file, "masks", is_complex=file.is_complex("masks"))
    return CodedDiffractionSensing.from_masks(masks.contiguous(), kind, read_scale(file)), ()


def _rows(file: FileArrays, name: str, count: int, width: str, *, is_complex: bool = False) -> Inexact[Tensor, "n d"]:
    shape = file.shape(name)
    transposed = len(shape) == 2 and shape[0] != count and shape[1] == count
    require(
        len(shape) == 2 and shape[0] == count and shape[1] > 0,
        f"{name} of size {count} x {width}, a row for each number in y",
        file.size(name),
        "transpose it" if transposed else _counts_advice(name, shape, count, sides=2),
    )
    return _not_all_zero(file, name, is_complex=is_complex)


def _three_sides(file: FileArrays, name: str, count: int, sides: str, *, may_lack_last: bool) -> tuple[int, ...]:
    shape = file.shape(name)
    if len(shape) == 2 and (shape[1] == 1 or may_lack_last):
        # MATLAB drops a last side of 1.
        shape = (*shape, 1)
    last = len(shape) == 3 and shape[0] != count and shape[2] == count
    require(
        len(shape) == 3 and shape[0] == count and min(shape) > 0,
        f"{name} of size {count} x {sides}, one for each number in y",
        file.size(name),
        "bring the last side to the front" if last else _counts_advice(name, shape, count, sides=3),
    )
    return shape


def _counts_advice(name: str, shape: tuple[int, ...], count: int, *, sides: int) -> str:
    """Return the advice for an array whose first side must be the number of measurements."""
    if len(shape) != sides:
        return f"give {name} as an array of {sides} dimensions"
    if shape[0] != count:
        return f"y has {count} numbers: check that y and {name} are of the same measurements"
    return "no side may be 0"


def _three_sided(file: FileArrays, name: str, count: int, sides: str, *, is_complex: bool) -> Inexact[Tensor, "n m k"]:
    shape = _three_sides(file, name, count, sides, may_lack_last=True)
    return _not_all_zero(file, name, is_complex=is_complex).reshape(shape)


def _not_all_zero(file: FileArrays, name: str, *, is_complex: bool) -> Tensor:
    values = file.tensor(name, is_complex=is_complex, advice=_SAY_COMPLEX)
    require(file.arrays[name].any(), f"{name} that are not all zero", "zeros only", "they measure nothing")
    return values
