"""One setting of figure 1: all starts in one batch, and at each step that is seen everything that six panels show."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.checks import InputError
from wnsense.files.tables import read_table
from wnsense.lab.analysis.alignment import ALONG_A_RUN
from wnsense.lab.studies.learning.identity import IdentitySensing
from wnsense.lab.studies.learning.specification import LearningSetting, Sensed
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
from wnsense.sensing.problem import Problem, low_rank
from wnsense.solvers.calibration import Calibration
from wnsense.solvers.objective import SensingObjective
from wnsense.solvers.solver import State
from wnsense.solvers.starts import haar_start
from wnsense.solvers.weight_norm import WeightNormalizedGD

# Truth and measurements are drawn from a seed of their own, so that no start knows anything of them.
_DATA_SEED = 1_000_000
# Steps between two reports of progress.
_REPORT_EVERY = 50


def drawn(setting: LearningSetting) -> SensingObjective:
    """The objective of a setting, its truth the same for both kinds of measurements.

    Gaussian ones are drawn as the m(m+1)/2 rows that give the same least squares (Bartlett).
    """
    generator = torch.Generator().manual_seed(_DATA_SEED)
    truth = _truth(setting, generator)
    if setting.sensed is Sensed.IDENTITY:
        return _objective(Problem.measure(IdentitySensing(setting.size), truth))
    operator = TriangularSensing.draw(setting.measurements, setting.size, generator=generator)
    return _objective(Problem.measure(operator, truth))


def starts(objective: SensingObjective, setting: LearningSetting) -> LowRank:
    """A start for each seed, the same whether they are run together or alone."""
    points = [
        haar_start(objective, setting.width, generator=torch.Generator().manual_seed(seed)) for seed in setting.seeds
    ]
    return LowRank(torch.stack([point.X for point in points]), torch.stack([point.Theta for point in points]))


def start_alignments(setting: LearningSetting) -> Float[Tensor, "starts k"]:
    """s_0 of each of A's eigenvectors for the law of escapes (`theory.saddles.escape_steps`): the pivots of Phi Phi^T.

    The law takes Phi Phi^T for diagonal, which no random frame has. When u_1..u_l have been learned, span(X) holds
    them, and what it had of u_{l+1} along their projections is lost to u_{l+1}: with span(X) = V turned so that P_V u_1
    becomes u_1, the squared projection of u_2 falls from |P_V u_2|^2 by <P_V u_1, P_V u_2>^2 / |P_V u_1|^2. So what
    counts is the Schur complement of the first l in Phi Phi^T = L L^T, which is L_{l+1,l+1}^2 of Cholesky's factor.
    """
    truth = _truth(setting, torch.Generator().manual_seed(_DATA_SEED))
    X = starts(_objective(Problem.measure(IdentitySensing(setting.size), truth)), setting).X
    Phi = truth.X.mT @ X
    pivots: Tensor = torch.linalg.cholesky(Phi @ Phi.mT).diagonal(dim1=-2, dim2=-1).square()
    return pivots


def _truth(setting: LearningSetting, generator: torch.Generator) -> LowRank:
    return low_rank(setting.size, setting.rank, setting.condition, spectrum="geometric", generator=generator)


def _objective(problem: Problem) -> SensingObjective:
    """In the paper's own units: nothing is probed, since ||A||_2 = 1 and E M*M = I."""
    return SensingObjective(problem, given=Calibration(torch.ones_like(problem.measurements), None, 1.0, 1.0, 0))


def solver_of(setting: LearningSetting) -> WeightNormalizedGD:
    """Algorithm 1 with a setting's step sizes."""
    return WeightNormalizedGD(step_size=setting.step_size, magnitude_step_size=setting.magnitude_step_size)


def squared_overlaps(objective: SensingObjective, point: LowRank) -> Float[Tensor, "*batch k r"]:
    """The squares of the entries of U^T X V: how far each of A's eigenvectors lies along each eigenvector of Z.

    V are the eigenvectors of Theta, the largest magnitude first, so that the first columns are those in use. Row sums
    are the diagonal of Phi Phi^T. Columns of equal magnitude may be turned among themselves; their sums stay.

    Raises:
        InputError: When the problem has no truth.
    """
    truth = objective.problem.truth
    if truth is None:
        raise InputError("needed a problem with a truth, got one without")
    return (truth.orthonormal().X.mH @ objective.to_user(point).orthonormal().X).abs().square()


def gradients_of(solver: WeightNormalizedGD) -> Metric:
    """A metric of three gradient norms of the run's own loss, (..., 3).

    ||grad_X f(X_t, Theta_t)||_F made tangent; ||grad_Theta f(X_{t+1}, Theta_t)||_F, which is what Algorithm 1 takes
    Theta's step by; and ||grad_Theta f(X_t, Theta_t)||_F, which mu = 2 leaves at zero where M*M is the identity. They
    are computed anew from the point, at no application of the run.
    """

    def norms(objective: SensingObjective, point: LowRank) -> Tensor:
        at = objective.evaluate(point)
        X, Theta = at.point.X, at.point.Theta
        following = solver.step(objective, State(at, 0)).point.X
        beyond = objective.evaluate(LowRank(following, Theta))
        return torch.stack(
            [
                frobenius_norm(tangent_projection(X, at.left @ Theta)),
                frobenius_norm(symmetric_part(following.mH @ beyond.left)) / 2,
                frobenius_norm(symmetric_part(X.mH @ at.left)) / 2,
            ],
            dim=-1,
        )

    return norms


def measure(
    setting: LearningSetting, checkpoint: Path, *, progress: StepCallback = no_steps
) -> Mapping[str, np.ndarray]:
    """Make a run, going on from its checkpoint where there is one; the caller removes it once the rows are kept.

    Returns:
        `step`, `applications` (of one start), `seconds` (of all), (rows,); `gradient_norms`, `squared_overlaps` and the
        columns of `alignment.ALONG_A_RUN`, (rows, starts, ...); `eigenvalues`, (r_A,).

    Raises:
        KeyboardInterrupt: When interrupted, the checkpoint being written.
    """
    objective, solver = drawn(setting), solver_of(setting)
    run_checkpoint: Checkpoint[State] = Checkpoint(
        checkpoint, objective.problem, solver, (setting.key,), resume=_is_readable(checkpoint)
    )

    def look(state: Progress) -> None:
        if state.step % _REPORT_EVERY == 0:
            progress(state.step)

    metrics: dict[str, Metric] = {
        **ALONG_A_RUN,
        "gradient_norms": gradients_of(solver),
        "squared_overlaps": squared_overlaps,
    }
    result: Result[State] = solve(
        objective,
        solver,
        starts(objective, setting),
        # To the last step, whatever the residual.
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


def _is_readable(checkpoint: Path) -> bool:
    """Whether there is a whole checkpoint; a damaged one costs its run alone."""
    try:
        read_table(checkpoint)
    except InputError:
        return False
    return True
