"""Arrays that cannot be had: one line with the size that was asked for, in the library and on the command line."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
import typer

import wnsense as wn
from wnsense.checks import InputError, require_memory
from wnsense.cli.commands.execution import execute
from wnsense.cli.memory_errors import memory_words

# More entries than any machine has room for, in factors that are small.
SIDE = 10**6


def huge(dtype: torch.dtype = torch.float64) -> wn.LowRank:
    X = torch.ones(SIDE, 1, dtype=dtype)
    return wn.LowRank(X, torch.ones(1, 1, dtype=dtype), X)


def huge_operator() -> wn.Operator:
    return wn.EntrySensing.from_places([0, 1], [1, 2], (SIDE, SIDE))


ASKED: dict[str, tuple[Callable[[], object], str]] = {
    "dense": (lambda: huge().dense(), "7,450.6 GiB"),
    "single precision": (lambda: huge(torch.float32).dense(), "3,725.3 GiB"),
    "to_numpy": (lambda: huge().to_numpy(), "7,450.6 GiB"),
    "asarray": (lambda: np.asarray(huge()), "7,450.6 GiB"),
    "adjoint": (lambda: huge_operator().adjoint(torch.ones(2, dtype=torch.float64)), "7,450.6 GiB"),
    "draw": (lambda: wn.GaussianSensing.draw(SIDE, 1000), "3,729.0 GiB"),
    "vectors": (lambda: wn.RankOneSensing.draw(SIDE, SIDE), "7,450.6 GiB"),
}


@pytest.mark.parametrize("asked", ASKED, ids=str)
def test_the_library_names_the_size_that_was_asked_for(asked):
    ask, size = ASKED[asked]
    with pytest.raises(InputError, match=rf"needed memory for .* of size .*{size}, got .* GiB in all; ") as refused:
        ask()
    assert len(str(refused.value).splitlines()) == 1


def test_a_large_matrix_is_used_by_its_factors():
    Z = huge()
    assert float((Z @ torch.ones(SIDE, 1, dtype=torch.float64))[0, 0]) == SIDE
    assert float(Z.norm()) == pytest.approx(SIDE)


def test_what_fits_is_not_refused():
    size = (2**14, 2**14)
    require_memory("a matrix", size, torch.uint8, torch.device("cpu"), "")
    require_memory("nothing", (10**9, 10**9, 0), torch.float64, torch.device("cpu"), "")


def numpy_error() -> None:
    np.empty((SIDE, SIDE, 100))


def torch_error() -> None:
    torch.empty(SIDE, SIDE, 100)


def torch_overflow() -> None:
    torch.empty(2**40, 2**40)


def python_error() -> None:
    raise MemoryError


ERRORS = {
    numpy_error: "728. TiB",
    torch_error: "400000000000000 bytes",
    torch_overflow: "Storage size calculation overflowed",
    python_error: "no more",
}


@pytest.mark.parametrize("fail", ERRORS)
def test_a_command_that_needs_too_much_ends_with_one_line_and_code_2(fail, capsys):
    with pytest.raises(typer.Exit) as ended:
        execute(lambda _: fail() or 0, None)
    said = capsys.readouterr().err
    assert ended.value.exit_code == 2
    assert len(said.splitlines()) == 1
    assert said.startswith("wnsense: needed an array that fits into memory, got: ")
    assert ERRORS[fail].replace(".", "") in said.replace(".", "")


@pytest.mark.parametrize("error", [ValueError("other"), RuntimeError("other"), ValueError("cannot allocate 3 seats")])
def test_other_errors_pass(error):
    assert memory_words(error) is None

    def fail(_: object) -> int:
        raise error

    with pytest.raises(type(error)):
        execute(fail, None)
