"""Result of `sparse_recover`."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from wnsense.files.tables import Table
from wnsense.running.status import Status
from wnsense.values import by_value

_ADVICE = {
    Status.CONVERGED: (
        "A few entries explain all measurements to the tolerance, also those that no coefficient was fitted to."
    ),
    Status.REACHED_NOISE_FLOOR: (
        "A few entries predict measurements that were held out, up to a residual that behaves like noise. "
        "More measurements, or less noisy ones, would give a more precise answer."
    ),
    Status.TOO_FEW_MEASUREMENTS: (
        "There are too few measurements to determine a sparse answer, or there is none: no sparse vector predicted "
        "those that were held out. Take more, or use a basis in which the unknown is sparser. "
        "The solution is a guess."
    ),
    Status.NO_LOW_RANK_FIT: (
        "No vector predicts measurements that were held out, though there are more of them than unknowns: check that "
        "they belong to this matrix, in this order. Do not use the solution that is returned."
    ),
    Status.INTERRUPTED: "The search was interrupted; the solution is the latest one.",
}
# Residuals below these are rounding of single precision, and of an exact solution, not noise of an instrument.
_SINGLE, _EXACT = 1e-6, 1e-9
_ROUNDED = "The residual is no larger than rounding of single precision: were the measurements, or A, stored in it?"
_UNCHECKED = "This is the only solution, but with as many measurements as unknowns none is left to check it. Take more."


@dataclass(frozen=True)
@by_value
class SparseRecovery:
    """Sparse solution of `A z = y` with the evidence for it.

    Attributes:
        status: Verdict: CONVERGED, REACHED_NOISE_FLOOR, TOO_FEW_MEASUREMENTS, NO_LOW_RANK_FIT (here: no sparse
            fit) or INTERRUPTED; `advice` says what it means.
        solution: Solution `z`, (N,), in the user's units.
        support: Indices of the entries that are not zero, ascending.
        relative_residual: `||A z - y|| / ||y||` over all measurements.
        optimality_gap: Bound on the relative excess of the l1 norm, by a dual certificate. Every vector with the same
            `A z` has at least `1 - gap` times the l1 norm of `z`. The norm is weighted by the columns' lengths if
            `rescaled`.
        held_out: `||A z - y|| / ||y||` over held-out measurements, for a fit of the same support without them; None if
            nothing could be held out.
        held_out_count: Number of held-out measurements.
        rescaled: True if columns were scaled to the same length, as where lengths differ by more than a factor of four.
        ratio: Last learning-rate ratio `eta`, for `y` and columns scaled to length 1.
        steps: Number of weight-normalized steps.
        products: Products with `A` and `A^T`, each 1; products with some columns of a dense `A` count in proportion.
        seconds: Wall-clock seconds.
        measurements: Number of measurements M.
        seed: Seed of the held-out rows.
    """

    status: Status
    solution: Float[Tensor, " n"]
    support: Int[Tensor, " s"]
    relative_residual: float
    optimality_gap: float
    held_out: float | None
    held_out_count: int
    rescaled: bool
    ratio: float
    steps: int
    products: int
    seconds: float
    measurements: int
    seed: int

    @property
    def advice(self) -> str:
        """Meaning of the status, and what to do about it."""
        rows, columns = self.measurements, len(self.solution)
        if self.status is Status.TOO_FEW_MEASUREMENTS and rows == columns and self.relative_residual < _EXACT:
            return _UNCHECKED
        if self.status is Status.REACHED_NOISE_FLOOR and self.relative_residual < _SINGLE:
            return f"{_ADVICE[self.status]} {_ROUNDED}"
        return _ADVICE[self.status]

    def facts(self) -> dict[str, object]:
        """Return the facts as plain values; numbers that are not finite are None."""
        return {
            "status": str(self.status),
            "unknowns": len(self.solution),
            "measurements": self.measurements,
            "nonzeros": len(self.support),
            "relative_residual": _finite(self.relative_residual),
            "optimality_gap": _finite(self.optimality_gap),
            "held_out": _finite(self.held_out),
            "held_out_count": self.held_out_count,
            "rescaled": self.rescaled,
            "ratio": _finite(self.ratio),
            "steps": self.steps,
            "products": self.products,
            "seconds": self.seconds,
            "seed": self.seed,
        }

    def table(self) -> Table:
        """Return `solution` and `support` as arrays, with `facts()` and the advice as the header."""
        return Table(
            self.facts() | {"advice": self.advice},
            {"solution": self.solution.cpu().numpy(), "support": self.support.cpu().numpy().astype(np.int64)},
        )

    def __str__(self) -> str:
        """Return a short summary for the terminal."""
        word = "no_sparse_fit" if self.status is Status.NO_LOW_RANK_FIT else str(self.status)
        residual = f"  relative residual {self.relative_residual:.2e}"
        if self.held_out is not None:
            residual += f"; on {self.held_out_count:,} measurements held out {self.held_out:.2e}"
        return "\n".join(
            [
                f"{word}: {self.advice}",
                (
                    f"  {len(self.support):,} of {len(self.solution):,} entries are not zero; "
                    f"{self.measurements:,} measurements"
                ),
                residual,
                f"  {self._gap_words()}",
                f"  {self.steps:,} steps, {self.products:,} products with A or its transpose, {self.seconds:.2f} s",
            ]
        )

    def _gap_words(self) -> str:
        norm = "the l1 norm weighted by the lengths of the columns" if self.rescaled else "the l1 norm"
        if self.optimality_gap <= 1e-8:
            return f"least of {norm} among vectors with the same A z (gap {self.optimality_gap:.1e})"
        return f"no vector with the same A z has less than {1 - self.optimality_gap:.4g} times {norm} of this one"


def _finite(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else value
