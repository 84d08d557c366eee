"""The runs of figure 1, each kept as it ends, and the one table that they become.

The table's head has `settings`, a list of the specifications in order. For each, the arrays below stand under its
`sensed` and an underscore (`identity_step`). Rows are recorded steps, at most 200, closer at the beginning and around
the escapes of the first start; all but the last five are of the first start; ||A||_2 = 1.

- `step`, `applications`, (rows,): of M and M*, of one start. `seconds`, (rows,): of all starts together.
- `saddle_distances`, (rows, r_A + 1): ||X Theta X^T - A_l||_F^2, l = 0..r_A; the last is the squared error.
- `gradient_norms`, (rows, 3): Frobenius norms of grad_X f(X_t, Theta_t) on the manifold, of grad_Theta
  f(X_{t+1}, Theta_t), by which Algorithm 1 moves Theta, and of grad_Theta f(X_t, Theta_t); f is the run's own loss.
- `squared_cosines`, (rows, r_A): sigma_i(Phi Phi^T), Phi = U^T X, falling. `alignment_trace`, (rows,): their sum.
- `outside`, (rows, r): the singular values of U_perp^T X, falling; r - r_A of them are 1.
- `magnitudes`, (rows, r): the eigenvalues of Theta with their signs, the largest magnitude first.
- `squared_overlaps`, (rows, r_A, r): the alignment matrix. Entry (i, j) is `<u_i, X v_j>^2`, with the eigenvector `u_i`
  of the i-th eigenvalue of A and `v_j` of the j-th magnitude of Theta. Entries lie between 0 and 1, the sum of row i is
  `(Phi Phi^T)_ii`. When all is learned the left r_A x r_A square is the identity and the rest is 0. Columns of equal
  magnitudes may be rotated from row to row: all of them at the start, and always the surplus ones.
- `used_alignment`, (rows, r_A + 1): T_l, the sum of `squared_overlaps` over all i and the first l columns.
- `eigenvalues`, (r_A,): sigma_i of A, falling.
- `squared_error`, (rows, starts).
- `stay_first`, `escape`, (starts, r_A): the first step at saddle l = 0..r_A - 1 and the one at which it has been left;
  NaN where there is none. Found among more steps than are kept: all of the first 80 or so, then each 1.3% later.
- `start_alignment`, (starts, r_A): s_0 of each eigenvector as the law of escapes needs it (`start_alignments`).
- `trace_fall`, (starts,): the largest fall of Tr(Phi Phi^T) from one of those steps to the next, 0 without any.
"""

from collections.abc import Mapping
from dataclasses import asdict

import numpy as np
from jaxtyping import Bool, Float, Num

from wnsense.files.tables import Table
from wnsense.lab.analysis.course import Plateau, escapes, monotonicity, plateaus
from wnsense.lab.studies.frame.ledger import PartContent, PartLedger
from wnsense.lab.studies.frame.store import Store, StudyResult
from wnsense.lab.studies.learning.measure import measure, start_alignments
from wnsense.lab.studies.learning.specification import LearningSetting, LearningSpecification, setting_key
from wnsense.lab.studies.learning.table import ARRAYS_OF_ONE_START
from wnsense.running.progress import ProgressCallback

# Rows of the table: in equal ratios, evenly, and in equal ratios around each escape, from and to these shares of it.
_IN_RATIOS, _EVENLY, _AROUND = 55, 55, 13
_BEFORE, _AFTER = 0.6, 1.6


def run_learning(specification: LearningSpecification, store: Store, progress: ProgressCallback) -> StudyResult:
    """Make every missing run, and return the content of the study's table; see `Study.measure`."""
    settings = specification.plan(store.scale)
    store.prepare()
    total = sum(setting.steps for setting in settings)
    ledger = PartLedger(store, progress, total, lambda part: float(part.arrays["seconds"][-1]))
    arrays = {
        f"{setting.sensed}_{name}": array
        for setting in settings
        for name, array in thinned(setting, _made(ledger, setting).arrays).items()
    }
    return ledger.result(arrays, {"settings": [asdict(setting) for setting in settings]})


def _made(ledger: PartLedger, setting: LearningSetting) -> Table:
    """Return the part of a setting, from its file if it has been made."""
    words = f"running WN, {setting.sensed} M"

    def make() -> PartContent:
        checkpoint = ledger.store.checkpoint(setting_key(setting))
        arrays = measure(setting, checkpoint, progress=lambda steps: ledger.report(words, steps))
        return arrays, {"setting": asdict(setting)}

    return ledger.part(setting_key(setting), words, make, setting.steps)


def thinned(setting: LearningSetting, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the arrays of the table for a run, as the module describes them."""
    step, sigma, traces = arrays["step"], arrays["eigenvalues"], arrays["alignment_trace"]
    stays = [
        plateaus(step, arrays["saddle_distances"][:, start], arrays["used_alignment"][:, start], sigma)
        for start in range(len(setting.seeds))
    ]
    rows = kept_rows(step, stays[0])
    columns = {name: arrays[name][rows][:, 0] for name in ARRAYS_OF_ONE_START}
    return {
        **{name: arrays[name][rows] for name in ("step", "applications", "seconds")},
        **columns,
        "eigenvalues": sigma,
        "squared_error": arrays["saddle_distances"][rows][:, :, -1],
        "stay_first": np.array([_by_level(_firsts(starts), sigma) for starts in stays]),
        "escape": np.array([_by_level(escapes(starts), sigma) for starts in stays]),
        "start_alignment": start_alignments(setting).numpy(),
        "trace_fall": np.array([monotonicity(step, column).largest for column in traces.T]),
    }


def kept_rows(step: Num[np.ndarray, " rows"], stays: tuple[Plateau, ...]) -> Bool[np.ndarray, " rows"]:
    """Return the rows that are kept: spread over the run, close around each escape, and the ends of every stay."""
    last = float(step[-1])
    wanted = [np.geomspace(1, last, _IN_RATIOS), np.linspace(0, last, _EVENLY)]
    wanted += [np.geomspace(_BEFORE, _AFTER, _AROUND) * stay.escape for stay in stays if stay.escape is not None]
    ends = [float(end) for stay in stays for end in (stay.first, stay.last, stay.escape) if end is not None]
    targets = np.concatenate([*wanted, ends])
    kept = np.zeros(len(step), dtype=bool)
    kept[np.abs(step[:, None] - targets[None]).argmin(axis=0)] = True
    # The last row before each stay is kept too, so that a stay begins in the table where it began in the run.
    firsts = np.flatnonzero(np.isin(step, [stay.first for stay in stays]))
    kept[np.maximum(firsts - 1, 0)] = True
    return kept


def _firsts(stays: tuple[Plateau, ...]) -> dict[int, int]:
    """Return the first step of the first stay at each saddle."""
    return {stay.index: stay.first for stay in reversed(stays)}


def _by_level(steps: Mapping[int, int], sigma: Float[np.ndarray, " k"]) -> list[float]:
    """Return the steps of all saddles in order, NaN for those without one."""
    return [float(steps.get(level, np.nan)) for level in range(len(sigma))]
