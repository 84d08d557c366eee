"""Entries in a problem file, of the matrix or of a transform of it: reading and writing."""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from wnsense.checks import require, require_size
from wnsense.files.named_arrays import FileArrays, numpy_array
from wnsense.sensing.ensembles.entries import EntrySensing
from wnsense.sensing.ensembles.partial_fourier import PartialFourierSensing
from wnsense.sensing.ensembles.transforms import DCTSensing, HadamardSensing, TransformedEntrySensing
from wnsense.sensing.kinds import Kind
from wnsense.sensing.space import Space

# Names of the transforms in a file.
_TRANSFORMS: dict[str, type[TransformedEntrySensing]] = {
    "dct": DCTSensing,
    "hadamard": HadamardSensing,
    "fourier": PartialFourierSensing,
}
_Transform = type[TransformedEntrySensing] | None


def read_entries(file: FileArrays, kind: Kind, count: int) -> EntrySensing | TransformedEntrySensing:
    """Return the operator of the entries in a file, without normalization.

    Args:
        file: Arrays of the file, with `entries` and `shape`.
        kind: Kind of the unknown.
        count: Number of measurements `n`.

    Raises:
        InputError: If sizes do not agree, an entry is outside the matrix, or an imaginary part of a real number is
            measured. Also if a transform has an unknown name or does not fit the size.
    """
    shape = _sides(file, kind)
    places = _places(file, shape, count)
    transform = _transform(file)
    weights = file.vector("entry_weights", "a factor for each entry") if "entry_weights" in file else None
    imaginary = file.flags("imaginary", "which entries are imaginary parts") if "imaginary" in file else None
    is_complex = _is_complex(file, kind, transform)
    has_imaginary = is_complex or (transform is not None and transform.complex_transform)
    advice = "write kind = 'hermitian' or 'rectangular' into the file for complex unknowns"
    require(has_imaginary or imaginary is None, f"no imaginary for kind {kind}", "it", advice)
    for name, given in (("entry_weights", weights), ("imaginary", imaginary)):
        if given is not None:
            require_size(name, given.shape, (count,), "one for each number in y")
    dtype = file.dtype.to_complex() if is_complex else file.dtype
    rows, columns = (side.contiguous() for side in places.unbind(1))
    if transform is None:
        return EntrySensing.from_places(rows, columns, shape, kind, dtype, weights=weights, imaginary=imaginary)
    weights = torch.ones(count, dtype=file.dtype, device=file.device) if weights is None else weights
    left, right = _signs(file, "signs", shape[0]), _signs(file, "signs_right", shape[1])
    space = Space.from_size(shape, kind, dtype, file.device)
    return transform(rows, columns, weights, space, imaginary, left, right)


def entry_arrays(operator: EntrySensing | TransformedEntrySensing, first_index: int) -> dict[str, np.ndarray]:
    """Return the arrays from which `read_entries` makes the same operator.

    Args:
        operator: Operator to write.
        first_index: Index of the first row or column in the file.

    Raises:
        InputError: If the transform has no name in a file.
    """
    arrays = {
        "entries": numpy_array(torch.stack([operator.rows, operator.columns], dim=1)) + first_index,
        "shape": np.array(operator.shape),
    }
    if operator.weights is not None:
        arrays["entry_weights"] = numpy_array(operator.weights)
    if operator.imaginary is not None:
        arrays["imaginary"] = numpy_array(operator.imaginary)
    imaginary_implies_complex = operator.imaginary is not None and not isinstance(operator, PartialFourierSensing)
    if operator.is_complex and not operator.kind.is_symmetric and not imaginary_implies_complex:
        arrays["complex"] = np.array([True])
    if isinstance(operator, TransformedEntrySensing):
        arrays |= _transform_arrays(operator)
    return arrays


def _transform_arrays(operator: TransformedEntrySensing) -> dict[str, np.ndarray]:
    words = [word for word, transform in _TRANSFORMS.items() if type(operator) is transform]
    needed = f"a transform that is {' or '.join(_TRANSFORMS)}"
    require(words, needed, type(operator).__name__, "build a DenseSensing of its matrices")
    arrays = {"transform": np.array(words[0])}
    for name, signs in (("signs", operator.signs), ("signs_right", operator.signs_right)):
        if signs is not None:
            arrays[name] = numpy_array(signs)
    return arrays


def _sides(file: FileArrays, kind: Kind) -> tuple[int, int]:
    sides = file.integers("shape", "the two sides of the unknown").reshape(-1).tolist()
    fits = len(sides) == 2 and min(sides) > 0
    require(fits, "two sides in shape, as [m1, m2]", f"numbers {sides[:4]}" if sides else "none")
    if kind.is_symmetric:
        advice = "write kind = 'rectangular' into the file if the unknown is not square"
        require(sides[0] == sides[1], f"a square shape for kind {kind}", f"{sides[0]} x {sides[1]}", advice)
    return sides[0], sides[1]


def _places(file: FileArrays, shape: tuple[int, int], count: int) -> Int[Tensor, "n 2"]:
    require_size("entries", file.shape("entries"), (count, 2), "a row and a column for each number in y")
    places = file.indices("entries", "a row and a column each")
    for axis, word in enumerate(("rows", "columns")):
        file.require_indices(f"{word} of entries", places[:, axis], shape[axis])
    return places


def _transform(file: FileArrays) -> _Transform:
    if "transform" not in file:
        for name in ("signs", "signs_right"):
            require(name not in file, f"transform beside {name}", file.contents())
        return None
    word = file.text("transform", "of which the entries are")
    require(word in _TRANSFORMS, f"a transform that is {' or '.join(_TRANSFORMS)}", repr(word[:40]))
    return _TRANSFORMS[word]


def _is_complex(file: FileArrays, kind: Kind, transform: _Transform) -> bool:
    """Return True if the unknown is complex.

    Imaginary parts imply it, unless the transform of a real matrix has them too.
    """
    if kind is not Kind.RECTANGULAR:
        require("complex" not in file, f"no complex for kind {kind}", "it", "the kind says it: hermitian is complex")
        return kind is Kind.HERMITIAN
    if "complex" in file:
        return bool(file.flags("complex", "1 for a complex unknown").any())
    return "imaginary" in file and (transform is None or not transform.complex_transform)


def _signs(file: FileArrays, name: str, side: int) -> Float[Tensor, " m"] | None:
    if name not in file:
        return None
    signs = file.integers(name, "1 and -1").reshape(-1)
    require_size(name, signs.shape, (side,), "one for each row or column of the unknown")
    require(bool((signs.abs() == 1).all()), f"1 and -1 in {name}", "other numbers")
    return signs.to(file.dtype)
