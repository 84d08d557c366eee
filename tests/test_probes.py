"""What `check_operator` says: the truth of every operator in the list, and of what is wrong with broken ones."""

import math
from dataclasses import dataclass, replace

import pytest
import torch

from cases.draws import generator, normal
from cases.flavors import ALL_FLAVORS, Flavor
from cases.orders import DEVICES
from wnsense.checks import InputError
from wnsense.linalg import svec
from wnsense.sensing.adapters import from_functions
from wnsense.sensing.checking.operator_probes import check_operator
from wnsense.sensing.ensembles.dense import DenseSensing, GaussianSensing
from wnsense.sensing.ensembles.rank_one import PairedRankOneSensing, RankOneSensing
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator
from wnsense.sensing.space import Space

SIZE = 5
PACKED = SIZE * (SIZE + 1) // 2
EPS = torch.finfo(torch.float64).eps


# ------------------------------------------------------------------------------------------------ sound operators


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("flavor", ALL_FLAVORS, ids=str)
def test_on_each_device(device, flavor):
    shape = SIZE if flavor.kind.is_symmetric else (SIZE, 7)
    operator = GaussianSensing.draw(40, shape, kind=flavor.kind, dtype=flavor.dtype(), device=device)
    assert check_operator(operator).passed


def identity_rows(scale: float, trace: float) -> DenseSensing:
    """M*M(Z) = scale^2 Z + trace^2 Tr(Z) I, exactly."""
    identity = svec(torch.eye(SIZE, dtype=torch.float64))
    return DenseSensing.from_rows(
        torch.cat([scale * torch.eye(PACKED, dtype=torch.float64), trace * identity[None]]), (SIZE, SIZE)
    )


@pytest.mark.parametrize(("scale", "trace"), [(1.0, 0.0), (3.0, 0.0), (0.5, 2.0), (1e-6, 1e-5), (2.0, 0.5), (1.0, 0.7)])
def test_second_moment_of_known_operators(scale, trace):
    report = check_operator(identity_rows(scale, trace))
    alpha, beta = report.second_moment
    assert alpha == pytest.approx(scale**2, rel=1e-13)
    assert beta == pytest.approx(trace**2, rel=1e-12, abs=1e-13 * scale**2)
    assert report.gain == pytest.approx(scale, rel=1e-13)
    assert report.has_trace_component == (1 + SIZE * (trace / scale) ** 2 > 3)
    assert ("recover() treats it apart" in str(report)) == report.has_trace_component
    if report.has_trace_component or trace == 0:
        # What alpha and beta say of the length of M(Z) is all there is to say.
        assert report.isometry_constant < 1e-12
        assert report.stretch == pytest.approx((1, 1), abs=1e-12)


def test_a_trace_that_is_not_seen():
    unit = svec(torch.eye(SIZE, dtype=torch.float64)) / math.sqrt(SIZE)
    rows = torch.eye(PACKED, dtype=torch.float64) - torch.outer(unit, unit)
    report = check_operator(DenseSensing.from_rows(rows, (SIZE, SIZE)))
    assert report.gain == pytest.approx(1, rel=1e-13)
    assert report.trace_excess == pytest.approx(0, abs=1e-12)
    assert "The trace is measured weakly" in str(report)


@pytest.mark.parametrize(
    ("operator", "moment"),
    [
        (GaussianSensing.draw(20_000, SIZE, generator=generator()), (1, 0)),
        (RankOneSensing.draw(20_000, SIZE, generator=generator()), (1, 1 / 2)),
        (RankOneSensing.draw(20_000, SIZE, kind="hermitian", generator=generator()), (1, 1)),
        (PairedRankOneSensing.draw(20_000, SIZE, generator=generator()), (1, 0)),
        (GaussianSensing.draw(20_000, (3, 4), kind="rectangular", generator=generator()), (1, 0)),
    ],
    ids=["gaussian", "rank-one", "rank-one-complex", "paired", "rectangular"],
)
def test_second_moment_of_drawn_operators(operator, moment):
    # The fourth moments of a quadratic form are some tens of its squared second ones: a relative deviation of
    # sqrt(100 / n) = 0.07, and few probes of few unknowns are not independent. Here the seed is fixed.
    report = check_operator(operator)
    assert report.second_moment == pytest.approx(moment, abs=0.07)
    assert operator.second_moment == moment


