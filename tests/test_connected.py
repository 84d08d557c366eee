"""Parts of an unknown that no measurement relates, and what a recovery says of them."""

import pytest
import torch

import wnsense as wn
from cases.draws import generator


def blocks(m: int) -> tuple[torch.Tensor, torch.Tensor]:
    """All places of two diagonal blocks of sides m / 2."""
    half = m // 2
    i, j = (torch.arange(m) for _ in range(2))
    place = torch.cartesian_prod(i, j)
    place = place[(place[:, 0] < half) == (place[:, 1] < half)]
    return place[:, 0], place[:, 1]


def test_parts_are_those_of_the_graph_of_places():
    rows, columns = blocks(8)
    for kind, parts in ((wn.Kind.PSD, 2), (wn.Kind.SYMMETRIC, 2), (wn.Kind.RECTANGULAR, 1)):
        assert wn.EntrySensing.from_places(rows, columns, (8, 8), kind=kind).connected_parts() == parts
    both = (torch.cat([rows, torch.tensor([0])]), torch.cat([columns, torch.tensor([7])]))
    joined = wn.EntrySensing.from_places(*both, (8, 8))
    assert joined.connected_parts() == 1
    # A row at which nothing looks is a part of its own.
    assert wn.EntrySensing.from_places(rows, columns, (9, 9)).connected_parts() == 3
    ones = torch.ones(len(rows), dtype=torch.float64)
    assert wn.operators.DCTSensing(rows, columns, ones, wn.Space.from_size(8)).connected_parts() == 2
    # The Fourier transform of a real vector is not free in its signs.
    assert wn.operators.PartialFourierSensing(rows, columns, ones, wn.Space.from_size(8)).connected_parts() == 1
    assert wn.GaussianSensing.draw(9, 4, generator=generator()).connected_parts() == 1


@pytest.mark.parametrize("related", [False, True])
def test_a_sign_that_cannot_be_known_is_no_success(related):
    """All entries of two diagonal blocks of x x^T are explained by two matrices, until one entry relates the blocks."""
    m = 12
    rows, columns = blocks(m)
    if related:
        rows = torch.cat([rows, torch.arange(6), torch.arange(6)])
        columns = torch.cat([columns, torch.arange(6) + 6, torch.arange(6).flip(0) + 6])
    truth = wn.low_rank(m, 1, generator=generator(2))
    operator = wn.EntrySensing.from_places(rows, columns, (m, m))
    problem = wn.Problem.measure(operator, truth)
    signs = torch.ones(m, 1, dtype=torch.float64)
    signs[m // 2 :] = -1
    other = wn.LowRank(signs * truth.X, truth.Theta)
    explained = torch.linalg.vector_norm(operator.measure(other) - problem.measurements) < 1e-12
    assert bool(explained) == (not related)
    found = wn.recover(operator, problem.measurements)
    if related:
        assert found.status is wn.Status.CONVERGED
        assert float(found.matrix.distance(truth)) < 1e-8
    else:
        assert found.status is wn.Status.TOO_FEW_MEASUREMENTS
        assert "2 parts" in found.warnings[-1]
