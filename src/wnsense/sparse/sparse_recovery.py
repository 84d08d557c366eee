"""What `sparse_recover` returns."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from wnsense.files.tables import Table
from wnsense.running.status import Status

_ADVICE = {
    Status.CONVERGED: (
        "A few entries explain all measurements to the tolerance, those that no coefficient was fitted to too."
    ),
    Status.REACHED_NOISE_FLOOR: (
        "A few entries predict measurements that were held out; what is left behaves like noise. More measurements, or "
        "cleaner ones, would bring the answer closer."
    ),
    Status.TOO_FEW_MEASUREMENTS: (
        "There are too few measurements to tell a sparse answer, or there is none: no sparse vector predicted those "
        "that were held out. Take more, or look for a basis in which the unknown is sparser. The solution is a guess."
    ),
    Status.NO_LOW_RANK_FIT: (
        "No vector predicts measurements that were held out, though there are more of them than unknowns: check that "
        "they belong to this matrix, in this order. The solution returned means nothing."
    ),
    Status.INTERRUPTED: "The search was interrupted; the solution returned is the last one it had.",
}
# Below this, what is left of measurements in double precision is no noise of an instrument.
_SINGLE, _EXACT = 1e-6, 1e-9
_ROUNDED = "What is left is no more than single precision rounds: were the measurements, or A, kept in it?"
_UNCHECKED = (
    "This is the one vector that there is, but as many measurements as unknowns leave nothing to check it with. Take "
    "more."
)


@dataclass(frozen=True)
class SparseRecovery:
    """A sparse solution of A z = y with what speaks for it.

    Attributes:
        status: How it ended: CONVERGED, REACHED_NOISE_FLOOR, TOO_FEW_MEASUREMENTS, NO_LOW_RANK_FIT (here: no sparse
            fit) or INTERRUPTED; `advice` says what that means.
        solution: z, (N,), in the user's units.
        support: Where it is not zero, ascending.
        relative_residual: ||A z - y|| / ||y||, all measurements.
        optimality_gap: No vector with the same A z has less than 1 - gap times the l1 norm of z, by a dual certificate;
            0 says that none has less. The norm is weighted by the columns' lengths where `rescaled`.
        held_out: ||A z - y|| / ||y|| over measurements held out, of a fit of the same support that did not see them;
            None where nothing could be held out.
        held_out_count: How many those were.
        rescaled: Whether columns were brought to the same length before the l1 norm was looked at: where lengths differ
            by more than a factor of four.
        ratio: eta, the last learning-rate ratio, for y and columns scaled to length 1.
        steps: Weight-normalized steps.
        products: Products with A and with A^T, each 1; those with chosen columns of a dense A count in proportion.
        seconds: Wall clock.
        measurements: M.
        seed: What the rows held out were drawn from.
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
        """What the status means, and what to do about it."""
        rows, columns = self.measurements, len(self.solution)
        if self.status is Status.TOO_FEW_MEASUREMENTS and rows == columns and self.relative_residual < _EXACT:
            return _UNCHECKED
        if self.status is Status.REACHED_NOISE_FLOOR and self.relative_residual < _SINGLE:
            return f"{_ADVICE[self.status]} {_ROUNDED}"
        return _ADVICE[self.status]

    def facts(self) -> dict[str, object]:
        """The figures, as plain values; None for what is not a finite number."""
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
        """`solution` and `support` as arrays, with `facts()` and the advice as the header."""
        return Table(
            self.facts() | {"advice": self.advice},
            {"solution": self.solution.cpu().numpy(), "support": self.support.cpu().numpy().astype(np.int64)},
        )

    def __str__(self) -> str:
        """A short summary for a person."""
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
