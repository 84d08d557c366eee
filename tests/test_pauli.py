"""What Pauli strings and products of measurements of qubits promise besides the shared laws."""

import itertools
import math

import pytest
import torch

import wnsense as wn
from cases.draws import generator, normal, random_point
from cases.flavors import HERMITIAN
from cases.pauli import string_matrix
from wnsense.checks import InputError
from wnsense.sensing.ensembles.pauli import PauliSensing
from wnsense.sensing.ensembles.povm import PovmProductSensing, pauli_effects, tetrahedral_effects

ALL_OF_THREE = ["".join(letters) for letters in itertools.product("IXYZ", repeat=3)]


def test_strings_are_kept_as_text():
    assert PauliSensing.from_strings(ALL_OF_THREE).strings == ALL_OF_THREE
    # The first letter is the most significant bit.
    operator = PauliSensing.from_strings(["XIZY"])
    assert (int(operator.x_masks[0]), int(operator.z_masks[0])) == (0b1001, 0b0011)


def test_strings_over_sqrt_d_are_an_orthonormal_basis():
    """So all of them, scaled, are an isometry: the law E M*M(Z) = Z with nothing left to chance."""
    M = torch.stack([string_matrix(string) for string in ALL_OF_THREE]).flatten(1)
    assert torch.equal(M @ M.mH, 8 * torch.eye(64, dtype=torch.complex128))
    operator = PauliSensing.complete(3)
    assert sorted(operator.strings) == sorted(ALL_OF_THREE)
    assert operator.second_moment == (1.0, 0.0)
    point = random_point(HERMITIAN, (8, 8), 3)
    back = operator.adjoint(operator.measure(point))
    assert float((back - point.dense()).abs().max()) <= 1e-14 * float(point.dense().abs().max()) * 64


def test_all_drawn_strings_are_the_complete_set():
    drawn = PauliSensing.draw(64, 3, generator=generator())
    assert drawn.strings == PauliSensing.complete(3).strings
    assert math.isclose(drawn.scale, PauliSensing.complete(3).scale)


def test_all_strings_without_the_identity_see_all_but_the_trace():
    operator = PauliSensing.draw(63, 3, with_identity=False, generator=generator())
    assert "III" not in operator.strings
    assert not operator.traces().any()
    alpha, beta = operator.second_moment
    point = random_point(HERMITIAN, (8, 8), 3)
    Z = point.dense()
    expected = alpha * Z + beta * Z.trace() * torch.eye(8, dtype=torch.float64)
    assert (alpha, beta) == (1.0, -1 / 8)
    back = operator.adjoint(operator.measure(point))
    assert float((back - expected).abs().max()) <= 1e-14 * float(Z.abs().max()) * 64


@pytest.mark.parametrize("with_identity", [True, False])
def test_every_string_is_as_likely_as_any_other(with_identity):
    rng, draws, n = generator(), 500, 5
    counts = torch.zeros(16)
    for _ in range(draws):
        operator = PauliSensing.draw(n, 2, with_identity=with_identity, generator=rng)
        counts[operator.x_masks * 4 + operator.z_masks] += 1
    counts = counts if with_identity else counts[1:]
    share = n / len(counts)
    assert counts.sum() == draws * n
    assert float((counts - draws * share).abs().max()) <= 5 * math.sqrt(draws * share * (1 - share))


@pytest.mark.parametrize("qubits", [1, 2, 5])
def test_expectation_values_of_a_product_state_are_products(qubits):
    """Of Bloch vectors: Tr(P rho) is the product of 1, x, y or z of the qubits."""
    bloch = torch.nn.functional.normalize(normal(qubits, 3), dim=1)
    states = [torch.linalg.eigh(one_qubit(vector)).eigenvectors[:, 1] for vector in bloch]
    v = torch.ones(1, dtype=torch.complex128)
    for state in states:
        v = torch.kron(v, state)
    operator = PauliSensing.draw(min(4**qubits, 200), qubits, generator=generator())
    y = operator.measure(wn.LowRank(v[:, None], torch.ones((1, 1), dtype=torch.complex128))) / operator.scale
    table = torch.cat([torch.ones(qubits, 1, dtype=torch.float64), bloch], dim=1)
    expected = [math.prod(float(table[k, "IXYZ".index(c)]) for k, c in enumerate(s)) for s in operator.strings]
    assert float((y - torch.tensor(expected, dtype=torch.float64)).abs().max()) <= 1e-13


