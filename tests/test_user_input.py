"""Input as users have it: measurements in any form, masks, arguments, and functions that fail."""

import copy
import dataclasses
import warnings
from decimal import Decimal
from functools import partial

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch

import wnsense as wn
from wnsense.checks import real_number, value_text, whole_number
from wnsense.sensing.given_numbers import floating_tensor, index_tensor, known_vector, tensor_from
from wnsense.sensing.problem import Problem

SIZE, COUNT = 6, 250
RNG = np.random.default_rng(0)
MATRICES = RNG.standard_normal((COUNT, SIZE, SIZE))
VECTOR = RNG.standard_normal(SIZE)
TRUTH = np.outer(VECTOR, VECTOR)
# Numbers of single precision, so that each form holds them exactly.
Y = np.einsum("nij,ij->n", MATRICES, TRUTH)


@pytest.fixture(autouse=True)
def _as_users_run_it(as_users_run):
    """No check of types at run time, and no warning leaks."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.fixture
def operator():
    return wn.DenseSensing.from_matrices(torch.as_tensor(MATRICES))


def functions(forward=None, adjoint=None):
    return wn.from_numpy_functions(
        forward or (lambda Z: np.einsum("nij,ij->n", MATRICES, Z)),
        adjoint or (lambda v: np.einsum("n,nij->ij", v, MATRICES)),
        n=COUNT,
        size=SIZE,
    )


class Stand:
    """Series of another library: with the array protocol only, or with `to_numpy` only."""

    def __init__(self, values):
        self.values = values


class ArrayStand(Stand):
    def __array__(self, dtype=None, copy=None):
        return self.values


class NumpyStand(Stand):
    def to_numpy(self):
        return self.values


def read_only(values):
    values = values.copy()
    values.setflags(write=False)
    return values


def every_second(values):
    return np.repeat(values, 2)[::2]


def of_records(values):
    records = np.zeros(len(values), dtype=[("flag", "i1"), ("value", "f8")])
    records["value"] = values
    return records["value"]


def filtered_series(values):
    return pd.Series(np.repeat(values, 2))[np.arange(2 * len(values)) % 2 == 0]


FORMS = {
    "array": np.array,
    "read-only": read_only,
    "big-endian": lambda y: y.astype(">f8"),
    "reversed": lambda y: np.ascontiguousarray(y[::-1])[::-1],
    "strided": every_second,
    "field of records": of_records,
    "column": lambda y: y[:, None],
    "objects": lambda y: y.astype(object),
    "long double": lambda y: y.astype(np.longdouble),
    "list": lambda y: y.tolist(),
    "tuple": tuple,
    "list of tensors": lambda y: [torch.tensor(one, requires_grad=True) for one in y],
    "decimals": lambda y: [Decimal(float(one)) for one in y],
    "requires grad": lambda y: torch.tensor(y, requires_grad=True),
    "parameter": lambda y: torch.nn.Parameter(torch.tensor(y)),
    "negated view": lambda y: torch.tensor(-1j * y).conj().imag,
    "sparse": lambda y: torch.tensor(y).to_sparse(),
    "series": pd.Series,
    "filtered series": filtered_series,
    "nullable series": lambda y: pd.Series(y, dtype="Float64"),
    "frame of a column": lambda y: pd.DataFrame({"y": y}),
    "column of a frame": lambda y: pd.DataFrame({"y": y, "z": y})["y"],
    "array protocol": ArrayStand,
    "to_numpy": NumpyStand,
    "memory": memoryview,
    "mask of nothing": np.ma.masked_array,
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_measurements_and_weights_are_taken_in_any_form(operator, form):
    weights = np.linspace(1, 2, COUNT)
    given = Problem.from_numbers(operator, form(Y), weights=form(weights))
    assert torch.equal(given.measurements, torch.from_numpy(Y))
    assert torch.equal(given.weights, torch.from_numpy(weights))
    assert given.measurements.device == operator.device
    assert not given.measurements.requires_grad


@pytest.mark.parametrize("door", [wn.recover, wn.recover_robustly, wn.agreement])
@pytest.mark.parametrize("form", ["big-endian", "requires grad", "filtered series"])
def test_every_door_takes_them(operator, door, form):
    answer = door(operator, FORMS[form](Y))
    recovery = {"recover_robustly": "recovery", "agreement": "second"}.get(door.__name__)
    recovery = answer if recovery is None else getattr(answer, recovery)
    assert recovery.status is wn.Status.CONVERGED
    np.testing.assert_allclose(recovery.matrix.dense().numpy(), TRUTH, atol=1e-6 * np.linalg.norm(TRUTH))


def test_another_precision_and_device_become_those_of_the_operator():
    operator = wn.DenseSensing.from_matrices(torch.as_tensor(MATRICES).float())
    for values in (Y, torch.as_tensor(Y), Y.astype(np.float16), np.arange(1, COUNT + 1), torch.ones(COUNT) > 0):
        assert Problem.from_numbers(operator, values).measurements.dtype == torch.float32
    with pytest.raises(wn.InputError, match=r"the measurements within the range of torch.float32, got one of 1e\+300"):
        Problem.from_numbers(operator, np.full(COUNT, 1e300))
    vector, _ = known_vector("y", Y, torch.float64, torch.device("meta"))
    assert vector.device.type == "meta"


REFUSED = {
    "nothing": (None, "numbers in y, got None; give an array or a list"),
    "text": ("1.5", "numbers in y, got '1.5'; give an array or a list"),
    "texts": (["1.5", "2"], "numbers in y, got text; convert them"),
    "objects of text": (np.array(["1.5"], dtype=object), r"numbers in y, got '1.5' at index \(0\); remove or replace"),
    "missing objects": ([1.0, None], r"numbers in y, got None at index \(1\); remove or replace"),
    "dates": (pd.date_range("2020", periods=2), "numbers in y, got dates; convert them"),
    "a record": (np.zeros(2, dtype=[("a", "f8")]), "numbers in y, got records; convert them"),
    "a dictionary": ({1: 2.0}, "numbers in y, got dict; give an array or a list"),
    "a generator": ((i for i in range(3)), "numbers in y, got generator; give an array or a list"),
    "lists of several lengths": ([1.0, [2.0, 3.0]], "numbers in y, got list that NumPy cannot convert"),
    "tensors of several sizes": ([torch.ones(1), torch.ones(2)], "tensors of one size in y, got 2 sizes"),
    "a large whole number": ([10**400], "numbers in y, got objects that are none"),
    "complex": (Y + 1j, "real numbers in y, got complex numbers; give real and imaginary parts as rows of their own"),
    "complex without need": (Y + 0j, "real numbers in y, got complex numbers whose imaginary parts are all 0; give"),
    "complex tensor": (torch.tensor(Y + 0j), "real numbers in y, got complex numbers whose imaginary parts are all 0"),
}


@pytest.mark.parametrize(("values", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_vector_of_numbers_is_refused_in_one_line(values, message):
    with pytest.raises(wn.InputError, match=f"^needed {message}[^\n]*$"):
        known_vector("y", values, torch.float64, torch.device("cpu"))


def test_numbers_of_unusual_widths_are_kept():
    assert tensor_from("x", np.array([1, 2**40], dtype=np.uint64)).tolist() == [1, 2**40]
    assert tensor_from("x", np.array([2**64 - 2**12], dtype=np.uint64)).tolist() == [float(2**64 - 2**12)]
    assert index_tensor("i", np.array([1, 2], dtype=np.uint16)).dtype == torch.int64
    assert index_tensor("i", []).dtype == torch.int64
    assert floating_tensor("A", [[1, 2], [3, 4]]).dtype == torch.float64
    assert floating_tensor("A", np.array([1j], dtype=np.clongdouble)).dtype == torch.complex128
    for wrong in ([1.0], [True], [1j]):
        with pytest.raises(wn.InputError, match="needed integers as i, got"):
            index_tensor("i", wrong)
    with pytest.raises(wn.InputError, match="needed numbers without a mask in A, got a masked array"):
        tensor_from("A", np.ma.masked_array([1.0, 2.0], [True, False]))


# ------------------------------------------------------------------------------------------------------- masks

GARBAGE = [0.0, 1e20, np.nan, np.inf]


@pytest.mark.parametrize("fill", GARBAGE)
@pytest.mark.parametrize("door", [wn.recover, wn.recover_robustly])
def test_masked_measurements_are_left_out_and_the_recovery_says_so(operator, door, fill):
    mask = np.arange(COUNT) % 10 == 3
    spoiled = np.where(mask, fill, Y)
    answer = door(operator, np.ma.masked_array(spoiled, mask))
    recovery = getattr(answer, "recovery", answer)
    assert recovery.warnings[0] == "25 of 250 measurements are masked, and were left out: their weight is 0"
    expected = door(operator, np.where(mask, 0.0, Y), weights=(~mask).astype(float))
    assert torch.equal(recovery.matrix.X, getattr(expected, "recovery", expected).matrix.X)
    assert recovery.status is wn.Status.CONVERGED


def test_masks_of_measurements_and_of_weights_are_merged(operator):
    first, second = np.arange(COUNT) < 5, (np.arange(COUNT) >= 3) & (np.arange(COUNT) < 10)
    weights = np.linspace(1, 2, COUNT)
    y, w = np.ma.masked_array(Y, first), np.ma.masked_array(weights, second)
    given = Problem.from_numbers(operator, y, weights=w)
    assert torch.equal(given.weights, torch.from_numpy(np.where(first | second, 0, weights)))
    assert wn.recover(operator, y, weights=w).warnings[0].startswith("10 of 250 measurements are masked")
    problem = Problem.from_numbers(operator, Y)
    assert wn.recover(problem, weights=w).warnings[0].startswith("7 of 250 measurements are masked")
    assert wn.recover(operator, np.ma.masked_array(Y)).warnings == ()


@pytest.mark.parametrize("gap", [np.nan, np.inf])
def test_rows_of_weight_0_may_hold_anything(operator, gap):
    missing = np.arange(COUNT) % 10 == 3
    recovery = wn.recover(operator, np.where(missing, gap, Y), weights=~missing)
    assert recovery.status is wn.Status.CONVERGED
    with pytest.raises(wn.InputError, match=r"25 of 250 .*; numpy.ma.masked_invalid\(y\) leaves those rows out"):
        wn.recover(operator, np.where(missing, gap, Y))
    masked = wn.recover(operator, np.ma.masked_invalid(np.where(missing, gap, Y)))
    assert torch.equal(masked.matrix.X, recovery.matrix.X)


def test_a_mask_of_everything_leaves_nothing_to_recover(operator):
    with pytest.raises(wn.InputError, match="needed measurements that are not all zero, got a zero vector"):
        wn.recover(operator, np.ma.masked_array(Y, np.ones(COUNT, dtype=bool)))


# --------------------------------------------------------------------------------------------------- arguments


@pytest.mark.parametrize("name", ["start", "truth"])
@pytest.mark.parametrize("kind", ["psd", "symmetric", "hermitian", "rectangular"])
def test_a_full_matrix_is_taken_as_start_and_as_truth(name, kind):
    rng = torch.Generator().manual_seed(1)
    size = (7, 5) if kind == "rectangular" else 7
    truth = wn.low_rank(size, 2, kind=kind, generator=rng)
    operator = wn.GaussianSensing.draw(150, size, kind=kind, generator=rng)
    full = truth.dense().resolve_conj()
    for given in (full.numpy(), full, full.tolist()):
        recovery = wn.recover(operator, operator.measure(truth), **{name: given})
        assert recovery.status is wn.Status.CONVERGED
        assert float(recovery.matrix.distance(truth)) < 1e-7
    if name == "truth":
        assert recovery.relative_error < 1e-7
    problem = Problem.from_numbers(operator, operator.measure(truth), full.numpy())
    assert problem.truth.width == 2
    assert problem.truth.is_symmetric == (kind != "rectangular")


WRONG_ARGUMENTS = {
    "rank of a fraction": ({"max_rank": 1.5}, "max_rank that is a whole number, got 1.5"),
    "rank of text": ({"max_rank": "2"}, "max_rank that is a number, got '2'"),
    "noise above 1": ({"noise_level": 5}, "a noise level below 1, got 5; it is relative"),
    "noise of text": ({"noise_level": "a"}, "a noise level that is a number, got 'a'"),
    "tolerance 1": ({"tolerance": 1}, "a tolerance below 1, got 1; it is relative"),
    "tolerance of text": ({"tolerance": "a"}, "a tolerance that is a number, got 'a'"),
    "seed too large": ({"seed": 2**64}, "a seed from 0 to below 9223372036854775808, got 18446744073709551616"),
    "seed below 0": ({"seed": -1}, "a seed from 0 to below 9223372036854775808, got -1"),
    "seed of a fraction": ({"seed": 1.5}, "a seed that is a whole number, got 1.5"),
    "hold-out of text": ({"holdout": "a"}, "a hold-out fraction that is a number, got 'a'"),
    "budget of text": ({"max_applications": "a"}, "max_applications that is a number, got 'a'"),
    "seconds that are none": ({"max_seconds": float("nan")}, "max_seconds of at least 0, got nan"),
    "unknown solver": ({"solver": "newton"}, "a solver out of conjugate-wn, .*, got 'newton'; choose one"),
    "class of solvers": ({"solver": wn.solvers.ConjugateWN}, "a solver, or the name of one, got the class ConjugateWN"),
    "no solver": ({"solver": 3}, "a solver, or the name of one, got 3; give"),
    "start of another size": ({"start": np.ones((6, 5))}, "the start of size 6 x 6, got 6 x 5"),
    "start without symmetry": (
        {"start": np.triu(np.ones((6, 6)))},
        "the start that is symmetric for kind psd, got one",
    ),
    "complex start": ({"start": 1j * np.eye(6)}, "the start that is real, as the unknown, got torch.complex128"),
    "truth of nothing": ({"truth": [[]]}, "the truth of size 6 x 6, got 1 x 0"),
    "truth of text": ({"truth": "a"}, "numbers in the truth, got 'a'"),
    "truth with gaps": ({"truth": np.full((6, 6), np.nan)}, "finite numbers in the truth, got NaN"),
    "callback that is none": ({"callback": 3}, "a callback that is a function of the progress, got 3"),
    "path that is none": ({"checkpoint": 3}, "a path of a checkpoint, got 3"),
    "resume with a path": ({"resume": "a.npz"}, "resume that is True or False, got 'a.npz'; checkpoint names the file"),
    "negative weights": ({"weights": -np.ones(COUNT)}, "weights of at least 0, got a negative one"),
    "weights with gaps": ({"weights": np.full(COUNT, np.nan)}, "finite numbers in the weights, got NaN"),
    "weights of text": ({"weights": ["a"] * COUNT}, "numbers in the weights, got text"),
}


@pytest.mark.parametrize(("arguments", "message"), WRONG_ARGUMENTS.values(), ids=WRONG_ARGUMENTS)
def test_wrong_arguments_are_refused_in_one_line(operator, arguments, message):
    with pytest.raises(wn.InputError, match=f"^needed {message}[^\n]*$"):
        wn.recover(operator, Y, **arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        *({"max_rank": np.int64(2)}, {"max_rank": 2.0}, {"seed": np.int32(3)}, {"seed": torch.tensor(3)}),
        *({"tolerance": np.float32(1e-9)}, {"noise_level": 0}, {"max_seconds": np.float64(100)}),
        *({"solver": "wn"}, {"solver": "conjugate-wn"}, {"weights": [1] * COUNT}),
    ],
    ids=str,
)
def test_numbers_of_numpy_and_torch_and_names_of_solvers_are_taken(operator, arguments):
    assert wn.recover(operator, Y, **arguments).status is wn.Status.CONVERGED


@pytest.mark.parametrize("door", [wn.recover, wn.recover_robustly, wn.agreement])
def test_an_operator_is_needed(door):
    with pytest.raises(wn.InputError, match=r"needed an operator or a problem, got ndarray of size 250 x 6 x 6"):
        door(MATRICES, Y)


def test_a_problem_of_arrays_names_the_constructor_that_takes_them(operator):
    for arguments in ({"measurements": Y}, {"weights": Y}, {"truth": TRUTH}):
        parts = {"measurements": torch.as_tensor(Y)} | arguments
        with pytest.raises(wn.InputError, match=r"got ndarray of size .*; Problem.from_numbers takes arrays"):
            Problem(operator, **parts)


def test_values_in_messages_are_short():
    assert value_text("a" * 500) == "text of 500 letters"
    assert value_text(np.ones((2, 3))) == "ndarray of size 2 x 3"
    assert value_text(np.float64(2.5)) == "2.5"
    assert whole_number("n", 2**60 + 1) == whole_number("n", np.int64(2**60 + 1)) == 2**60 + 1
    for wrong in (None, "1", 1j, [1], np.ones(2), torch.ones(2)):
        with pytest.raises(wn.InputError, match="needed n that is a number, got"):
            real_number("n", wrong)


# -------------------------------------------------------------------------------------------- functions that fail


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (None, "numbers in what the forward function returns, got None; let it return them"),
        (np.zeros(3), "what the forward function returns of size 250, got 3"),
        (np.zeros((COUNT, 1)), "what the forward function returns of size 250, got 250 x 1"),
        ("text", "numbers in what the forward function returns, got 'text'"),
    ],
)
@pytest.mark.parametrize("make", [functions, lambda forward: wn.from_functions(forward, forward, n=COUNT, size=SIZE)])
def test_a_forward_function_that_returns_something_else_is_refused(make, result, message):
    with pytest.raises(wn.InputError, match=f"^needed {message}[^\n]*$"):
        wn.recover(make(lambda Z: result), Y)


def test_an_adjoint_function_that_returns_something_else_is_refused():
    for result, message in ((None, "got None; let it return"), (np.zeros(SIZE), "of size 6 x 6, got 6")):
        with pytest.raises(wn.InputError, match=f"needed .*what the adjoint function returns.* {message}"):
            wn.recover(functions(adjoint=lambda v, result=result: result), Y)
    for make in (wn.from_functions, wn.from_numpy_functions):
        with pytest.raises(wn.InputError, match="needed adjoint that is a function, got 3"):
            make(lambda Z: Z, 3, n=COUNT, size=SIZE)


def test_functions_may_return_numbers_in_any_form():
    operator = functions(lambda Z: list(np.einsum("nij,ij->n", MATRICES, Z)))
    assert wn.recover(operator, Y).status is wn.Status.CONVERGED
    swapped = functions(lambda Z: np.einsum("nij,ij->n", MATRICES, Z).astype(">f8"))
    assert wn.recover(swapped, Y).status is wn.Status.CONVERGED


class OwnError(Exception):
    """Exception whose constructor takes more than a text."""

    def __init__(self, code, reason):
        self.code, self.reason = code, reason


class Failing:
    """Function that raises at one of its calls."""

    def __init__(self, function, at):
        self.function, self.at, self.calls = function, at, 0

    def __call__(self, argument):
        self.calls += 1
        if self.calls == self.at:
            raise OwnError(3, "detector")
        return self.function(argument)


def failing_forward(at):
    return functions(forward=Failing(lambda Z: np.einsum("nij,ij->n", MATRICES, Z), at)), None


def failing_adjoint(at):
    return functions(adjoint=Failing(lambda v: np.einsum("n,nij->ij", v, MATRICES), at)), None


def failing_callback(at):
    return functions(), Failing(lambda progress: False, at)


@pytest.mark.parametrize("make", [failing_forward, failing_adjoint, failing_callback])
@pytest.mark.parametrize("at", [5, 7, 10])
def test_an_exception_passes_through_with_a_note_and_a_checkpoint_is_kept(tmp_path, make, at):
    path = tmp_path / "checkpoint.npz"
    operator, callback = make(at)
    with pytest.raises(OwnError) as caught:
        wn.recover(operator, Y, callback=callback, checkpoint=path)
    assert (caught.value.code, caught.value.reason) == (3, "detector")
    first, last = caught.value.__notes__[0], caught.value.__notes__[-1]
    assert first.startswith(("raised in stage '", "raised between the runs of a recovery, ", "raised before the first"))
    assert last == f"{path} holds the finished steps, from which resume=True goes on"
    resumed = wn.recover(operator, Y, callback=callback, checkpoint=path, resume=True)
    whole = wn.recover(functions(), Y)
    assert torch.equal(resumed.matrix.X, whole.matrix.X)
    assert resumed.applications == whole.applications


def test_an_exception_before_the_first_run_has_a_note_too(tmp_path):
    operator, _ = failing_forward(1)
    with pytest.raises(OwnError) as caught:
        wn.recover(operator, Y, checkpoint=tmp_path / "checkpoint.npz")
    assert caught.value.__notes__ == ["raised before the first run of a recovery, in a test of the operator"]


def test_the_note_names_stage_and_step():
    operator, callback = failing_callback(4)
    with pytest.raises(OwnError) as caught:
        wn.recover(operator, Y, callback=callback)
    (note,) = caught.value.__notes__
    assert note.startswith("raised in stage 'growth, rank 1' after 3 steps and ")


def test_an_exception_passes_where_the_checkpoint_cannot_be_written(tmp_path):
    operator, callback = failing_callback(4)
    (tmp_path / "file").touch()
    with pytest.raises(OwnError) as caught:
        wn.recover(operator, Y, callback=callback, checkpoint=tmp_path / "file" / "checkpoint.npz")
    assert any("the checkpoint was not written: " in note for note in caught.value.__notes__)


def test_a_run_of_one_solver_notes_failures_too():
    operator, _ = failing_forward(20)
    objective = wn.solvers.SensingObjective(Problem.from_numbers(operator, Y))
    start = wn.solvers.haar_start(objective, rank=1, generator=torch.Generator().manual_seed(0))
    run = partial(wn.running.solve, objective, wn.solvers.ConjugateWN(), start, stage="alone")
    with pytest.raises(OwnError) as caught:
        run()
    assert caught.value.__notes__[0].startswith("raised in stage 'alone' after ")


# ------------------------------------------------------------------------------------------------- constructors

ROWS, COLUMNS = np.triu_indices(5)
WEIGHTS = np.linspace(1, 2, len(ROWS))
VECTORS = RNG.standard_normal((12, 5))
BLOCKS = RNG.standard_normal((12, 5, 2))
FULL = RNG.standard_normal((12, 5, 4))
MASKS = RNG.standard_normal((3, 4, 2))
operators = wn.operators

# Constructors, each with its data as an array and its other arguments.
CONSTRUCTORS = {
    "entries": (wn.EntrySensing, (ROWS, COLUMNS), ((5, 5),)),
    "entries, kind in words": (wn.EntrySensing, (ROWS, COLUMNS), (5, "symmetric")),
    "entries, rectangular": (wn.EntrySensing, (ROWS, COLUMNS), ((5, 7), "rectangular")),
    "places": (wn.EntrySensing.from_places, (ROWS, COLUMNS), ((5, 7), "rectangular")),
    "vectors": (wn.RankOneSensing, (VECTORS,), ("symmetric",)),
    "from vectors": (wn.RankOneSensing.from_vectors, (VECTORS,), ("psd",)),
    "complex vectors": (wn.RankOneSensing.from_vectors, (VECTORS + 1j,), ("hermitian",)),
    "pairs": (operators.PairedRankOneSensing.from_vectors, (VECTORS, VECTORS[::-1]), ("psd",)),
    "both sides": (operators.RectangularRankOneSensing.from_vectors, (VECTORS, VECTORS[:, :3]), ()),
    "blocks": (operators.BlockRankSensing.from_blocks, (BLOCKS,), ("symmetric",)),
    "matrices": (wn.DenseSensing.from_matrices, (FULL,), ("rectangular",)),
    "rows": (wn.DenseSensing.from_rows, (VECTORS,), ((5, 1), "rectangular")),
    "masks": (operators.CodedDiffractionSensing.from_masks, (MASKS,), ("psd",)),
    "frequencies": (operators.PartialFourierSensing.from_frequencies, (np.stack([ROWS, COLUMNS], 1),), ((5, 7),)),
    "effects": (operators.PovmProductSensing.complete, (operators.pauli_effects().numpy(),), (2,)),
}


def data_of(operator):
    return [value for value in vars(operator).values() if isinstance(value, torch.Tensor)]


def same_operator(one, other):
    pairs = zip(data_of(one), data_of(other), strict=True)
    return (
        str(one) == str(other) and one.space == other.space and all(a.dtype == b.dtype and a.equal(b) for a, b in pairs)
    )


@pytest.mark.parametrize(("make", "data", "rest"), CONSTRUCTORS.values(), ids=CONSTRUCTORS)
def test_constructors_take_arrays_and_lists(make, data, rest):
    expected = make(*(torch.from_numpy(part.copy()) for part in data), *rest)
    assert same_operator(make(*data, *rest), expected)
    assert same_operator(make(*(part.tolist() for part in data), *rest), expected)
    assert same_operator(make(*(read_only(part)[::-1][::-1] for part in data), *rest), expected)
    if data[0].dtype.kind == "i":
        for dtype in ("i1", "u2", ">i4", "u8"):
            assert same_operator(make(*(part.astype(dtype) for part in data), *rest), expected)
        with pytest.raises(wn.InputError, match=r"^needed integers as [^\n]*, got torch\.float64"):
            make(*(part.astype(float) for part in data), *rest)
    else:
        swapped = [part.astype(part.dtype.newbyteorder(">")) for part in data]
        assert same_operator(make(*swapped, *rest), expected)


def test_weights_and_parts_of_entries_are_taken_as_arrays():
    imaginary = np.arange(len(ROWS)) % 2 == 1
    arrays = {"weights": WEIGHTS, "imaginary": imaginary}
    tensors = {name: torch.from_numpy(values) for name, values in arrays.items()}
    lists = {name: values.tolist() for name, values in arrays.items()}
    expected = wn.EntrySensing.from_places(ROWS, COLUMNS, 5, "hermitian", **tensors)
    for given in (arrays, lists):
        assert same_operator(wn.EntrySensing.from_places(ROWS, COLUMNS, 5, "hermitian", **given), expected)
        assert same_operator(wn.EntrySensing(ROWS, COLUMNS, 5, "hermitian", **given), expected)
    single = wn.EntrySensing(ROWS, COLUMNS, 5, dtype=torch.float32, weights=WEIGHTS)
    assert single.weights.dtype == torch.float32


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.bool_, object])
def test_data_of_whole_numbers_become_double_precision(dtype):
    whole = (RNG.random((12, 5, 5)) < 0.5).astype(dtype)
    dense = wn.DenseSensing.from_matrices(whole, "rectangular")
    assert torch.equal(dense.rows, torch.from_numpy(whole.astype(float)).reshape(12, 25))
    assert torch.equal(wn.RankOneSensing(whole[0]).vectors, torch.from_numpy(whole[0].astype(float)))


@pytest.mark.parametrize("size", [5, np.int64(5), [5, 5], np.array([5, 5]), torch.Size([5, 5]), (np.int32(5), 5.0)])
def test_a_size_is_taken_in_any_form(size):
    assert wn.EntrySensing(ROWS, COLUMNS, size).shape == wn.Space.from_size(size).shape == (5, 5)
    assert wn.low_rank(size, 2).shape == (5, 5)


@pytest.mark.parametrize("size", ["5", None, (5, 5, 5), (5.5, 5), [[5, 5]], 1j])
def test_what_is_no_size_is_refused_in_one_line(size):
    with pytest.raises(wn.InputError, match=r"^needed a si[zd]e [^\n]*$"):
        wn.EntrySensing(ROWS, COLUMNS, size)


@pytest.mark.parametrize(
    "make",
    [
        lambda: wn.DenseSensing.from_matrices(np.ones((9, 24, 30))),
        lambda: wn.EntrySensing([0], [0], (24, 30)),
        lambda: wn.EntrySensing.draw(9, (24, 30)),
        lambda: wn.GaussianSensing.draw(9, (24, 30)),
        lambda: wn.from_numpy_functions(np.sum, np.ones, n=9, size=(24, 30)),
        lambda: wn.low_rank((24, 30), 2),
    ],
)
def test_a_kind_that_must_be_square_names_the_one_that_need_not(make):
    with pytest.raises(wn.InputError, match=r"^needed [^\n]* for kind psd, got 24 x 30; say kind='rectangular'"):
        make()


@pytest.mark.parametrize("dtype", ["float64", np.float32, float])
def test_a_dtype_that_is_not_of_torch_is_refused(dtype):
    for make in (wn.GaussianSensing.draw, lambda n, size, dtype: wn.EntrySensing([0], [0], size, dtype=dtype)):
        with pytest.raises(wn.InputError, match=r"^needed a dtype of torch, got [^\n]*; such as torch.float64$"):
            make(3, 2, dtype=dtype)


def test_a_matrix_serves_as_an_operator_of_scipy():
    rows = MATRICES.reshape(COUNT, -1)
    for matrix in (rows, scipy.sparse.csr_array(rows)):
        assert wn.recover(wn.from_scipy(matrix, SIZE), Y).status is wn.Status.CONVERGED
    with pytest.raises(wn.InputError, match=r"^needed a SciPy LinearOperator or a matrix, got 3; give"):
        wn.from_scipy(3, SIZE)
    with pytest.raises(wn.InputError, match=r"^needed n that is a number, got 'a'"):
        wn.from_numpy_functions(np.sum, np.ones, n="a", size=SIZE)


def test_entries_are_values_that_are_copied_and_compared_by_their_parts():
    operator = wn.EntrySensing(ROWS, COLUMNS, (5, 7), "rectangular", weights=WEIGHTS)
    assert operator.kind is wn.Kind.RECTANGULAR
    assert operator.space == wn.Space.from_size((5, 7), "rectangular")
    for other in (copy.deepcopy(operator), copy.copy(operator), dataclasses.replace(operator)):
        assert same_operator(other, operator)
    with pytest.raises(dataclasses.FrozenInstanceError):
        operator.rows = ROWS
    with pytest.raises(TypeError, match="missing 2 required positional arguments: 'columns' and 'size'"):
        wn.EntrySensing(ROWS)


SPACE = (5, 5)
RAW = {
    "dense": (lambda: wn.DenseSensing(FULL, SPACE), "DenseSensing.from_matrices"),
    "dense of tensors": (lambda: wn.DenseSensing(torch.ones(3, 15), SPACE), "DenseSensing.from_matrices"),
    "pairs": (lambda: operators.PairedRankOneSensing(VECTORS, VECTORS, SPACE), "PairedRankOneSensing.from_vectors"),
    "sides": (lambda: operators.RectangularRankOneSensing(VECTORS, VECTORS, SPACE), "RectangularRankOneSensing.from_v"),
    "blocks": (lambda: operators.BlockRankSensing(BLOCKS, SPACE), "BlockRankSensing.from_blocks"),
    "masks": (lambda: operators.CodedDiffractionSensing(MASKS, SPACE), "CodedDiffractionSensing.from_masks"),
    "sub-blocks": (lambda: operators.SubBlockSensing(ROWS, COLUMNS, ((5, 3),), SPACE), "SubBlockSensing.from_sets"),
    "strings": (lambda: operators.PauliSensing(ROWS, COLUMNS, SPACE), "PauliSensing.from_strings"),
    "effects": (lambda: operators.PovmProductSensing(FULL), "PovmProductSensing.complete"),
    "transform": (lambda: operators.DCTSensing(ROWS, COLUMNS, WEIGHTS, SPACE), "DCTSensing.draw"),
    "sparse": (
        lambda: operators.SparseSensing(ROWS, COLUMNS, WEIGHTS, ROWS, COLUMNS, 3, SPACE),
        "SparseSensing.from_matrix",
    ),
    "functions": (lambda: operators.FunctionSensing(np.sum, np.ones, 9, SPACE), "from_functions"),
}


@pytest.mark.parametrize(("make", "constructor"), RAW.values(), ids=RAW)
def test_a_direct_constructor_names_the_one_that_takes_arrays(make, constructor):
    message = rf"^needed [^\n]*, got (ndarray|tuple|\(5, 5\))[^\n]*; {constructor}[^\n]* takes "
    with pytest.raises(wn.InputError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: wn.DenseSensing.from_matrices(FULL[0]), "matrices of size n x m1 x m2, got 5 x 4"),
        (lambda: wn.DenseSensing.from_rows(FULL, 5), "packed rows of size n x d, got 12 x 5 x 4"),
        (lambda: wn.RankOneSensing(VECTORS[0]), "the vectors as the rows of a matrix, got size 5"),
        (lambda: wn.RankOneSensing([["a"]]), "numbers in the vectors, got text"),
        (lambda: wn.RankOneSensing(VECTORS, "square"), "a kind out of psd, symmetric, hermitian, rectangular, got"),
        (lambda: operators.PauliSensing.from_strings("XYZ"), "a list of Pauli strings, got 'XYZ'"),
        (lambda: operators.PauliSensing.from_strings([1, 2]), "a list of Pauli strings, got list"),
        (lambda: wn.EntrySensing(ROWS, None, 5), "numbers in columns, got None"),
        (
            lambda: wn.EntrySensing(np.ma.masked_array(ROWS, ROWS > 1), COLUMNS, 5),
            "numbers without a mask in rows, got a masked",
        ),
    ],
)
def test_data_of_another_shape_are_refused_in_one_line(make, message):
    with pytest.raises(wn.InputError, match=f"^needed {message}[^\n]*$"):
        make()


# --------------------------------------------------------------------------------------- questions and operators


def test_questions_about_an_answer_take_a_full_matrix_and_entries_as_an_array(operator):
    problem = Problem.from_numbers(operator, Y + 0.01 * RNG.standard_normal(COUNT))
    matrix = wn.recover(problem).matrix
    full = matrix.dense().numpy()
    assert wn.identifiability(problem, full).condition == pytest.approx(wn.identifiability(problem, matrix).condition)
    one, other = (wn.certify(problem, Z, steps=5) for Z in (full, matrix))
    assert one.objective == pytest.approx(other.objective)
    entries = np.argwhere(np.eye(SIZE))[:2]
    errors = wn.standard_errors(problem, full, entries=entries)
    expected = wn.standard_errors(problem, matrix, entries=[(0, 0), (1, 1)])
    assert [one.name for one in errors.entries] == [one.name for one in expected.entries] == ["Z[0, 0]", "Z[1, 1]"]
    assert errors.entries[1].standard_error == pytest.approx(expected.entries[1].standard_error)
    for wrong, message in (([1, 2], "entries of size k x 2, got 2"), ([(0.5, 1)], "integers as entries, got")):
        with pytest.raises(wn.InputError, match=f"needed {message}"):
            wn.standard_errors(problem, matrix, entries=wrong)


@pytest.mark.parametrize("question", [wn.identifiability, wn.certify, wn.standard_errors])
def test_questions_need_a_problem_and_a_matrix(operator, question):
    with pytest.raises(wn.InputError, match=r"needed a whole problem, got DenseSensing.*; Problem.from_numbers"):
        question(operator, TRUTH)
    problem = Problem.from_numbers(operator, Y)
    for matrix, message in ((None, "numbers in the matrix, got None"), (np.ones((2, 2)), "the matrix of size 6 x 6")):
        with pytest.raises(wn.InputError, match=f"needed {message}"):
            question(problem, matrix)


def test_an_operator_measures_full_matrices(operator):
    np.testing.assert_allclose(operator.measure(TRUTH).numpy(), Y, rtol=1e-12, atol=1e-12)
    assert Problem.measure(operator, TRUTH.tolist()).truth.width == 1
    with pytest.raises(wn.InputError, match="needed the matrix to measure of size 6 x 6, got 3 x 3"):
        operator.measure(np.eye(3))
    with pytest.raises(wn.InputError, match="needed measurements as a tensor, got ndarray of size 250"):
        operator.adjoint(Y)
    with pytest.raises(wn.InputError, match="needed a factor as a tensor, got ndarray of size 6"):
        operator.adjoint_times(torch.as_tensor(Y), VECTOR)


@pytest.mark.parametrize("seeds", [(0, -1), ("a", 1), (0, 2**64)])
def test_agreement_checks_its_seeds(operator, seeds):
    with pytest.raises(wn.InputError, match="needed a seed "):
        wn.agreement(operator, Y, seeds=seeds)
