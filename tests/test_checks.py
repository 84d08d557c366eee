"""The wording of errors: one line, with what was needed, what came, where and what to do."""

import math

import jaxtyping
import pytest
import torch

from wnsense.checks import InputError, require, require_finite, require_level, require_rank, require_size, size_text
from wnsense.linalg import symmetric_part
from wnsense.manifolds.stiefel import tangent_projection


def test_an_error_says_what_was_needed_what_came_and_what_to_do():
    with pytest.raises(InputError) as error:
        require(False, "two", "one", "bring another")
    assert str(error.value) == "needed two, got one; bring another"
    assert isinstance(error.value, ValueError)


def test_without_advice_there_is_no_semicolon():
    with pytest.raises(InputError) as error:
        require(torch.tensor(False), "two", 1)
    assert str(error.value) == "needed two, got 1"


def test_sizes_are_written_as_people_write_them():
    assert [size_text(s) for s in ((3, 4), torch.Size([5]), ())] == ["3 x 4", "5", "()"]
    require_size("a matrix", torch.Size([3, 4]), [3, 4])
    with pytest.raises(InputError) as error:
        require_size("a matrix", (4, 3), (3, 4), "transpose it")
    assert str(error.value) == "needed a matrix of size 3 x 4, got 4 x 3; transpose it"


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_are_counted_and_the_first_is_placed(bad):
    values = torch.zeros(3, 4)
    require_finite("the data", values)
    values[1, 2] = values[2, 0] = bad
    with pytest.raises(InputError) as error:
        require_finite("the data", values)
    assert str(error.value) == (
        "needed finite numbers in the data, got NaN or infinity in 2 of 12 entries, the first at index (1, 2); "
        "remove or replace those entries"
    )


def test_complex_numbers_are_finite_in_both_parts():
    with pytest.raises(InputError, match=r"1 of 1 entries, the first at index \(0\)"):
        require_finite("the data", torch.tensor([complex(0, math.nan)]))


@pytest.mark.parametrize("rank", [0, -1, 5])
def test_ranks_out_of_range(rank):
    require_rank("the rank", 1, 4)
    require_rank("the rank", 4, 4)
    with pytest.raises(InputError) as error:
        require_rank("the rank", rank, 4)
    assert str(error.value) == f"needed the rank between 1 and 4, got {rank}; a matrix has no other ranks"


@pytest.mark.parametrize("level", [-0.1, math.nan, math.inf])
def test_levels_out_of_range(level):
    require_level("noise", 0.0)
    with pytest.raises(InputError) as error:
        require_level("noise", level)
    assert str(error.value) == f"needed noise that is finite and at least 0, got {level}"


def test_annotations_are_enforced_while_testing():
    """Were the hook of conftest.py not to work, the whole test run would check less than it says."""
    with pytest.raises(jaxtyping.TypeCheckError, match="A"):
        symmetric_part(torch.ones(2, 3))
    with pytest.raises(jaxtyping.TypeCheckError, match="E"):
        tangent_projection(torch.ones(3, 2), torch.ones(4, 2))
    with pytest.raises(jaxtyping.TypeCheckError, match="rank"):
        require_rank("the rank", 1.5, 4)
    require_level("noise", 1)
