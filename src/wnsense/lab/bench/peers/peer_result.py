"""What a public library returned, and how one is asked for."""

from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

from wnsense.checks import InputError
from wnsense.sensing.low_rank import LowRank


@dataclass(frozen=True)
class PeerResult:
    """A matrix that a public library found.

    Attributes:
        matrix: In the user's units, in orthonormal form.
        seconds: Wall clock, from the problem as it is held here to the matrix.
        applications: Of M and M*; None where the library got rows as an array and never called the operator.
        ending: What the library said of its ending, in its own words.
    """

    matrix: LowRank
    seconds: float
    applications: int | None
    ending: str


def imported(name: str, purpose: str) -> ModuleType:
    """A library of the extra `peers`, imported when it is used.

    Raises:
        InputError: When it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise InputError(f"needed the package {name} for {purpose}, got none; pip install 'wnsense[peers]'") from error
