"""Packing, polar and orthonormal factors, random frames: identities over sizes, conditions and precisions."""

import math

import pytest
import torch

from cases.draws import generator, hermitian, normal
from cases.orders import DEVICES
from wnsense.linalg import (
    frobenius_norm,
    haar_frame,
    newton_polar_factor,
    orthonormal_factor,
    packed_length,
    polar_factor,
    random_normal,
    smat,
    svec,
    symmetric_part,
)

DTYPES = [torch.float32, torch.float64, torch.complex64, torch.complex128]
SIZES = [(1, 1), (5, 1), (5, 3), (6, 6), (20, 7)]

dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: str(dtype)[6:])
sizes = pytest.mark.parametrize(("m", "r"), SIZES)
polar_factors = pytest.mark.parametrize("polar", [polar_factor, newton_polar_factor])


def eps(A) -> float:
    return torch.finfo(A.dtype).eps


def orthonormality(X) -> float:
    return float((X.mH @ X - torch.eye(X.shape[-1], dtype=X.dtype)).abs().max())


def with_condition(r: int, condition: float, spectrum: str, dtype=torch.float64):
    """A matrix of singular values from 1 to 1/condition, and its polar factor U V^H."""
    U = torch.linalg.qr(normal(r + 5, r, dtype=dtype, rng=generator(1))).Q
    V = torch.linalg.qr(normal(r, r, dtype=dtype, rng=generator(2))).Q
    values = condition ** -torch.linspace(0, 1, r, dtype=torch.float64)
    if spectrum == "one large":
        values[1:] = 1 / condition
    elif spectrum == "one small":
        values[:-1] = 1.0
    return (U * values.to(U.real.dtype)) @ V.mH, U @ V.mH


@dtypes
def test_symmetric_part_is_the_projection_onto_hermitian_matrices(dtype):
    A = normal(3, 5, 5, dtype=dtype)
    S = symmetric_part(A)
    assert torch.equal(S, S.mH)
    assert torch.equal(symmetric_part(S), S)
    rest = A - S
    inner = (S.conj() * rest).sum((-2, -1)).real
    assert (inner.abs() <= 30 * eps(A) * frobenius_norm(A) ** 2).all()


@dtypes
def test_frobenius_norm_is_the_root_of_the_sum_of_squares(dtype):
    A = normal(4, 3, 6, dtype=dtype)
    expected = torch.stack([(a.conj() * a).sum().real.sqrt() for a in A])
    assert torch.allclose(frobenius_norm(A), expected, rtol=20 * eps(A), atol=0)


# ------------------------------------------------------------------------------------------------ packing


@dtypes
@pytest.mark.parametrize("m", [1, 2, 5])
def test_packing_is_an_isometry_and_is_undone(m, dtype):
    A, B = (hermitian(normal(3, m, m, dtype=dtype, rng=generator(s))) for s in (1, 2))
    a, b = svec(A), svec(B)
    assert a.shape == (3, packed_length(m, is_complex=dtype.is_complex))
    assert a.dtype == dtype.to_real()
    inner = (A.conj() * B).sum((-2, -1)).real
    # One rounding for sqrt(2) in each factor, one for the product, and the sum of m^2 of them.
    bound = (m * m + 6) * eps(A) * frobenius_norm(A) * frobenius_norm(B)
    assert (((a * b).sum(-1) - inner).abs() <= bound).all()
    assert torch.allclose(smat(a, m, is_complex=dtype.is_complex), A, rtol=2 * eps(A), atol=0)


def test_packing_order_is_the_upper_triangle_row_by_row():
    """[[1, 2, 3], [., 4, 5], [., ., 6]] packs to 1, 2 sqrt2, 3 sqrt2, 4, 5 sqrt2, 6; imaginary parts follow."""
    root = math.sqrt(2)
    A = torch.tensor([[1.0, 2, 3], [2, 4, 5], [3, 5, 6]], dtype=torch.float64)
    real = [1, 2 * root, 3 * root, 4, 5 * root, 6]
    assert svec(A).tolist() == pytest.approx(real, rel=1e-15)
    S = torch.tensor([[0.0, 7, 8], [-7, 0, 9], [-8, -9, 0]], dtype=torch.float64)
    packed = svec(torch.complex(A, S))
    assert packed.tolist() == pytest.approx([*real, 7 * root, 8 * root, 9 * root], rel=1e-15)


@dtypes
def test_unpacking_gives_exactly_hermitian_matrices(dtype):
    d = packed_length(4, is_complex=dtype.is_complex)
    A = smat(normal(2, 3, d, dtype=dtype.to_real()), 4, is_complex=dtype.is_complex)
    assert A.shape == (2, 3, 4, 4)
    assert A.dtype == dtype
    assert torch.equal(A, A.mH)


def test_only_the_upper_triangle_is_read():
    A = normal(4, 4, dtype=torch.complex128)
    expected = torch.triu(A, 1) + torch.triu(A, 1).mH + torch.diag(A.diagonal().real)
    assert torch.allclose(smat(svec(A), 4, is_complex=True), expected, rtol=1e-15, atol=0)


# ------------------------------------------------------------------------------------------------ factors


