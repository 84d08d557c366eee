"""The laws of operators, each written once: what every entry of `OPERATORS` must satisfy.

A law is a function of a `Bench`. The fast suite checks all laws of an operator and a flavor in one case; the full
product of operators, flavors, sizes, precisions and laws is in `test_full_operators.py`.
"""

import dataclasses
import math
import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from cases.draws import random_point
from cases.flavors import Flavor
from cases.operators import OPERATORS, Bench, factor_norms
from cases.orders import OperatorCase, Order
from wnsense.checks import InputError
from wnsense.sensing.checking.operator_probes import check_operator
from wnsense.sensing.combining.restriction import restrict
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import RowDual

Applies = Callable[[OperatorCase, Flavor], bool]


@dataclass(frozen=True)
class Law:
    """One law.

    Attributes:
        check: Function that raises if the law is broken.
        applies: Function of an entry and a flavor: True if the law is meant for them.
        largest_only: True if the law is checked in the largest size alone, unless all are asked for.
        of_the_base: True if the law is kept by the class `Operator` for all: one entry shows it.
        ends_only: True if the law is checked with the first and the last flavor, one real and one complex, unless all
            are asked for.
    """

    check: Callable[[Bench], None]
    applies: Applies = lambda case, flavor: True
    largest_only: bool = False
    of_the_base: bool = False
    ends_only: bool = False

    @property
    def name(self) -> str:
        return self.check.__name__.replace("_", " ")


LAWS: list[Law] = []


def law(
    *,
    applies: Applies = lambda case, flavor: True,
    largest_only: bool = False,
    of_the_base: bool = False,
    ends_only: bool = False,
) -> Callable[[Callable[[Bench], None]], Callable[[Bench], None]]:
    """Return a decorator that adds a law to the list."""

    def add(check: Callable[[Bench], None]) -> Callable[[Bench], None]:
        LAWS.append(Law(check, applies, largest_only, of_the_base, ends_only))
        return check

    return add


def is_symmetric(case: OperatorCase, flavor: Flavor) -> bool:
    return flavor.kind.is_symmetric


def orders(case: OperatorCase, flavor: Flavor) -> list[Order]:
    """Return an order for each size and precision of an entry, the largest first."""
    settings = sorted(case.settings, key=lambda setting: -math.prod(setting[1]))
    return [
        Order(flavor, count, (m1, m1) if flavor.kind.is_symmetric else (m1, m2), real_dtype)
        for count, (m1, m2), real_dtype in settings
        if real_dtype in case.real_dtypes
    ]


def fast_laws(case: OperatorCase, flavor: Flavor, order: Order) -> list[Law]:
    """Return the laws that the fast suite checks for an entry, a flavor and a size.

    Every law in the largest size. In the other sizes and precisions with the entry's first flavor. Refusals of the
    base class with the first entry of the list. The two costly laws, on devices and on `check_operator`, with the
    first and the last flavor.
    """
    is_largest = order == orders(case, flavor)[0]
    if not is_largest and flavor != case.flavors[0]:
        return []
    return [
        law
        for law in LAWS
        if law.applies(case, flavor)
        and (is_largest or not law.largest_only)
        and (case is OPERATORS[0] or not law.of_the_base)
        and (flavor in {case.flavors[0], case.flavors[-1]} or not law.ends_only)
    ]


def assert_laws_hold(case: OperatorCase, order: Order, laws: list[Law]) -> None:
    """Check laws one by one; a broken one is named together with the operator, flavor, size and precision."""
    operator, matrices = case.make(dataclasses.replace(order))
    for one in laws:
        try:
            # A copy of the order, whose generator is fresh: no law depends on another.
            one.check(Bench(dataclasses.replace(order), operator, matrices))
        except BaseException as error:
            size = "{} of {} x {}".format(order.count, *order.shape)
            error.add_note(
                f"Broken law: {one.name}. Operator: {case.name}, {order.flavor}, {size}, {order.real_dtype}."
            )
            raise


def refusal(needed: str, came: str) -> str:
    return f"needed .*{re.escape(needed)}.*, got .*{re.escape(came)}"


def measured_literally(M: Tensor, Z: Tensor) -> Tensor:
    return torch.einsum("nij,...ij->...n", M.conj(), Z).real


def adjoint_literally(v: Tensor, M: Tensor) -> Tensor:
    return torch.einsum("...n,nij->...ij", v.to(M.dtype), M)


def assert_within(actual: Tensor, expected: Tensor, bound: float) -> None:
    assert actual.shape == expected.shape
    assert actual.dtype == expected.dtype
    distance = float((actual - expected).abs().max())
    assert distance <= bound, f"{distance} > {bound}"


