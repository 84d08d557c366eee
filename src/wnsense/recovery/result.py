"""What a recovery returns."""

from dataclasses import dataclass

import numpy as np
import torch

from wnsense.diagnosis.hold_out import Evidence
from wnsense.running.status import Status
from wnsense.running.trace import Columns
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank


@dataclass(frozen=True)
class Candidate:
    """A rank that was tried.

    Attributes:
        rank: The rank.
        relative_residual: Of the best fit found, on the fitted rows.
        holdout_residual: Of the same, on the rows held out; None without them.
    """

    rank: int
    relative_residual: float
    holdout_residual: float | None


@dataclass(frozen=True)
class Recovery:
    """The recovered matrix with its diagnosis.

    Attributes:
        status: How it ended; `status.advice` says what that means.
        matrix: The matrix, in the user's units, in orthonormal form.
        rank: Its rank.
        relative_residual: ||M(Z) - y|| / ||y|| over all measurements (weighted as the problem is).
        holdout_residual: The same over measurements that were held out, for the fit that did not see them; None where
            none were.
        relative_error: ||Z - A||_F / ||A||_F; None without a truth.
        evidence: What the rows held out say; None where none were.
        candidates: The ranks that were tried, in order of rank.
        trace: Columns along the whole recovery: stage, rank, step, applications, seconds, residual, and more.
        kind: The kind of unknown.
        measurements: n.
        working_rank: The rank of the overparameterized stage.
        solver: The name of the solver of that stage.
        steps: Steps taken, all stages.
        applications: Applications of M and M*, probes, starts and refits counted.
        seconds: Time spent, metrics not counted.
        seed: What the hold-out and the starts were drawn from.
        warnings: What the user should know, in words.
    """

    status: Status
    matrix: LowRank
    rank: int
    relative_residual: float
    holdout_residual: float | None
    relative_error: float | None
    evidence: Evidence | None
    candidates: tuple[Candidate, ...]
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
        """Eigenvalues, or singular values of a rectangular matrix, the largest magnitude first."""
        return torch.diagonal(self.matrix.Theta).real.cpu().numpy()

    def facts(self) -> dict[str, object]:
        """The figures that `result.json` holds: plain numbers, words and None."""
        return {
            "status": str(self.status),
            "rank": self.rank,
            "size": list(self.matrix.shape) if self.kind is Kind.RECTANGULAR else self.matrix.shape[0],
            "kind": str(self.kind),
            "measurements": self.measurements,
            "solver": self.solver,
            "working_rank": self.working_rank,
            "steps": self.steps,
            "applications": self.applications,
            "seconds": self.seconds,
            "relative_residual": self.relative_residual,
            "holdout_residual": self.holdout_residual,
            "explained_variance": None if self.evidence is None else self.evidence.explained,
            "relative_error": self.relative_error,
            "seed": self.seed,
            "warnings": list(self.warnings),
        }

    def __str__(self) -> str:
        """A short summary for a person."""
        lines = [
            f"{self.status}: {self.status.advice}",
            f"  rank {self.rank}, a {self.kind} matrix of {self.matrix.shape[0]} x {self.matrix.shape[1]} "
            f"from {self.measurements} measurements",
            f"  relative residual {self.relative_residual:.2e}"
            + ("" if self.holdout_residual is None else f", on held-out measurements {self.holdout_residual:.2e}"),
        ]
        if self.relative_error is not None:
            lines.append(f"  relative error against the truth {self.relative_error:.2e}")
        lines.append(f"  {self.applications} applications of the operator, {self.seconds:.2f} s, seed {self.seed}")
        return "\n".join(lines + [f"  warning: {warning}" for warning in self.warnings])
