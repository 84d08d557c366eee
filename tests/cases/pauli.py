"""Pauli strings and products of measurements of qubits for the shared list, as literal Kronecker products."""

import itertools
from functools import reduce

import torch
from torch import Tensor

from cases.flavors import HERMITIAN
from cases.orders import Made, OperatorCase, Order
from wnsense.sensing.ensembles.pauli import PauliSensing
from wnsense.sensing.ensembles.povm import PovmProductSensing, pauli_effects, tetrahedral_effects

LETTERS = {
    "I": [[1, 0], [0, 1]],
    "X": [[0, 1], [1, 0]],
    "Y": [[0, -1j], [1j, 0]],
    "Z": [[1, 0], [0, -1]],
}
SETTINGS = ((3, (2, 2), torch.float64), (40, (8, 8), torch.float64), (11, (4, 4), torch.float32))
POVM_SETTINGS = ((4, (2, 2), torch.float64), (64, (8, 8), torch.float64), (16, (4, 4), torch.float32))


def string_matrix(string: str) -> Tensor:
    return reduce(torch.kron, [torch.tensor(LETTERS[letter], dtype=torch.complex128) for letter in string])


def string_matrices(operator: PauliSensing) -> Tensor:
    M = [operator.scale * string_matrix(string) for string in operator.strings]
    return torch.stack(M).to(operator.dtype)


def product_matrices(operator: PovmProductSensing) -> Tensor:
    qubits, K, _ = operator.effects.shape
    outcomes = operator.outcomes
    outcomes = itertools.product(range(K), repeat=qubits) if outcomes is None else outcomes.tolist()
    M = []
    for outcome in outcomes:
        e = [operator.effects[qubit, a].to(torch.complex128) for qubit, a in enumerate(outcome)]
        M.append(reduce(torch.kron, [torch.outer(one, one.conj()) for one in e]))
    return torch.stack(M).to(operator.dtype)


def qubits_of(order: Order) -> int:
    return order.shape[0].bit_length() - 1


def make_pauli(order: Order) -> Made:
    operator = PauliSensing.draw(order.count, qubits_of(order), **order.drawn())
    return operator, string_matrices(operator)


def make_pauli_strings(order: Order) -> Made:
    """In no order, with repetitions."""
    letters = torch.randint(4, (order.count, qubits_of(order)), generator=order.rng).tolist()
    strings = ["".join("IXYZ"[k] for k in row) for row in letters]
    operator = PauliSensing.from_strings(strings, scale=0.7, dtype=order.dtype)
    return operator, torch.stack([0.7 * string_matrix(string) for string in strings]).to(order.dtype)


def make_tetrahedral(order: Order) -> Made:
    operator = PovmProductSensing.complete(tetrahedral_effects(order.dtype), qubits_of(order))
    return operator, product_matrices(operator)


def make_six_states(order: Order) -> Made:
    count, qubits = order.count, qubits_of(order)
    operator = PovmProductSensing.draw(count, pauli_effects(order.dtype), qubits, generator=order.rng)
    return operator, product_matrices(operator)


PAULI = [
    OperatorCase("pauli", (HERMITIAN,), make_pauli, independent=False, settings=SETTINGS),
    OperatorCase("pauli-strings", (HERMITIAN,), make_pauli_strings, independent=False, settings=SETTINGS),
    OperatorCase("povm-tetrahedral", (HERMITIAN,), make_tetrahedral, independent=False, settings=POVM_SETTINGS),
    OperatorCase("povm-six-states", (HERMITIAN,), make_six_states, independent=False, settings=SETTINGS),
]
