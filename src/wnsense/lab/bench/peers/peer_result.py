"""Result of a public library, and the import of such a library."""

from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

from wnsense.checks import InputError
from wnsense.sensing.low_rank import LowRank


@dataclass(frozen=True)
class PeerResult:
    """Matrix that a public library returned.

    Attributes:
        matrix: Matrix `Z` in the user's units, in orthonormal form.
        seconds: Wall-clock time, from the problem as this library holds it to the matrix.
        applications: Number of applications of `M` and `M*`; None if the library got the rows as an array.
        ending: Reason for which the library stopped, in its own words.
    """

    matrix: LowRank
    seconds: float
    applications: int | None
    ending: str


def import_peer(name: str, purpose: str) -> ModuleType:
    """Import a library of the extra `peers` at its first use.

    Raises:
        InputError: If it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise InputError(f"needed the package {name} for {purpose}, got none; pip install 'wnsense[peers]'") from error