def test_isometry_constant_is_a_lower_bound():
    # With lengths stretched by 1 and 2 along coordinates, no matrix is stretched by less or more.
    weights = torch.ones(PACKED, dtype=torch.float64)
    weights[::2] = 2
    report = check_operator(DenseSensing.from_rows(torch.diag(weights), (SIZE, SIZE)), rank=2)
    least, most = (factor * report.gain for factor in report.stretch)
    assert 1 < least < most < 2
    squares = [factor**2 for factor in report.stretch]
    assert report.isometry_constant == pytest.approx(max(1 - squares[0], squares[1] - 1), rel=1e-12)
    assert "at least" in str(report)
    assert "Random probes only bound it from below" in str(report)


def test_few_measurements_keep_lengths_worse():
    constants = [
        check_operator(GaussianSensing.draw(n, 20, generator=generator())).isometry_constant for n in (20, 200, 2000)
    ]
    assert constants[0] > 2 * constants[1] > 4 * constants[2]


def test_a_rank_of_ones_own():
    operator = GaussianSensing.draw(60, SIZE, generator=generator())
    assert "16 random matrices of rank 5" in str(check_operator(operator, rank=5))
    for rank in (0, -1, SIZE + 1):
        with pytest.raises(InputError, match="the rank of the probes between 1 and 5"):
            check_operator(operator, rank=rank)


def test_a_seed_gives_one_report():
    operator = GaussianSensing.draw(60, SIZE, generator=generator())
    assert check_operator(operator, seed=3) == check_operator(operator, seed=3)
    assert check_operator(operator, seed=3) != check_operator(operator, seed=4)


@pytest.mark.parametrize(
    ("count", "rank", "words"),
    [
        # m = 20: rank 1 has 20 degrees of freedom, rank 2 has 39, rank 3 has 57, and a full matrix 210.
        (40, 0, "n = 40 is 0.702 times the 57 degrees of freedom of rank 3; even rank 1 needs about 60."),
        (
            60,
            1,
            "n = 60 is 1.05 times the 57 degrees of freedom of rank 3; ranks up to about 1 are realistic.",
        ),
        (
            170,
            2,
            "n = 170 is 2.98 times the 57 degrees of freedom of rank 3; ranks up to about 2 are realistic.",
        ),
        (
            171,
            3,
            "n = 171 is 3 times the 57 degrees of freedom of rank 3; ranks up to about 3 are realistic.",
        ),
        (210, 3, "it is no less than the number of unknowns of a full matrix, so that any rank may be recoverable."),
    ],
)
def test_what_rank_can_be_hoped_for(count, rank, words):
    report = check_operator(GaussianSensing.draw(count, 20, generator=generator()))
    assert report.reliable_rank == rank
    assert str(report).endswith(words)


# ------------------------------------------------------------------------------------------------ broken functions

COUNT = 30


def functions(kind: Kind, *, forward=lambda y: y, adjoint=lambda R: R, vector=lambda v: v) -> Operator:
    """An operator of two functions, right but for what is done to y, to M*(v) and to v."""
    dtype = torch.complex128 if kind is Kind.HERMITIAN else torch.float64
    M = normal(COUNT, SIZE, SIZE, dtype=dtype)
    if kind.is_symmetric:
        M = (M + M.mH) / 2
    return from_functions(
        lambda Z: forward(torch.einsum("nij,ij->n", M.conj(), Z).real),
        lambda v: adjoint(torch.einsum("n,nij->ij", vector(v).to(dtype), M)),
        n=COUNT,
        size=SIZE,
        kind=kind,
    )


def complex_rectangular(adjoint) -> Operator:
    M = normal(COUNT, SIZE, SIZE, dtype=torch.complex128)
    return from_functions(
        lambda Z: torch.einsum("nij,ij->n", M.conj(), Z).real,
        lambda v: adjoint(torch.einsum("n,nij->ij", v.to(M.dtype), M)),
        n=COUNT,
        size=SIZE,
        kind="rectangular",
        dtype=torch.complex128,
    )


def noisy(y):
    return y + 0.1 * torch.randn(COUNT, generator=generator(int(1e6 * abs(float(y[0]))))).double()


