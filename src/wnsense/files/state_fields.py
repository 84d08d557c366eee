"""Measurements of quantum states in a problem file: Pauli strings and outcomes of products, reading and writing."""

import numpy as np
from jaxtyping import Int
from torch import Tensor

from wnsense.checks import require, require_size
from wnsense.files.named_arrays import FileArrays, numpy_array
from wnsense.sensing.ensembles.pauli import PauliSensing
from wnsense.sensing.ensembles.povm import PovmProductSensing


def read_paulis(file: FileArrays, count: int) -> PauliSensing:
    """Return the operator of the Pauli strings in a file, such as `XIZ`.

    Args:
        file: Arrays of the file, with `paulis`.
        count: Number of measurements `n`.

    Raises:
        InputError: If their number is another, or a text is no Pauli string.
    """
    strings = file.texts("paulis", "as 'XIZ' and 'ZZI'")
    require_size("paulis", (len(strings),), (count,), "a string for each number in y")
    dtype = file.dtype.to_complex()
    return PauliSensing.from_strings(strings, scale=read_scale(file), dtype=dtype, device=file.device)


def read_effects(file: FileArrays, count: int) -> PovmProductSensing:
    """Return the operator of the products of effects in a file.

    Args:
        file: Arrays of the file, with `effects`.
        count: Number of measurements `n`.

    Raises:
        InputError: If sizes do not agree, or an outcome is none of the effects.
    """
    shape = file.shape("effects")
    fits = len(shape) == 3 and shape[2] == 2 and min(shape) > 0
    meaning = "effects of size q x K x 2, K vectors of two numbers for each of q qubits"
    require(fits, meaning, file.size("effects"), "repeat them if they are the same for all qubits")
    effects = file.tensor("effects", is_complex=True)
    require(file.arrays["effects"].any(), "effects that are not all zero", "zeros only", "they measure nothing")
    return PovmProductSensing(effects.contiguous(), _outcomes(file, shape, count))


def pauli_arrays(operator: PauliSensing) -> dict[str, np.ndarray]:
    """Return the arrays from which `read_paulis` makes the same operator."""
    return {"paulis": np.array(operator.strings), **scale_array(operator.scale)}


def effect_arrays(operator: PovmProductSensing, first_index: int) -> dict[str, np.ndarray]:
    """Return the arrays from which `read_effects` makes the same operator.

    Args:
        operator: Operator to write.
        first_index: Index of the first outcome in the file.
    """
    arrays = {"effects": numpy_array(operator.effects)}
    if operator.outcomes is not None:
        arrays["outcomes"] = numpy_array(operator.outcomes) + first_index
    return arrays


def read_scale(file: FileArrays) -> float:
    """Return the factor of all measurements, 1 if the file has none.

    Raises:
        InputError: If it is no number.
    """
    return file.number("scale", "the factor of all measurements") if "scale" in file else 1.0


def scale_array(scale: float) -> dict[str, np.ndarray]:
    """Return the array from which `read_scale` makes the same factor; none for 1."""
    return {} if scale == 1 else {"scale": np.array(scale)}


def _outcomes(file: FileArrays, shape: tuple[int, ...], count: int) -> Int[Tensor, "n q"] | None:
    qubits, K = shape[:2]
    if "outcomes" not in file:
        advice = "name those that were measured in outcomes, n x q"
        require(K**qubits == count, f"{K}^{qubits} measurements, one for each outcome", count, advice)
        return None
    require_size("outcomes", file.shape("outcomes"), (count, qubits), "one of each qubit for each number in y")
    outcomes = file.indices("outcomes", "one of each qubit")
    file.require_indices("outcomes", outcomes, K)
    return outcomes
