"""The large studies at small sizes, and what they are made of beside dense computations."""

import numpy as np
import pytest
import torch

from cases.draws import generator, normal
from wnsense.checks import InputError
from wnsense.lab.demos.large import large_picture as large
from wnsense.lab.demos.large.distances import (
    DistanceStudy,
    map_from_distances,
    moved_onto,
    positions,
    rolled_sheet,
    squared_distances,
)
from wnsense.lab.demos.large.photograph import photograph, retrieve_photograph
from wnsense.lab.demos.large.quantum_state import (
    StateStudy,
    fidelity,
    mean_outcomes,
    nearest_state,
    random_state,
    reconstruct_state,
)
from wnsense.pages.picture_file import save
from wnsense.sensing.low_rank import LowRank

pytestmark = pytest.mark.usefixtures("as_users_run")


def assert_a_picture(figure, tmp_path):
    save(figure, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes()[:4] == b"\x89PNG"


def test_a_photograph_comes_back_without_its_phase(tmp_path):
    image = photograph(side=32)
    assert image.shape == (32, 32)
    assert 0 <= float(image.min()) < float(image.max()) <= 1
    recovery, table = retrieve_photograph(image)
    assert (str(recovery.status), recovery.rank) == ("converged", 1)
    assert np.abs(table.arrays["recovered"] - image.numpy()).max() < 1e-7
    assert table.header["image_error"] < 1e-8
    assert_a_picture(large.photograph_picture(table), tmp_path)


def test_what_is_no_photograph_is_told(tmp_path):
    with pytest.raises(InputError, match=r"needed an image file at .*none\.png"):
        photograph(tmp_path / "none.png")
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(InputError, match=r"needed an image file at .*text\.png"):
        photograph(tmp_path / "text.png")
    with pytest.raises(InputError, match="needed an image of at least 5000 x 5000 pixels, got 1411 x 1411"):
        photograph(side=5000)


def test_squared_distances_have_rank_five_and_give_the_points_back():
    P = rolled_sheet(40, generator())
    D = squared_distances(P)
    assert torch.allclose(D.dense(), torch.cdist(P, P).square(), rtol=0, atol=1e-9)
    assert D.rank(1e-10) == 5
    assert torch.allclose(moved_onto(positions(D, 3), P), P, rtol=0, atol=1e-9)


def test_points_are_found_from_some_of_their_distances(tmp_path):
    recovery, table = map_from_distances(DistanceStudy(points=300, samples=15_000, noise=0.01))
    assert (str(recovery.status), recovery.rank) == ("reached_noise_floor", 5)
    assert table.header["misplaced_root_mean_square"] < 0.02 * table.header["spread_root_mean_square"]
    assert_a_picture(large.distances_picture(table), tmp_path)


def test_fidelity_is_that_of_the_dense_formula():
    rho, sigma = (random_state(12, rank, generator(seed)) for seed, rank in ((1, 3), (2, 4)))

    def root(A: torch.Tensor) -> torch.Tensor:
        values, vectors = torch.linalg.eigh(A)
        return vectors @ torch.diag(values.clamp(min=0).sqrt()).to(A.dtype) @ vectors.mH

    inner = root(root(rho.dense()) @ sigma.dense() @ root(rho.dense()))
    expected = float(torch.linalg.eigvalsh(inner).sum() ** 2)
    assert fidelity(rho, sigma) == pytest.approx(expected, abs=1e-6)
    assert fidelity(rho, rho) == pytest.approx(1)
    assert float(rho.trace().real) == pytest.approx(1)


def test_the_nearest_state_is_one_and_none_is_nearer():
    A = normal(6, 6, dtype=torch.complex128)
    values, vectors = torch.linalg.eigh((A + A.mH) / 2)
    given = LowRank(vectors, torch.diag(values).to(torch.complex128))
    state = nearest_state(given)
    found = torch.linalg.eigvalsh(state.dense())
    assert float(found.min()) >= -1e-12
    assert float(found.sum()) == pytest.approx(1)
    distance = float(state.distance(given))
    for seed in range(50):
        other = random_state(6, 6, generator(seed))
        # Along the way to any other state as well.
        for t in (0.01, 0.3, 1.0):
            between = state.scaled(1 - t).plus(other.scaled(t))
            assert float(between.distance(given)) >= distance - 1e-12


def test_counted_means_scatter_as_shots_do():
    values = torch.linspace(-1, 1, 20_001, dtype=torch.float64)
    means = mean_outcomes(values, 100, generator())
    assert float(means.abs().max()) <= 1
    spread = (means - values) / ((1 - values.square()) / 100).sqrt().clamp(min=1e-12)
    inner = spread[100:-100]
    # Mean 0 and variance 1 within five standard errors.
    assert abs(float(inner.mean())) <= 5 / len(inner) ** 0.5
    assert abs(float(inner.var()) - 1) <= 5 * (2 / len(inner)) ** 0.5


def test_a_state_is_reconstructed_from_counted_pauli_strings(tmp_path):
    recovery, table = reconstruct_state(StateStudy(qubits=5, rank=2, shots=100_000))
    assert (str(recovery.status), recovery.rank) == ("reached_noise_floor", 2)
    assert table.header["fidelity"] > 0.99
    assert table.header["noise_level"] == pytest.approx(table.header["true_noise"], rel=0.2)
    assert_a_picture(large.state_picture(table), tmp_path)