BROKEN = {
    "scale": (functions(Kind.PSD, adjoint=lambda R: 2 * R), "Here it is (b): M*(v) is 2 times what it should be"),
    "scale of both": (
        functions(Kind.PSD, forward=lambda y: y / COUNT),
        f"Here it is (b): M*(v) is {COUNT} times what it should be",
    ),
    "sign": (functions(Kind.SYMMETRIC, adjoint=lambda R: -R), "Here it is (b): M*(v) is -1 times what it should be"),
    "small scale": (functions(Kind.PSD, adjoint=lambda R: R * (1 + 1e-8)), "The adjoint is wrong"),
    "conjugate": (functions(Kind.HERMITIAN, adjoint=torch.conj), "Here it is (a): M*(v) is right once conjugated."),
    "transpose": (
        functions(Kind.RECTANGULAR, adjoint=lambda R: R.mT),
        "Here it is (a): M*(v) is right once transposed.",
    ),
    "complex conjugate": (complex_rectangular(torch.conj), "Here it is (a): M*(v) is right once conjugated."),
    "complex transpose": (complex_rectangular(lambda R: R.mT), "Here it is (a): M*(v) is right once transposed."),
    "conjugate transpose": (
        complex_rectangular(lambda R: R.mH),
        "Here it is (a): M*(v) is right once conjugated and transposed.",
    ),
    "order": (functions(Kind.PSD, vector=lambda v: v.roll(1)), "The adjoint is wrong"),
    "one measurement left out": (
        functions(Kind.PSD, vector=lambda v: torch.cat([v[:-1], torch.zeros(1).double()])),
        "The adjoint is wrong",
    ),
    "magnitudes": (functions(Kind.PSD, forward=torch.abs), "M is not linear"),
    "magnitudes, of the adjoint": (functions(Kind.PSD, forward=torch.abs), "Here it is (c), as said above."),
    "constant": (functions(Kind.PSD, forward=lambda y: y + 1), "(b) it adds a constant"),
    "random": (functions(Kind.PSD, forward=noisy), "or draws random numbers"),
    "adjoint that is not linear": (functions(Kind.PSD, vector=torch.abs), "M* is not linear"),
    "single precision": (
        functions(Kind.PSD, forward=lambda y: y.float().double()),
        "So small a difference is one of single precision.",
    ),
    "single precision of the adjoint": (
        functions(Kind.PSD, adjoint=lambda R: R.float().double()),
        "So small a difference is one of single precision.",
    ),
    "NaN": (functions(Kind.PSD, forward=lambda y: y / 0), "M(Z) holds NaN or infinity in 30 of 30 entries"),
    "infinite adjoint": (functions(Kind.PSD, adjoint=lambda R: R / 0), "M*(v) V holds NaN or infinity in 15 of 15"),
    "zero": (functions(Kind.PSD, forward=torch.zeros_like), "M(Z) is zero for random arguments, nothing is measured"),
    "zero adjoint": (functions(Kind.PSD, adjoint=torch.zeros_like), "M*(v) V is zero for random arguments"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_functions(name):
    operator, words = BROKEN[name]
    report = check_operator(operator)
    assert not report.passed
    assert words in str(report)


@pytest.mark.parametrize("kind", Kind)
def test_the_same_functions_unbroken(kind):
    report = check_operator(functions(kind))
    assert report.passed, str(report)
    assert report.adjoint_cause == ""


def test_causes_are_named_for_a_wrong_adjoint():
    text = str(check_operator(functions(Kind.PSD, vector=lambda v: v.roll(1))))
    for cause in ("(a) a conjugate or a transpose is missing", "(b) one of the two is scaled", "(c) M is not linear"):
        assert cause in text
    assert "Here" not in text


def test_a_scale_of_one_is_no_cause():
    report = check_operator(functions(Kind.PSD, adjoint=lambda R: R * (1 + 1e-12)))
    assert not report.passed
    assert report.adjoint_cause == ""


def test_lengths_are_not_told_of_what_is_not_linear():
    assert "isometry" not in str(check_operator(functions(Kind.PSD, forward=torch.abs)))
    assert "isometry" in str(check_operator(functions(Kind.PSD, adjoint=lambda R: 2 * R)))


def test_a_scale_that_is_wrong_is_measured_exactly():
    report = check_operator(functions(Kind.PSD, adjoint=lambda R: 3 * R))
    # |<y, v> - 3 <y, v>| with v half along y: 2 |<y, v>| / (||y|| ||v||) is near sqrt(2).
    assert 0.5 < report.adjoint_error < 2
    assert report.linearity_error <= report.tolerance


# ------------------------------------------------------------------------------------------------ broken classes


@dataclass(frozen=True)
class Faulty(DenseSensing):
    """A dense operator with one fault."""

    fault: str = ""

    def _measure(self, point):
        y = super()._measure(point)
        if self.fault == "dtype of y":
            return y.float()
        if self.fault == "count":
            return y[..., :-1]
        if self.fault == "batch" and point.batch:
            return y[:1].expand_as(y)
        if self.fault == "batch refused" and point.batch:
            raise RuntimeError("one at a time")
        if self.fault == "batch summed" and point.batch:
            return y.sum(0)
        return y

    def _adjoint_times(self, v, V):
        W = super()._adjoint_times(v, V)
        if self.fault == "asymmetric":
            return W + v[..., :1, None] * (V.roll(1, dims=-2) - V.roll(-1, dims=-2))
        if self.fault == "dtype of W":
            return W.to(torch.complex128)
        if self.fault == "transposed":
            return W.mT
        if self.fault == "adjoint batch" and v.dim() > 1:
            return W.flip(0)
        return W

    def _adjoint_transpose_times(self, v, U):
        if self.fault == "transpose":
            return 2 * super()._adjoint_transpose_times(v, U)
        return super()._adjoint_transpose_times(v, U)


def faulty(fault: str, kind: Kind = Kind.PSD) -> Faulty:
    if kind is Kind.RECTANGULAR:
        return Faulty(normal(COUNT, SIZE * 4), Space.from_size((SIZE, 4), kind), fault=fault)
    return Faulty(normal(COUNT, PACKED), Space.from_size(SIZE, kind), fault=fault)


FAULTY = {
    "dtype of y": "A fault: M(Z) is of torch.float32, torch.float64 was needed.",
    "count": "A fault: M(Z) is of shape (29,), (30,) was needed.",
    "dtype of W": "A fault: M*(v) V is of torch.complex128, torch.float64 was needed.",
    "transposed": "A fault: M*(v) V is of shape (3, 5), (5, 3) was needed.",
    "batch": "The results of a batch and of a loop differ by",
    "adjoint batch": "The results of a batch and of a loop differ by",
    "batch refused": "A batch is refused, a loop is not",
    "batch summed": "A batch is refused, a loop is not",
    "asymmetric": "M*(v) is not symmetric: R = M*(v) and R^T differ by",
}


@pytest.mark.parametrize("fault", FAULTY)
def test_broken_classes(fault, as_users_run):
    report = check_operator(faulty(fault))
    assert not report.passed
    assert FAULTY[fault] in str(report)


@pytest.mark.parametrize("kind", [Kind.PSD, Kind.RECTANGULAR])
def test_the_same_class_unbroken(kind):
    assert check_operator(faulty("", kind)).passed


def test_an_asymmetric_adjoint_passes_the_adjoint_test():
    # The antisymmetric part of M*(v) meets only symmetric matrices there, but solvers multiply by M*(v).
    report = check_operator(faulty("asymmetric"))
    assert report.adjoint_error <= report.tolerance
    assert report.transpose_error > 0.01
    assert not report.passed


def test_a_transpose_of_ones_own():
    text = str(check_operator(faulty("transpose", Kind.RECTANGULAR)))
    assert "adjoint_transpose_times does not apply M*(v)^H" in text
    assert "The adjoint is right" in text


def test_functions_of_the_wrong_size_are_told_at_once():
    operator = from_functions(lambda Z: Z.sum(0), lambda v: torch.ones(SIZE, SIZE).double(), n=COUNT, size=SIZE)
    with pytest.raises(InputError, match=r"what the forward function returns of size 30, got 5"):
        check_operator(operator)


# ------------------------------------------------------------------------------------------------ the report


def test_a_report_without_values_has_not_passed():
    report = check_operator(functions(Kind.PSD))
    for name in ("adjoint", "transpose", "linearity", "adjoint_linearity", "batch"):
        assert not replace(report, **{f"{name}_error": math.nan}).passed
        assert not replace(report, **{f"{name}_error": 2 * report.tolerance}).passed


def test_single_precision_is_no_fault_of_single_precision():
    operator = GaussianSensing.draw(COUNT, SIZE, dtype=torch.float32, generator=generator())
    report = check_operator(operator)
    assert report.passed
    assert EPS * 1e6 < report.tolerance < 1e-3


def test_hermitian_matrices_are_named_so(as_users_run):
    flavor = Flavor(Kind.HERMITIAN, is_complex=True)
    operator = Faulty(normal(COUNT, SIZE**2), Space.from_size(SIZE, flavor.kind), fault="asymmetric")
    assert "M*(v) is not Hermitian: R = M*(v) and R^H differ by" in str(check_operator(operator))


def test_a_batch_of_one_kind_of_point_is_enough():
    # Points of the batch differ, so that an operator that measures the first one twice is found out.
    points = LowRank(normal(2, SIZE, 1), torch.ones(2, 1, 1).double())
    y = faulty("batch").measure(points)
    assert torch.equal(y[0], y[1])
    assert check_operator(faulty("batch")).batch_error > 0.1
