"""Measurement of a setting of figure 1: all starts in one batch, with the quantities of all six panels."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.files.tables import is_table
from wnsense.lab.analysis.alignment import ALONG_A_RUN
from wnsense.lab.studies.learning.identity import IdentitySensing
from wnsense.lab.studies.learning.specification import LearningSetting, Sensed, setting_key
from wnsense.linalg import frobenius_norm, symmetric_part
from wnsense.manifolds.stiefel import tangent_projection
from wnsense.running.checkpoint import Checkpoint
from wnsense.running.loop import Result, solve
from wnsense.running.progress import StepCallback, no_steps
from wnsense.running.status import Status
from wnsense.running.stop import Progress, Stop
from wnsense.running.trace import Metric, Trace
from wnsense.sensing.ensembles.triangular import TriangularSensing
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.problem import Problem, low_rank, require_truth
from wnsense.solvers.calibration import Calibration
from wnsense.solvers.objective import SensingObjective
from wnsense.solvers.solver import State
from wnsense.solvers.starts import haar_start
from wnsense.solvers.weight_norm import WeightNormalizedGD

# Truth and measurements have a seed of their own, so that starts are independent of them.
_DATA_SEED = 1_000_000
# Steps between two reports of progress.
_REPORT_EVERY = 50


def drawn(setting: LearningSetting) -> SensingObjective:
    """Return the objective of a setting; the truth is the same for both kinds of measurements.

    Of Gaussian measurements the `m(m+1)/2` rows with the same least squares are drawn (Bartlett).
    """
    generator = torch.Generator().manual_seed(_DATA_SEED)
    truth = _truth(setting, generator)
    if setting.sensed is Sensed.IDENTITY:
        return _objective(Problem.measure(IdentitySensing(setting.size), truth))
    operator = TriangularSensing.draw(setting.measurements, setting.size, generator=generator)
    return _objective(Problem.measure(operator, truth))


def starts(objective: SensingObjective, setting: LearningSetting) -> LowRank:
    """Return a start for each seed; it is the same in a batch and alone."""
    points = [
        haar_start(objective, setting.width, generator=torch.Generator().manual_seed(seed)) for seed in setting.seeds
    ]
    return LowRank(torch.stack([point.X for point in points]), torch.stack([point.Theta for point in points]))


def start_alignments(setting: LearningSetting) -> Float[Tensor, "starts k"]:
    """Return `s_0` of each eigenvector of A for the law of escapes (`theory.saddles.escape_steps`).

    The law assumes that `Phi Phi^T` is diagonal, which no random frame satisfies. When `u_1..u_l` have been learned,
    span(X) contains them, and the part of `u_{l+1}` along their projections no longer counts. For `l = 1` and
    `span(X) = V`, the squared projection of `u_2` falls from `|P_V u_2|^2` by `<P_V u_1, P_V u_2>^2 / |P_V u_1|^2`.
    So `s_0` is the Schur complement of the first `l` in `Phi Phi^T = L L^T`: the pivot `L_{l+1,l+1}^2` of Cholesky's
    factor.
    """
    truth = _truth(setting, torch.Generator().manual_seed(_DATA_SEED))
    X = starts(_objective(Problem.measure(IdentitySensing(setting.size), truth)), setting).X
    Phi = truth.X.mT @ X
    pivots: Tensor = torch.linalg.cholesky(Phi @ Phi.mT).diagonal(dim1=-2, dim2=-1).square()
    return pivots


def _truth(setting: LearningSetting, generator: torch.Generator) -> LowRank:
    return low_rank(setting.size, setting.rank, setting.condition, spectrum="geometric", generator=generator)


def _objective(problem: Problem) -> SensingObjective:
    """Return the objective in the units of the paper, without calibration, because `||A||_2 = 1` and `E M*M = I`."""
    return SensingObjective(problem, given=Calibration(torch.ones_like(problem.measurements), None, 1.0, 1.0, 0))


def solver_of(setting: LearningSetting) -> WeightNormalizedGD:
    """Return Algorithm 1 with the step sizes of a setting."""
    return WeightNormalizedGD(step_size=setting.step_size, magnitude_step_size=setting.magnitude_step_size)


def squared_overlaps(objective: SensingObjective, point: LowRank) -> Float[Tensor, "*batch k r"]:
    """Return the squared entries of `U^T X V`: squared cosines of the eigenvectors of A and of Z.

    V are the eigenvectors of Theta, the largest magnitude first, so that the first columns are those in use. Row sums
    are the diagonal of `Phi Phi^T`. Columns of equal magnitude may be rotated; their sums do not change.

    Raises:
        InputError: If the problem has no truth.
    """
    truth = require_truth(objective.problem)
    return (truth.orthonormal().X.mH @ objective.to_user(point).orthonormal().X).abs().square()


def gradients_of(solver: WeightNormalizedGD) -> Metric:
    """Return a metric of three gradient norms of the loss of the run, (..., 3).

    These are the norm of the tangent part of `grad_X f(X_t, Theta_t)`; that of `grad_Theta f(X_{t+1}, Theta_t)`, by
    which Algorithm 1 moves Theta; and that of `grad_Theta f(X_t, Theta_t)`, which is zero for `mu = 2` if M*M is the
    identity. They are computed from the point, and their applications are not counted in the run.
    """

    def norms(objective: SensingObjective, point: LowRank) -> Tensor:
        state = objective.evaluate(point)
        X, Theta = point.X, point.Theta
        following = solver.step(objective, State(state, 0)).evaluation.point.X
        beyond = objective.evaluate(LowRank(following, Theta))
        return torch.stack(
            [
                frobenius_norm(tangent_projection(X, state.left @ Theta)),
                frobenius_norm(symmetric_part(following.mH @ beyond.left)) / 2,
                frobenius_norm(symmetric_part(X.mH @ state.left)) / 2,
            ],
            dim=-1,
        )

    return norms


def measure(
    setting: LearningSetting, checkpoint: Path, *, progress: StepCallback = no_steps
) -> Mapping[str, np.ndarray]:
    """Run Algorithm 1, from its checkpoint if there is one; the caller removes the checkpoint.

    Returns:
        `step`, `applications` (of one start), `seconds` (of all), (rows,); `gradient_norms`, `squared_overlaps` and the
        columns of `alignment.ALONG_A_RUN`, (rows, starts, ...); `eigenvalues`, (r_A,).

    Raises:
        KeyboardInterrupt: If interrupted; the checkpoint is written before.
    """
    objective, solver = drawn(setting), solver_of(setting)
    run_checkpoint: Checkpoint[State] = Checkpoint(
        checkpoint, objective.problem, solver, (setting_key(setting),), resume=is_table(checkpoint)
    )

    def look(state: Progress) -> None:
        if state.step % _REPORT_EVERY == 0:
            progress(state.step)

    metrics: dict[str, Metric] = {
        **ALONG_A_RUN,
        "gradient_norms": gradients_of(solver),
        "squared_overlaps": squared_overlaps,
    }
    result: Result[State, LowRank] = solve(
        objective,
        solver,
        starts(objective, setting),
        # The run goes to its last step whatever the residual.
        stop=Stop(residual=0.0, max_steps=setting.steps, callback=look),
        trace=Trace(metrics=metrics, at=setting.seen_steps()),
        checkpoint=run_checkpoint,
    )
    if result.status is Status.INTERRUPTED:
        raise KeyboardInterrupt
    names = ("step", "applications", "seconds", *metrics)
    truth = objective.problem.truth
    values = np.empty(0) if truth is None else truth.Theta.diagonal().numpy()
    return {**{name: result.trace[name] for name in names}, "eigenvalues": values}
