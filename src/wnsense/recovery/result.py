"""Result of a recovery: the matrix, its diagnosis, its trace, and the files that it writes."""

import json
import math
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from wnsense.atomic import write_text, write_together
from wnsense.cards import card
from wnsense.checks import size_text
from wnsense.files.tables import Table, table_bytes
from wnsense.recovery.evidence.hold_out import Evidence
from wnsense.recovery.evidence.unidentified import Unidentified
from wnsense.recovery.result_fields import factor_arrays, read_fields, with_fields
from wnsense.running.status import Status
from wnsense.running.trace import Columns
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.solvers.catalogue import solver_name
from wnsense.solvers.conjugate import ConjugateWN
from wnsense.values import by_value

# File of `save` from which `load` makes an equal recovery.
_RESULT = "result.npz"


@dataclass(frozen=True)
class Candidate:
    """Rank that was tried, with its residuals.

    Attributes:
        rank: Rank of the fit.
        relative_residual: Relative residual of the best fit on the fitted rows.
        holdout_residual: Relative residual of the best fit on the held-out rows; None if there are none.
    """

    rank: int
    relative_residual: float
    holdout_residual: float | None


@dataclass(frozen=True)
class Stage:
    """Run that a recovery consists of.

    Attributes:
        name: Task of the run in words, such as "growth, rank 2" or "final fit, rank 2".
        solver: Name of the solver that made it.
        rank: Width of the fitted matrix.
        steps: Number of steps.
    """

    name: str
    solver: str
    rank: int
    steps: int

    @property
    def task(self) -> str:
        """Name of the task without the rank."""
        return self.name.partition(",")[0]