def one_qubit(vector):
    return sum(a * string_matrix(letter) for a, letter in zip(vector, "XYZ", strict=True))


@pytest.mark.parametrize("make", [PauliSensing.draw, PovmProductSensing.draw], ids=["pauli", "povm"])
def test_chosen_rows_are_measured_as_before(make):
    arguments = (11, 2) if make == PauliSensing.draw else (11, pauli_effects(), 2)
    operator = make(*arguments, generator=generator())
    point, rows = random_point(HERMITIAN, (4, 4), 2), torch.tensor([10, 3, 3, 0])
    chosen = operator.select_rows(rows)
    assert float((chosen.measure(point) - operator.measure(point)[rows]).abs().max()) <= 1e-13
    assert chosen.second_moment is None


def test_outcomes_chosen_of_all_are_the_same_products():
    operator = PovmProductSensing.complete(tetrahedral_effects(), 3)
    point, rows = random_point(HERMITIAN, (8, 8), 2), torch.tensor([63, 5, 20])
    chosen = operator.select_rows(rows)
    assert chosen.outcomes.tolist() == [[3, 3, 3], [0, 1, 1], [1, 1, 0]]
    assert float((chosen.measure(point) - operator.measure(point)[rows]).abs().max()) <= 1e-13


@pytest.mark.parametrize(("name", "blocks"), [("pauli", 40), ("povm", 20)])
def test_blocks_change_nothing(name, blocks, monkeypatch):
    if name == "pauli":
        operator = PauliSensing.draw(50, 3, generator=generator()).select_rows(torch.randperm(50))
    else:
        operator = PovmProductSensing.draw(50, pauli_effects(), 3, generator=generator())
    point, v = random_point(HERMITIAN, (8, 8), 2, batch=(2,)), normal(2, 50)
    y, back = operator.measure(point), operator.adjoint_times(v, point.X)
    monkeypatch.setattr("wnsense.sensing.ensembles.pauli._BLOCK_NUMBERS", {"cpu": blocks})
    assert float((operator.measure(point) - y).abs().max()) <= 1e-13 * float(y.abs().max())
    assert float((operator.adjoint_times(v, point.X) - back).abs().max()) <= 1e-13 * float(back.abs().max())


@pytest.mark.parametrize("effects", [pauli_effects, tetrahedral_effects])
def test_effects_add_up_to_the_identity_and_are_two_designs(effects):
    e = effects()
    E = e[:, :, None] * e[:, None, :].conj()
    assert torch.allclose(E.sum(0), torch.eye(2, dtype=torch.complex128), atol=1e-15)
    kappa = 1 / 6 if len(e) == 4 else 1 / 9
    Z = random_point(HERMITIAN, (2, 2), 2).dense()
    moment = sum(one * (one @ Z).trace() for one in E)
    assert torch.allclose(moment, kappa * (Z + Z.trace() * torch.eye(2)), atol=1e-14)


def test_corners_of_the_tetrahedron_are_equally_far_apart():
    e = tetrahedral_effects()
    overlaps = (e.conj() @ e.mT).abs().square()
    expected = torch.full((4, 4), 1 / 12, dtype=torch.float64).fill_diagonal_(1 / 4)
    assert torch.allclose(overlaps, expected, atol=1e-15)


@pytest.mark.parametrize("effects", [pauli_effects, tetrahedral_effects])
def test_probabilities_of_a_state_add_up_to_one(effects):
    X = normal(16, 3, dtype=torch.complex128)
    state = wn.LowRank(X / X.norm(), torch.eye(3, dtype=torch.complex128))
    p = PovmProductSensing.complete(effects(), 4).measure(state)
    assert float(p.min()) >= 0
    assert abs(float(p.sum()) - 1) <= 1e-13


@pytest.mark.parametrize(
    "make",
    [
        lambda rng: PauliSensing.draw(700, 5, generator=rng),
        lambda rng: PauliSensing.draw(700, 5, with_identity=False, generator=rng),
        lambda rng: PovmProductSensing.complete(tetrahedral_effects(), 5),
        lambda rng: PovmProductSensing.draw(2000, pauli_effects(), 5, generator=rng),
    ],
    ids=["pauli", "pauli-without-identity", "tetrahedral", "six-states"],
)
def test_a_state_comes_back(make):
    rng = generator(1)
    truth = wn.low_rank(32, 1, kind="hermitian", generator=rng)
    operator = make(rng)
    recovery = wn.recover(operator, operator.measure(truth), truth=truth)
    assert recovery.status == wn.Status.CONVERGED
    assert (recovery.rank, recovery.relative_error < 1e-8) == (1, True)


