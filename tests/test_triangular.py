"""The triangular factor of Gaussian rows: its law beside a factorization's, its products beside dense ones."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp

import wnsense as wn
from cases.draws import generator
from wnsense.checks import InputError
from wnsense.sensing.ensembles import triangular
from wnsense.sensing.ensembles.triangular import TriangularSensing
from wnsense.sensing.kinds import Kind
from wnsense.sensing.operator import RowDual

DRAWS = 1500


@pytest.fixture
def small_panels(monkeypatch):
    """Several panels, the last one lower than the others, at sizes that a test can afford."""
    monkeypatch.setattr(triangular, "_PANEL_ROWS", 4)


def draw(seed: int, n: int = 40, size=4, **named) -> TriangularSensing:
    return TriangularSensing.draw(n, size, generator=generator(seed), **named)


KINDS = [("psd", 4, 10), ("symmetric", 4, 10), ("hermitian", 3, 9), ("rectangular", (2, 5), 10)]


@pytest.mark.parametrize(("kind", "size", "dimension"), KINDS)
def test_rows_are_upper_triangular_with_a_positive_diagonal(small_panels, kind, size, dimension):
    operator = draw(0, size=size, kind=kind)
    rows = operator.packed_rows(0, operator.count)
    assert rows.shape == (dimension, dimension)
    assert operator.kind == Kind(kind)
    assert torch.equal(rows, rows.triu())
    assert (rows.diagonal() > 0).all()
    # Any stretch of rows is a stretch of the whole.
    assert torch.equal(operator.packed_rows(3, 9), rows[3:9])


@pytest.mark.parametrize(("kind", "size", "dimension"), KINDS)
def test_every_product_is_that_of_the_dense_rows(small_panels, kind, size, dimension):
    operator = draw(1, size=size, kind=kind)
    rows = operator.packed_rows(0, operator.count)
    rng = generator(2)
    z = torch.randn(3, dimension, generator=rng, dtype=torch.float64)
    weight, target = torch.rand(2, dimension, generator=rng, dtype=torch.float64)
    y, g = operator.sweep(z, RowDual(weight, target))
    torch.testing.assert_close(y, z @ rows.mT, rtol=0, atol=1e-14)
    torch.testing.assert_close(g, (weight * (z @ rows.mT - target)) @ rows, rtol=0, atol=1e-13)
    y, g = operator.sweep(z, RowDual(weight))
    torch.testing.assert_close(g, (weight * (z @ rows.mT)) @ rows, rtol=0, atol=1e-13)


@pytest.mark.parametrize(("kind", "size", "dimension"), KINDS)
def test_it_keeps_the_laws_of_operators(small_panels, kind, size, dimension):
    assert wn.check_operator(draw(3, size=size, kind=kind)).passed


def test_entries_have_the_law_of_a_factorization():
    """Each entry against R of QR with a positive diagonal, by the two-sample test of Kolmogorov and Smirnov."""
    n, D = 12, 6
    drawn = torch.stack([draw(seed, n, 3).packed_rows(0, D) for seed in range(DRAWS)]).numpy() * math.sqrt(n)
    R = torch.linalg.qr(torch.randn(DRAWS, n, D, generator=generator(9), dtype=torch.float64)).R
    factored = (R * R.diagonal(dim1=-2, dim2=-1).sign().unsqueeze(-1)).numpy()
    for i, j in zip(*np.triu_indices(D), strict=True):
        # 21 tests: the smallest p-value of a right law is below 1e-4 once in 500 sets of seeds, and these are fixed.
        assert ks_2samp(drawn[:, i, j], factored[:, i, j]).pvalue > 1e-4, (i, j)
    # A diagonal off by one degree of freedom would be seen.
    assert ks_2samp(drawn[:, 0, 0], factored[:, 1, 1]).pvalue < 1e-4


def test_it_is_isometric_in_the_mean():
    point = wn.low_rank(4, 2, generator=generator(4))
    squares = [float(draw(seed).measure(point).square().sum()) for seed in range(400)]
    norm = float(point.norm()) ** 2
    # ||M(Z)||^2 is chi-squared of n degrees, over n.
    assert np.mean(squares) == pytest.approx(norm, abs=4 * norm * math.sqrt(2 / 40 / 400))


def test_the_same_seed_draws_the_same_and_single_precision_is_kept():
    one, same, other = draw(5), draw(5), draw(6)
    assert all(torch.equal(a, b) for a, b in zip(one.panels, same.panels, strict=True))
    assert not torch.equal(one.panels[0], other.panels[0])
    single = draw(5, dtype=torch.float32)
    assert single.dtype == torch.float32
    assert single.packed_rows(0, 10).dtype == torch.float32


def test_a_matrix_is_recovered_from_it():
    truth = wn.low_rank(12, 2, condition=5.0, generator=generator(7))
    operator = draw(8, 300, 12)
    recovery = wn.recover(operator, operator.measure(truth), truth=truth)
    assert recovery.rank == 2
    assert float(recovery.matrix.distance(truth) / truth.norm()) < 1e-8


def test_what_has_no_factor_is_refused():
    with pytest.raises(InputError, match="at least D = 10"):
        draw(0, 9)
    with pytest.raises(InputError, match="real dtype"):
        draw(0, 100, (3, 4), kind="rectangular", dtype=torch.complex128)