@dataclass(frozen=True)
@by_value
class Recovery:
    """Recovered matrix with its diagnosis.

    Attributes:
        status: Verdict; `status.advice` says what it means.
        matrix: Matrix `Z`, in the user's units, in orthonormal form.
        rank: Rank of the matrix.
        judged_rank: Rank that the verdict is on; None if the recovery ended early. It differs from the rank of the
            matrix if a smoothed fit has taken the place of that of one rank (`recovery.shrinkage`).
        relative_residual: `||M(Z) - y|| / ||y||` over all measurements, weighted as the problem is.
        holdout_residual: The same ratio over the held-out measurements, for the fit without them; None if there are
            none.
        relative_error: `||Z - A||_F / ||A||_F`; None without the true matrix `A`.
        evidence: Evidence of the held-out rows; None if there are none.
        expected_error: Relative error to expect from the noise, in root mean square: `noise sqrt(d / n)` times what
            the restricted singular values add. None if the verdict did not come to it.
        unidentified: Rows and columns whose entries the measurements do not all determine; None if there are none.
        alternative: Another matrix that explains the measurements as well, in the user's units; None if none is known.
        candidates: Ranks that were tried, ascending.
        stages: Runs in their order, each with its solver; the column `stage` of the trace counts them.
        trace: Columns along the whole recovery: stage, rank, step, applications, seconds, residual, and more.
        kind: Kind of the unknown.
        measurements: Number of measurements `n`.
        working_rank: Largest rank of the overparameterized stage before missed directions are added.
        solver: Name of the solver of the growth; `stages` has the solvers of the other runs.
        steps: Number of steps in all stages.
        applications: Applications of `M` and `M*`, including probes, starts and refits.
        seconds: Time spent, without the time for metrics.
        seed: Seed of the hold-out and of the starts.
        warnings: Warnings for the user, in words.
    """

    status: Status
    matrix: LowRank
    rank: int
    judged_rank: int | None
    relative_residual: float
    holdout_residual: float | None
    relative_error: float | None
    evidence: Evidence | None
    expected_error: float | None
    unidentified: Unidentified | None
    alternative: LowRank | None
    candidates: tuple[Candidate, ...]
    stages: tuple[Stage, ...]
    trace: Columns
    kind: Kind
    measurements: int
    working_rank: int
    solver: str
    steps: int
    applications: int
    seconds: float
    seed: int
    warnings: tuple[str, ...]

    @property
    def spectrum(self) -> np.ndarray:
        """Eigenvalues, or singular values of a rectangular matrix, largest magnitude first."""
        return torch.diagonal(self.matrix.Theta).real.cpu().numpy()

    @property
    def other_solvers(self) -> dict[str, tuple[str, ...]]:
        """Tasks that another solver than that of the growth did, by the name of that solver."""
        tasks: dict[str, tuple[str, ...]] = {}
        for stage in self.stages:
            done = tasks.get(stage.solver, ())
            if stage.solver != self.solver and stage.task not in done:
                tasks[stage.solver] = (*done, stage.task)
        return tasks

    def facts(self) -> dict[str, object]:
        """Return the facts that `result.json` holds; numbers that are not finite are None."""
        return {
            "status": str(self.status),
            "rank": self.rank,
            "judged_rank": self.judged_rank,
            "size": list(self.matrix.shape) if self.kind is Kind.RECTANGULAR else self.matrix.shape[0],
            "kind": str(self.kind),
            "measurements": self.measurements,
            "solver": self.solver,
            "other_solvers": {solver: list(tasks) for solver, tasks in self.other_solvers.items()},
            "working_rank": self.working_rank,
            "steps": self.steps,
            "applications": self.applications,
            "seconds": self.seconds,
            "relative_residual": _finite(self.relative_residual),
            "holdout_residual": _finite(self.holdout_residual),
            "explained_variance": None if self.evidence is None else _finite(self.evidence.explained),
            "expected_error": _finite(self.expected_error),
            "unidentified_rows": [] if self.unidentified is None else list(self.unidentified.rows),
            "unidentified_columns": [] if self.unidentified is None else list(self.unidentified.columns),
            "relative_error": _finite(self.relative_error),
            "seed": self.seed,
            "warnings": list(self.warnings),
        }

    def table(self) -> Table:
        """Return the table that `result.npz` holds: named arrays with `facts()` as the header.

        The arrays are `X`, `Theta` (and `Y`), `eigenvalues` (or `singular_values`), the `trace_*` columns, and
        `candidate_*` with the ranks tried.
        """
        arrays = factor_arrays(self.matrix)
        arrays["singular_values" if self.kind is Kind.RECTANGULAR else "eigenvalues"] = self.spectrum
        arrays |= {f"trace_{name}": column for name, column in self.trace.items()}
        arrays["candidate_rank"] = np.array([c.rank for c in self.candidates], dtype=np.int64)
        arrays["candidate_residual"] = np.array([c.relative_residual for c in self.candidates], dtype=np.float64)
        held = [np.nan if c.holdout_residual is None else c.holdout_residual for c in self.candidates]
        arrays["candidate_holdout_residual"] = np.array(held, dtype=np.float64)
        versions = {name: version(name) for name in ("wnsense", "torch", "numpy")}
        return Table(self.facts() | {"advice": self.status.advice, "versions": versions}, arrays)

    def report(self, path: Path | str) -> None:
        """Write a self-contained HTML page on this recovery.

        Raises:
            InputError: If the file cannot be written.
        """
        from wnsense.pages.recovery_page import recovery_page

        write_text(Path(path), recovery_page(self.table()))

    def save(self, directory: Path | str) -> None:
        """Write `result.npz`, `result.json` and `report.html` into a directory, which is created if missing.

        If one of the files cannot be written, none is, and files that were there stay as they were. `load` reads it.

        Raises:
            InputError: If a file cannot be written.
        """
        from wnsense.pages.recovery_page import recovery_page

        folder = Path(directory)
        table = self.table()
        facts = json.dumps(self.facts(), indent=2) + "\n"
        write_together(
            {
                folder / _RESULT: table_bytes(with_fields(table, self)),
                folder / "result.json": facts.encode(),
                folder / "report.html": recovery_page(table).encode(),
            }
        )

    @classmethod
    def load(cls, directory: Path | str) -> "Recovery":
        """Return the recovery that `save` wrote into a directory, equal to the saved one, with its matrix on the CPU.

        Raises:
            InputError: If the file is missing or damaged, or another version wrote it.
        """
        return read_fields(Path(directory) / _RESULT, cls)

    def _repr_html_(self) -> str:
        """Return the summary for a notebook."""
        first, *others = str(self).splitlines()
        return card(first, [line.strip() for line in others], good=self.status.is_success)

    def __str__(self) -> str:
        """Return a short summary for the terminal."""
        lines = [
            f"{self.status}: {self.status.advice}",
            f"  rank {self.rank}; {self.kind}, {size_text(self.matrix.shape)}; {self.measurements} measurements",
            f"  relative residual {self.relative_residual:.2e}"
            + ("" if self.holdout_residual is None else f", on held-out measurements {self.holdout_residual:.2e}"),
        ]
        if self.status is Status.REACHED_NOISE_FLOOR and self.expected_error is not None:
            lines.append(f"  relative error to expect from the noise {self.expected_error:.2e}")
        if self.relative_error is not None:
            lines.append(f"  relative error against the truth {self.relative_error:.2e}")
        if self.solver != solver_name(ConjugateWN()):
            others = "".join(f"; {', '.join(tasks)} by {solver}" for solver, tasks in self.other_solvers.items())
            lines.append(f"  growth by {self.solver}{others}")
        lines.append(f"  {self.applications} applications of the operator, {self.seconds:.2f} s, seed {self.seed}")
        return "\n".join(lines + [f"  warning: {warning}" for warning in self.warnings])


def _finite(value: float | None) -> float | None:
    """Return the value if it is finite, else None, since JSON has no infinity.

    A residual is infinite relative to measurements that are all zero.
    """
    return None if value is None or not math.isfinite(value) else value
