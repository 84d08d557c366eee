"""Set-up of every test run: shapes and types are checked at each call, and each worker keeps to one thread."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jaxtyping
import pytest
import torch

# Before anything of the package is imported: what its annotations say is then enforced. An int is a float, as PEP 484
# and mypy have it.
_CHECKER = "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
# Not in the compiled kernels, whose compiler would meet the checks instead of the code.
_SOURCE = Path(__file__).parents[1] / "src"
_CHECKED = [
    ".".join(path.with_suffix("").relative_to(_SOURCE).parts)
    for path in _SOURCE.rglob("*.py")
    if path.stem != "__init__" and not path.stem.endswith("kernels")
]


def _outermost_only(*, typechecker: Callable[..., Any]) -> Callable[[Any], Any]:
    """What the hook puts before each definition, without those made anew at every call: they cost a millisecond each.

    That was half of the time that all tests took; functions within functions are left to mypy.
    """
    checked = partial(_jaxtyped, typechecker=typechecker)
    return lambda made: made if "<locals>" in getattr(made, "__qualname__", "") else checked(made)


_jaxtyped = jaxtyping.jaxtyped
jaxtyping.jaxtyped = _outermost_only
jaxtyping.install_import_hook(_CHECKED, _CHECKER)

torch.set_num_threads(1)


@pytest.fixture
def as_users_run(monkeypatch):
    """Without run-time checks, so that hostile input meets what a user's hostile input meets."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.fixture
def wnsense(capsys):
    """The program, run in this process: from words to how it ended."""
    # Now, when what it imports will be checked.
    from commands import run_command

    return partial(run_command, capsys)
