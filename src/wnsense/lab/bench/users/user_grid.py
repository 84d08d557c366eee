"""Grid `users`: cells, seeds and methods, and the small part of it that tests run."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from wnsense.checks import require
from wnsense.lab.bench.contestants import RECOVER
from wnsense.lab.bench.users.user_cells import CellEnsemble, SpectrumLaw, UserCell
from wnsense.lab.bench.users.user_contestants import USER_METHODS
from wnsense.lab.bench.users.user_rows import UserKey
from wnsense.lab.bench.users.user_run import UserRun
from wnsense.sensing.kinds import Kind

_PSD, _SYMMETRIC, _RECTANGULAR = Kind.PSD, Kind.SYMMETRIC, Kind.RECTANGULAR
_REPAIRED, _UNIFORM = CellEnsemble.REPAIRED, CellEnsemble.UNIFORM
_LINEAR, _GEOMETRIC = SpectrumLaw.LINEAR, SpectrumLaw.GEOMETRIC


@dataclass(frozen=True)
class UserGrid:
    """Cells, seeds and methods.

    Attributes:
        name: Name on the command line and in file names.
        cells: Cells that problems are drawn from.
        seeds: Seeds of the problems.
        told_seeds: Number of those seeds, the first ones, on which methods that are told the rank run.
        methods: Names of `USER_METHODS`.
        seconds: Limit of a run of `recover()` in CPU seconds.
        told_seconds: Limit of a method that is told the rank.
    """

    name: str
    cells: tuple[UserCell, ...]
    seeds: tuple[int, ...]
    told_seeds: int = 3
    methods: tuple[str, ...] = tuple(USER_METHODS)
    seconds: float = 20.0
    told_seconds: float = 10.0

    def __post_init__(self) -> None:
        """Check the methods.

        Raises:
            InputError: If a method does not exist.
        """
        unknown = set(self.methods) - set(USER_METHODS)
        require(not unknown, f"methods of {', '.join(USER_METHODS)}", ", ".join(sorted(unknown)))

    @property
    def fingerprint(self) -> str:
        """Hash of all that the rows depend on: cells, seeds, methods with their settings, and the limit."""
        settings = [(name, USER_METHODS[name]) for name in self.methods]
        described = repr((self.cells, self.seeds, self.told_seeds, self.seconds, self.told_seconds, settings))
        return hashlib.sha256(described.encode()).hexdigest()[:16]

    def runs(self) -> Iterator[UserRun]:
        """Yield all runs; the methods on one problem follow each other."""
        for cell in self.cells:
            for place, seed in enumerate(self.seeds):
                for name in self.methods:
                    method = USER_METHODS[name]
                    is_left_out = method.is_told_rank and place >= self.told_seeds
                    if method.takes(cell) and not is_left_out:
                        limit = self.told_seconds if method.is_told_rank else self.seconds
                        yield UserRun(UserKey(cell, seed, name), limit)


def _entries(
    kind: Kind,
    shape: tuple[int, int],
    rank: int,
    spectra: Iterable[tuple[SpectrumLaw, float]],
    oversamplings: Iterable[float],
    *,
    ensemble: CellEnsemble = _REPAIRED,
) -> list[UserCell]:
    """Return the cells of sampled entries for all combinations of spectra and numbers of measurements."""
    return [
        UserCell(ensemble, kind, shape, rank, law, condition, oversampling)
        for (law, condition), oversampling in product(spectra, oversamplings)
    ]


def _others(ensemble: CellEnsemble, kind: Kind, size: int, rank: int, oversamplings: Iterable[float]) -> list[UserCell]:
    """Return the cells of another ensemble; a linear spectrum with `kappa` 10, or rank 1."""
    condition = 1.0 if rank == 1 else 10.0
    return [UserCell(ensemble, kind, (size, size), rank, _LINEAR, condition, n) for n in oversamplings]


_FLAT, _MILD = (_LINEAR, 1.0), (_LINEAR, 10.0)
_THOUSAND, _STEEP, _STEEPEST = ((_GEOMETRIC, condition) for condition in (1e3, 1e5, 1e10))
_OBLONG = (300, 250)

_USERS = UserGrid(
    "users",
    (
        # Entries, linear spectra.
        *_entries(_RECTANGULAR, _OBLONG, 5, (_MILD,), (1.25, 1.5, 2.0, 3.0, 5.0, 10.0)),
        *_entries(_RECTANGULAR, _OBLONG, 5, (_FLAT,), (1.5, 2.0)),
        *_entries(_RECTANGULAR, (1000, 1000), 5, (_MILD,), (10.0, 20.0)),
        *_entries(_RECTANGULAR, (1000, 1000), 10, (_MILD,), (3.0,)),
        *_entries(_PSD, (100, 100), 3, (_MILD,), (1.5,)),
        *_entries(_PSD, (200, 200), 3, (_MILD,), (2.0, 3.0)),
        *_entries(_PSD, (500, 500), 5, (_MILD,), (10.0,)),
        *_entries(_PSD, (300, 300), 3, (_FLAT,), (20.0,)),
        *_entries(_SYMMETRIC, (200, 200), 3, (_FLAT,), (1.5,)),
        *_entries(_SYMMETRIC, (300, 300), 5, (_MILD,), (3.0,)),
        # Geometric spectra.
        *_entries(_RECTANGULAR, _OBLONG, 5, (_THOUSAND,), (1.25, 1.5, 2.0)),
        *_entries(_RECTANGULAR, _OBLONG, 5, (_STEEP,), (1.5,)),
        *_entries(_RECTANGULAR, (1000, 1000), 10, (_STEEP, _STEEPEST), (5.0,)),
        *_entries(_PSD, (200, 200), 5, (_STEEP,), (3.0,)),
        *_entries(_SYMMETRIC, (200, 200), 3, (_STEEPEST,), (5.0,)),
        # Spectra that decay through all ranks.
        *_entries(_RECTANGULAR, _OBLONG, 5, ((SpectrumLaw.INVERSE, 1.0), (SpectrumLaw.INVERSE_SQUARE, 1.0)), (5.0,)),
        *_entries(_PSD, (200, 200), 5, ((SpectrumLaw.INVERSE_SQUARE, 1.0),), (5.0,)),
        *_entries(_SYMMETRIC, (200, 200), 5, ((SpectrumLaw.INVERSE, 1.0),), (10.0,)),
        # Masks as drawn.
        *_entries(_RECTANGULAR, _OBLONG, 5, (_MILD,), (1.25, 2.0, 3.0), ensemble=_UNIFORM),
        *_entries(_PSD, (200, 200), 3, (_MILD,), (1.5,), ensemble=_UNIFORM),
        *_others(CellEnsemble.INTENSITIES, _PSD, 100, 1, (2.0, 2.5, 3.0, 4.0, 6.0)),
        *_others(CellEnsemble.PAULI, Kind.HERMITIAN, 32, 2, (3.0,)),
        *_others(CellEnsemble.PAULI, Kind.HERMITIAN, 64, 2, (5.0,)),
        *_others(CellEnsemble.GAUSSIAN, _PSD, 30, 1, (1.1, 1.25, 1.5, 3.0)),
        *_others(CellEnsemble.GAUSSIAN, _PSD, 40, 3, (1.1, 1.25, 1.5, 3.0)),
    ),
    seeds=tuple(range(10)),
)

_QUICK = UserGrid(
    "users-quick",
    (
        *_entries(_RECTANGULAR, (40, 30), 2, (_MILD,), (3.0,)),
        *_others(CellEnsemble.INTENSITIES, _PSD, 30, 1, (6.0,)),
        *_others(CellEnsemble.GAUSSIAN, _PSD, 15, 1, (3.0,)),
    ),
    seeds=(0,),
    methods=(RECOVER, "matrix-irls", "raf", "gnmr-dense-setting", "gauss-newton"),
)

USER_GRIDS: Mapping[str, UserGrid] = {grid.name: grid for grid in (_USERS, _QUICK)}