@law()
def measurements_are_inner_products_with_the_matrices(bench: Bench) -> None:
    point = bench.point()
    expected = measured_literally(bench.matrices, point.dense())
    assert_within(bench.operator.measure(point), expected, bench.rounding(bench.matrices, factor_norms(point)))


@law()
def back_projection_of_unit_vectors_gives_the_matrices(bench: Bench) -> None:
    R = bench.operator.adjoint(torch.eye(bench.order.count, dtype=bench.order.real_dtype))
    assert_within(R, bench.matrices, bench.rounding(bench.matrices))


@law()
def adjoint_identity(bench: Bench) -> None:
    point, v = bench.point(), bench.vector()
    left = bench.operator.measure(point) @ v
    right = (bench.operator.adjoint(v).conj() * point.dense()).sum().real
    assert_within(left, right, bench.rounding(bench.matrices, v, factor_norms(point)))


@law()
def adjoint_identity_through_the_factors(bench: Bench) -> None:
    point, v = bench.point(), bench.vector()
    left = bench.operator.measure(point) @ v
    RY = bench.operator.adjoint_times(v, point.right)
    right = ((point.X @ point.Theta).conj() * RY).sum().real
    assert_within(left, right, bench.rounding(bench.matrices, v, factor_norms(point)))


@law()
def measuring_is_linear(bench: Bench) -> None:
    first, second = bench.point(), bench.point(rank=3)
    measure = bench.operator.measure
    expected = measure(first) - 3 * measure(second)
    bound = bench.rounding(bench.matrices, factor_norms(first) + 3 * factor_norms(second))
    # The sum has factors of its own, whose norms are larger than either's.
    both = first.plus(second.scaled(-3.0))
    assert_within(measure(both), expected, bound + bench.rounding(bench.matrices, factor_norms(both)))


@law()
def back_projecting_is_linear(bench: Bench) -> None:
    v, w = bench.vector(), bench.vector()
    adjoint = bench.operator.adjoint
    assert_within(
        adjoint(2 * v - w), 2 * adjoint(v) - adjoint(w), 4 * bench.rounding(bench.matrices, v.norm() + w.norm())
    )


@law()
def adjoint_times_is_the_matrix_times_a_factor(bench: Bench) -> None:
    v, V = bench.vector(), bench.factor(side=1)
    expected = adjoint_literally(v, bench.matrices) @ V
    assert_within(bench.operator.adjoint_times(v, V), expected, bench.rounding(bench.matrices, v, V))


@law()
def adjoint_transpose_times_is_the_conjugate_transpose_times_a_factor(bench: Bench) -> None:
    v, U = bench.vector(), bench.factor(side=0)
    expected = adjoint_literally(v, bench.matrices).mH @ U
    assert_within(bench.operator.adjoint_transpose_times(v, U), expected, bench.rounding(bench.matrices, v, U))


@law()
def dense_adjoint_is_adjoint_times_the_identity(bench: Bench) -> None:
    v = bench.vector()
    identity = torch.eye(bench.order.shape[1], dtype=bench.order.dtype)
    actual = bench.operator.adjoint(v)
    assert_within(actual, bench.operator.adjoint_times(v, identity), bench.rounding(bench.matrices, v))


@law(applies=is_symmetric)
def back_projection_is_hermitian_for_the_symmetric_kinds(bench: Bench) -> None:
    v = bench.vector()
    R = bench.operator.adjoint(v)
    assert_within(R, R.mH, bench.rounding(bench.matrices, v))


@law()
def a_batch_is_a_loop(bench: Bench) -> None:
    for batch in ((3,), (2, 3)):
        check_batch(bench, batch)


def check_batch(bench: Bench, batch: tuple[int, ...]) -> None:
    operator, count = bench.operator, math.prod(batch)
    points, v = bench.point(batch=batch), bench.vector(batch)
    V, U = bench.factor(side=1, batch=batch), bench.factor(side=0, batch=batch)

    def loop(function, *arguments):
        flat = [a.flatten(0, len(batch) - 1) for a in arguments]
        return torch.stack([function(*(a[i] for a in flat)) for i in range(count)]).unflatten(0, batch)

    factors = (points.X, points.Theta) if points.Y is None else (points.X, points.Theta, points.Y)
    one_by_one = loop(lambda *f: operator.measure(LowRank(*f)), *factors)
    assert_within(operator.measure(points), one_by_one, bench.rounding(bench.matrices, factor_norms(points)))
    for function, arguments in (
        (operator.adjoint, (v,)),
        (operator.adjoint_times, (v, V)),
        (operator.adjoint_transpose_times, (v, U)),
    ):
        assert_within(function(*arguments), loop(function, *arguments), bench.rounding(bench.matrices, *arguments))


