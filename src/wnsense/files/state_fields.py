"""Measurements of quantum states in a problem file, Pauli strings and outcomes of products: read, and written."""

import numpy as np
from jaxtyping import Int
from torch import Tensor

from wnsense.checks import require, require_size
from wnsense.files.named_arrays import FileArrays, numpy_array
from wnsense.sensing.ensembles.pauli import PauliSensing
from wnsense.sensing.ensembles.povm import PovmProductSensing


def read_paulis(file: FileArrays, count: int) -> PauliSensing:
    """The Pauli strings of a file, as `XIZ`.

    Args:
        file: The file, with paulis.
        count: n, the number of measurements in y.

    Raises:
        InputError: When there are not so many, or a text is no Pauli string.
    """
    strings = file.texts("paulis", "as 'XIZ' and 'ZZI'")
    require_size("paulis", (len(strings),), (count,), "a string for each number in y")
    dtype = file.dtype.to_complex()
    return PauliSensing.from_strings(strings, scale=read_scale(file), dtype=dtype, device=file.device)


def read_effects(file: FileArrays, count: int) -> PovmProductSensing:
    """The effects of a file, and which of their products were measured.

    Args:
        file: The file, with effects.
        count: n, the number of measurements in y.

    Raises:
        InputError: When sizes do not fit each other, or an outcome is none of the effects.
    """
    shape = file.shape("effects")
    fits = len(shape) == 3 and shape[2] == 2 and min(shape) > 0
    meaning = "effects of size q x K x 2, K vectors of two numbers for each of q qubits"
    require(fits, meaning, file.size("effects"), "repeat them if they are the same for all qubits")
    effects = file.tensor("effects", is_complex=True)
    require(file.arrays["effects"].any(), "effects that are not all zero", "zeros only", "they measure nothing")
    return PovmProductSensing(effects.contiguous(), _outcomes(file, shape, count))


def pauli_arrays(operator: PauliSensing) -> dict[str, np.ndarray]:
    """The arrays that `read_paulis` makes the same of."""
    return {"paulis": np.array(operator.strings), **scale_array(operator.scale)}


def effect_arrays(operator: PovmProductSensing, first_index: int) -> dict[str, np.ndarray]:
    """The arrays that `read_effects` makes the same of.

    Args:
        operator: What measured.
        first_index: What the first outcome is called in the file.
    """
    arrays = {"effects": numpy_array(operator.effects)}
    if operator.outcomes is not None:
        arrays["outcomes"] = numpy_array(operator.outcomes) + first_index
    return arrays


def read_scale(file: FileArrays) -> float:
    """What each measurement is multiplied with; 1 where the file does not say.

    Raises:
        InputError: When it is no number.
    """
    return file.number("scale", "what each measurement is multiplied with") if "scale" in file else 1.0


def scale_array(scale: float) -> dict[str, np.ndarray]:
    """The array that `read_scale` makes the same of; none for 1."""
    return {} if scale == 1 else {"scale": np.array(scale)}


def _outcomes(file: FileArrays, shape: tuple[int, ...], count: int) -> Int[Tensor, "n q"] | None:
    qubits, K = shape[:2]
    if "outcomes" not in file:
        advice = "say which were measured in outcomes, n x q"
        require(K**qubits == count, f"{K}^{qubits} measurements, one for each outcome", count, advice)
        return None
    require_size("outcomes", file.shape("outcomes"), (count, qubits), "one of each qubit for each number in y")
    outcomes = file.indices("outcomes", "one of each qubit")
    file.require_indices("outcomes", outcomes, K)
    return outcomes