def test_a_million_dimensions_take_no_matrix():
    """20 qubits: the sum of squares over few strings is what their back-projection says."""
    operator = PauliSensing.draw(20, 20, dtype=torch.complex64, generator=generator())
    X = torch.zeros((2**20, 1), dtype=torch.complex64)
    X[5] = 1.0
    state = wn.LowRank(X, torch.ones((1, 1), dtype=torch.complex64))
    some = PauliSensing.from_strings([*operator.strings, "I" * 20, "Z" * 20], dtype=torch.complex64)
    y = some.measure(state)
    # 5 has two bits: an even number of signs.
    assert y[-2:].tolist() == [1.0, 1.0]
    back = some.adjoint_times(y, X)[5, 0]
    assert torch.isclose(back.real, y.square().sum(), rtol=1e-5)


def masks(x, z, qubits=2, **others):
    x, z = (torch.tensor(values, dtype=torch.int64) for values in (x, z))
    return PauliSensing(x, z, wn.Space.from_size(1 << qubits, "hermitian"), **others)


def outcomes_of(values):
    return PovmProductSensing(tetrahedral_effects().expand(2, 4, 2), torch.tensor(values, dtype=torch.int64))


@pytest.mark.parametrize(
    ("make", "needed", "came"),
    [
        (lambda: PauliSensing.from_strings([]), "at least one Pauli string", "none"),
        (lambda: PauliSensing.from_strings(["XY", "XYZ"]), "Pauli strings of 2 letters, as the first", "'XYZ' at 1"),
        (lambda: PauliSensing.from_strings(["XA"]), "the letters I, X, Y, Z in a Pauli string", "'XA' at 0"),
        (lambda: PauliSensing.from_strings(["xy"]), "the letters I, X, Y, Z in a Pauli string", "'xy' at 0"),
        (lambda: PauliSensing.from_strings([""]), "between 1 and 31 letters in a Pauli string", "0"),
        (lambda: PauliSensing.from_strings(["X" * 32]), "between 1 and 31 letters in a Pauli string", "32"),
        (lambda: PauliSensing.draw(17, 2), "between 1 and 16 Pauli strings", "17"),
        (lambda: PauliSensing.draw(16, 2, with_identity=False), "between 1 and 15 Pauli strings", "16"),
        (lambda: PauliSensing.draw(0, 2), "between 1 and 16 Pauli strings", "0"),
        (lambda: PauliSensing.draw(4, 0), "between 1 and 31 qubits", "0"),
        (lambda: PauliSensing.complete(0), "between 1 and 31 qubits", "0"),
        (lambda: PauliSensing.draw(4, 2, kind="psd"), "kind hermitian for Pauli strings", "psd"),
        (lambda: PauliSensing.draw(4, 2, dtype=torch.float64), "a complex dtype for kind hermitian", "torch.float64"),
        (lambda: masks([4], [0]), "x_masks of 2 bits", "4 to 4"),
        (lambda: masks([0, 1], [0, -1]), "z_masks of 2 bits", "-1 to 0"),
        (lambda: masks([0, 1], [0]), "z_masks beside 2 x_masks", "1"),
        (lambda: masks([], []), "at least one measurement", "none"),
        (lambda: masks([1], [0], scale=-1.0), "a positive scale", "-1.0"),
        (lambda: outcomes_of([[0, 4]]), "outcomes between 0 and 3", "0 to 4"),
        (lambda: outcomes_of([[0, 1, 2]]), "outcomes of 2 qubits", "3"),
        (lambda: PovmProductSensing.draw(17, tetrahedral_effects(), 2), "between 1 and 16 outcomes", "17"),
        (lambda: PovmProductSensing.draw(1, tetrahedral_effects(), 0), "between 1 and 31 qubits", "0"),
    ],
)
def test_what_no_operator_can_be_made_of_is_refused(make, needed, came, as_users_run):
    with pytest.raises(InputError) as refused:
        make()
    assert f"needed {needed}" in str(refused.value)
    assert f"got {came}" in str(refused.value)