@law()
def pulling_back_is_measuring_and_back_projecting_at_once(bench: Bench) -> None:
    for batch in ((), (3,)):
        for width in (1, 2):
            check_pull_back(bench, batch, width)


def check_pull_back(bench: Bench, batch: tuple[int, ...], width: int) -> None:
    operator, point = bench.operator, bench.point(batch=batch)
    weight, target = bench.vector().abs(), bench.vector()
    for dual in (RowDual(weight), RowDual(weight, target), lambda y: weight * (y - y.mean(-1, keepdim=True))):
        back = operator.pull_back(point, dual, width=width)
        y = operator.measure(point)
        assert_within(back.measurements, y, bench.rounding(bench.matrices, factor_norms(point)))
        v = dual(y)
        scale = bench.rounding(bench.matrices, weight) * (
            float(bench.matrices.norm()) * factor_norms(point) + float(target.norm())
        )
        Y, X = point.right[..., :width], point.X[..., :width]
        assert_within(back.left, operator.adjoint_times(v, Y), scale * float(Y.norm()))
        assert (back.right is None) == point.is_symmetric
        if back.right is not None:
            assert_within(back.right, operator.adjoint_transpose_times(v, X), scale * float(X.norm()))


@law(applies=is_symmetric)
def traces_are_those_of_the_matrices(bench: Bench) -> None:
    M, size = bench.matrices, bench.order.shape[0]
    expected = torch.einsum("nii->n", M).real
    assert_within(bench.operator.traces(), expected, bench.rounding(M, float(size)))


@law()
def row_norms_are_those_of_the_matrices(bench: Bench) -> None:
    norms = bench.operator.row_norms()
    if norms is None:
        return
    assert norms.dtype == bench.operator.real_dtype
    expected = torch.linalg.matrix_norm(bench.matrices)
    # Differences of two outer products cancel under a root.
    eps = torch.finfo(norms.dtype).eps
    assert_within(norms, expected, 100 * eps**0.5 * float(expected.max()))


@law()
def it_says_what_it_is(bench: Bench) -> None:
    operator, order = bench.operator, bench.order
    assert (operator.kind, operator.shape, operator.count) == (order.flavor.kind, order.shape, order.count)
    assert (operator.dtype, operator.real_dtype) == (order.dtype, order.real_dtype)
    assert operator.is_complex == order.flavor.is_complex
    m1, m2 = order.shape
    assert str(operator).endswith(f": {order.count} measurements of a {order.flavor.kind} {m1} x {m2} matrix")


@law()
def dtypes_are_kept(bench: Bench) -> None:
    operator, order = bench.operator, bench.order
    v = bench.vector()
    assert operator.measure(bench.point()).dtype == order.real_dtype
    assert operator.adjoint(v).dtype == order.dtype
    assert operator.adjoint_times(v, bench.factor(side=1)).dtype == order.dtype
    assert operator.adjoint_transpose_times(v, bench.factor(side=0)).dtype == order.dtype


@law(applies=lambda case, flavor: case.holds_data, ends_only=True)
def nothing_is_made_on_another_device(bench: Bench) -> None:
    """On the meta device no number exists: whatever were made on the CPU on the way would be refused."""
    fields = {f.name: getattr(bench.operator, f.name) for f in dataclasses.fields(bench.operator) if f.init}
    tensors = {name: value.to("meta") for name, value in fields.items() if isinstance(value, torch.Tensor)}
    if "space" in fields:
        tensors["space"] = dataclasses.replace(bench.operator.space, device=torch.device("meta"))
    operator = dataclasses.replace(bench.operator, **tensors)
    assert operator.device.type == "meta"
    v, point = bench.vector().to("meta"), bench.point().to(device="meta")
    for result in (
        operator.measure(point),
        operator.adjoint(v),
        operator.adjoint_times(v, bench.factor(side=1).to("meta")),
        operator.adjoint_transpose_times(v, bench.factor(side=0).to("meta")),
    ):
        assert result.device.type == "meta"


@law(of_the_base=True)
def a_point_of_another_shape_is_refused(bench: Bench) -> None:
    m1, m2 = bench.order.shape
    point = random_point(bench.order.flavor, (m1 + 1, m2 + 1), 1, dtype=bench.order.real_dtype)
    with pytest.raises(InputError, match=refusal(f"{m1} x {m2}", f"{m1 + 1} x {m2 + 1}")):
        bench.operator.measure(point)