@sizes
@dtypes
def test_orthonormal_factor_has_a_triangular_cofactor_of_positive_diagonal(m, r, dtype):
    A = normal(3, m, r, dtype=dtype)
    Q = orthonormal_factor(A)
    bound = 10 * m * eps(A)
    assert orthonormality(Q) <= bound
    R = Q.mH @ A
    size = float(frobenius_norm(A).max())
    assert (torch.tril(R, -1).abs() <= bound * size).all()
    diagonal = torch.diagonal(R, dim1=-2, dim2=-1)
    assert (diagonal.real > 0).all()
    assert ((Q @ R - A).abs() <= bound * size).all()


def test_orthonormal_factor_of_a_deficient_matrix_is_still_orthonormal():
    assert orthonormality(orthonormal_factor(torch.zeros(5, 2, dtype=torch.float64))) == 0


@polar_factors
@sizes
@dtypes
def test_polar_factor_leaves_a_positive_semidefinite_cofactor(polar, m, r, dtype):
    A = normal(3, m, r, dtype=dtype)
    U = polar(A)
    bound = 20 * m * eps(A)
    size = float(frobenius_norm(A).max())
    assert orthonormality(U) <= bound
    H = U.mH @ A
    assert ((H - H.mH).abs() <= bound * size).all()
    assert ((U @ H - A).abs() <= bound * size).all()
    assert (torch.linalg.eigvalsh(hermitian(H)) >= -bound * size).all()


@polar_factors
@pytest.mark.parametrize("condition", [1.0, 1e4, 1e8, 1e12, 1e15])
@pytest.mark.parametrize("spectrum", ["even", "one large", "one small"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128], ids=["real", "complex"])
def test_polar_factor_of_any_condition(polar, condition, spectrum, dtype):
    """Orthonormal and backward stable whatever the condition; known itself to machine epsilon times the condition."""
    A, expected = with_condition(30, condition, spectrum, dtype)
    U = polar(A)
    machine = 100 * torch.finfo(torch.float64).eps
    assert orthonormality(U) <= machine
    H = U.mH @ A
    assert float((H - H.mH).abs().max()) <= machine
    assert float((U @ H - A).abs().max()) <= machine
    assert float((U - expected).abs().max()) <= machine * condition


@pytest.mark.parametrize("scale", [1e-120, 1e120])
@polar_factors
def test_polar_factor_does_not_depend_on_scale(polar, scale):
    A = normal(7, 4)
    assert torch.allclose(polar(A * scale), polar(A), rtol=0, atol=1e-14)


def test_both_polar_factors_agree_on_a_batch():
    A = normal(2, 3, 9, 4)
    conditions = torch.linalg.cond(A)
    difference = (polar_factor(A) - newton_polar_factor(A)).abs().amax((-2, -1))
    assert (difference <= 20 * torch.finfo(A.dtype).eps * conditions).all()


def test_newton_polar_factor_says_nan_where_there_is_no_polar_factor():
    A = torch.zeros(2, 4, 2, dtype=torch.float64)
    A[0] = normal(4, 2)
    U = newton_polar_factor(A)
    assert bool(torch.isfinite(U[0]).all())
    assert bool(torch.isnan(U[1]).any())


# ------------------------------------------------------------------------------------------------ randomness


@sizes
@dtypes
def test_haar_frames_are_orthonormal(m, r, dtype):
    X = haar_frame(m, r, batch=(2, 3), generator=generator(), dtype=dtype)
    assert X.shape == (2, 3, m, r)
    assert X.dtype == dtype
    assert orthonormality(X) <= 10 * m * eps(X)


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128], ids=["real", "complex"])
def test_haar_frames_prefer_no_direction(dtype):
    """E X = 0 and E X X^H = (r/m) I: entries of 20,000 frames within 5 standard errors."""
    n, m, r = 20_000, 4, 2
    X = haar_frame(m, r, batch=(n,), generator=generator(), dtype=dtype)
    P = X @ X.mH
    for values, expected in ((X, torch.zeros(m, r)), (P, r / m * torch.eye(m))):
        error = values.std(0) / math.sqrt(n)
        assert ((values.mean(0) - expected).abs() <= 5 * error + 1e-12).all()
    # The projector is far from its mean in each single frame.
    assert float(frobenius_norm(P - r / m * torch.eye(m)).min()) > 0.9


def test_complex_normal_entries_have_unit_second_moment():
    z = random_normal((100_000,), generator=generator(), dtype=torch.complex128)
    squares = z.abs().square()
    assert abs(float(squares.mean()) - 1) <= 5 * float(squares.std()) / math.sqrt(1e5)
    # Circular: E z^2 = 0.
    assert float((z * z).mean().abs()) <= 5 * math.sqrt(2 / 1e5)


@pytest.mark.parametrize("device", DEVICES)
def test_a_seed_means_one_thing_everywhere(device):
    here = random_normal((3, 4), generator=generator(5), dtype=torch.float64)
    there = random_normal((3, 4), generator=generator(5), dtype=torch.float64, device=device)
    assert there.device.type == device
    assert torch.equal(there.cpu(), here)