@law(of_the_base=True)
def a_point_of_another_dtype_is_refused(bench: Bench) -> None:
    other = bench.order.flavor.dtype(torch.float32 if bench.order.real_dtype == torch.float64 else torch.float64)
    with pytest.raises(InputError, match=refusal(str(bench.order.dtype), str(other))):
        bench.operator.measure(bench.point().to(dtype=other))


@law(applies=is_symmetric, of_the_base=True)
def a_point_with_two_sides_is_refused_by_the_symmetric_kinds(bench: Bench) -> None:
    point, kind = bench.point(), bench.operator.kind
    with pytest.raises(InputError, match=refusal(f"a symmetric matrix (X, Theta) for kind {kind}", "one with a Y")):
        bench.operator.measure(LowRank(point.X, point.Theta, point.X))


@law(of_the_base=True)
def vectors_and_factors_of_other_sizes_are_refused(bench: Bench) -> None:
    operator, n = bench.operator, bench.order.count
    v, V, U = bench.vector(), bench.factor(side=1), bench.factor(side=0)
    longer = torch.cat([v, v])
    size = refusal(f"measurements of size {n}", str(2 * n))
    with pytest.raises(InputError, match=size):
        operator.adjoint(longer)
    with pytest.raises(InputError, match=size):
        operator.adjoint_times(longer, V)
    with pytest.raises(InputError, match=size):
        operator.adjoint_transpose_times(longer, U)
    for function, factor in ((operator.adjoint_times, V), (operator.adjoint_transpose_times, U)):
        rows = factor.shape[0]
        with pytest.raises(InputError, match=refusal(f"{rows} rows", str(2 * rows))):
            function(v, torch.cat([factor, factor]))


@law(of_the_base=True)
def vectors_and_factors_of_other_dtypes_are_refused(bench: Bench) -> None:
    operator, v, V = bench.operator, bench.vector(), bench.factor(side=1)
    other = torch.float32 if bench.order.real_dtype == torch.float64 else torch.float64
    with pytest.raises(InputError, match=refusal(str(v.dtype), str(other))):
        operator.adjoint(v.to(other))
    wrong = V.to(other.to_complex() if V.is_complex() else other)
    with pytest.raises(InputError, match=refusal(str(V.dtype), str(wrong.dtype))):
        operator.adjoint_times(v, wrong)


def some_rows(bench: Bench) -> Tensor:
    count = bench.order.count
    return torch.randperm(count, generator=bench.rng)[: max(1, count // 2)]


@law(largest_only=True)
def restricting_and_measuring_commute(bench: Bench) -> None:
    operator, point, rows = bench.operator, bench.point(), some_rows(bench)
    expected = operator.measure(point)[rows]
    bound = bench.rounding(bench.matrices, factor_norms(point))
    assert_within(restrict(operator, rows).measure(point), expected, bound)

    kept = torch.zeros(bench.order.count, dtype=torch.bool)
    kept[rows] = True
    assert_within(restrict(operator, kept).measure(point), operator.measure(point)[kept], bound)


@law(largest_only=True)
def what_is_restricted_back_projects_what_is_padded_with_zeros(bench: Bench) -> None:
    operator, rows = bench.operator, some_rows(bench)
    padded = torch.zeros(bench.order.count, dtype=bench.order.real_dtype)
    w = bench.vector()[rows]
    padded[rows] = w
    V, U = bench.factor(side=1), bench.factor(side=0)
    few = restrict(operator, rows)
    assert_within(few.adjoint(w), operator.adjoint(padded), bench.rounding(bench.matrices, w))
    assert_within(few.adjoint_times(w, V), operator.adjoint_times(padded, V), bench.rounding(bench.matrices, w, V))
    expected = operator.adjoint_transpose_times(padded, U)
    assert_within(few.adjoint_transpose_times(w, U), expected, bench.rounding(bench.matrices, w, U))


@law(largest_only=True)
def what_is_restricted_says_so(bench: Bench) -> None:
    rows = some_rows(bench)
    few = restrict(bench.operator, rows)
    assert (few.count, few.shape, few.kind) == (len(rows), bench.operator.shape, bench.operator.kind)
    assert (few.dtype, few.device) == (bench.operator.dtype, bench.operator.device)


@law(largest_only=True, ends_only=True)
def check_operator_passes_it(bench: Bench) -> None:
    report = check_operator(bench.operator)
    text = str(report)
    assert report.passed, text
    assert "The adjoint is right" in text
    assert "It is linear, a batch gives the results of a loop, and dtype and device are kept." in text
    assert report.rank == min(3, *bench.operator.shape)
    assert 0 <= report.isometry_constant < math.inf
