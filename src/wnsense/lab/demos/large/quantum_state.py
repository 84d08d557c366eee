"""Tomography of a low-rank quantum state from the expectation values of some Pauli strings, with shot noise."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.checks import require
from wnsense.files.tables import Table
from wnsense.lab.demos.large.recovery_table import with_recovery
from wnsense.linalg import haar_frame, random_normal
from wnsense.recovery import Recovery, recover
from wnsense.running.stop import Callback
from wnsense.sensing.ensembles.pauli import PauliSensing
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.problem import Problem
from wnsense.sensing.quantum_states import fidelity, nearest_state


@dataclass(frozen=True)
class StateStudy:
    """Size, number of measurements and seed of the tomography.

    Attributes:
        qubits: Number of qubits, `q`; the state is `d x d` with `d = 2^q`.
        rank: Rank `r` of the state, drawn from the induced measure: the partial trace of a random pure state.
        strings: Number of Pauli strings, `n`; `4 r d` by default.
        shots: Number of outcomes +-1 of each string; a measurement is their mean.
        max_rank: Largest rank for `recover()`; None for no limit.
        seed: Seed of state, strings, outcomes and recovery.
    """

    qubits: int = 10
    rank: int = 4
    strings: int | None = None
    shots: int = 1_000_000
    max_rank: int | None = None
    seed: int = 0


def random_state(dimension: int, rank: int, generator: torch.Generator) -> LowRank:
    """Draw `G G^H / Tr(G G^H)` for a complex Gaussian `d x r` matrix `G`."""
    X = haar_frame(dimension, rank, generator=generator, dtype=torch.complex128)
    G = random_normal((rank, rank), generator=generator, dtype=torch.complex128)
    Theta = G @ G.mH
    return LowRank(X, Theta / Theta.diagonal().real.sum()).orthonormal()


def mean_outcomes(values: Float[Tensor, " n"], shots: int, generator: torch.Generator) -> Float[Tensor, " n"]:
    """Draw outcomes +-1 with these expectation values, independently for each string, and return their means."""
    chance = ((1 + values) / 2).clamp(0, 1)
    ups = torch.binomial(torch.full_like(chance, shots), chance, generator=generator)
    return 2 * ups / shots - 1


def state_problem(study: StateStudy) -> Problem:
    """Draw a random state, and measure it in random Pauli strings with a finite number of shots.

    The number of shots gives the noise level, so that no hold-out is needed. The variance of a mean of `S` outcomes +-1
    is `(1 - p^2) / S`. A mixed state has small expectation values `p`, so that this is about `1 / S`.

    Raises:
        InputError: If there is no shot.
    """
    require(study.shots >= 1, "at least one shot", study.shots)
    generator = torch.Generator().manual_seed(study.seed)
    d = 2**study.qubits
    truth = random_state(d, study.rank, generator)
    strings = study.strings or min(4 * study.rank * d, 4**study.qubits)
    operator = PauliSensing.draw(strings, study.qubits, generator=generator)
    y = mean_outcomes(operator.measure(truth) / operator.scale, study.shots, generator) * operator.scale
    spread = operator.scale * math.sqrt(strings / study.shots)
    return Problem(operator, y, truth, spread / float(torch.linalg.vector_norm(y)))


def reconstruct_state(study: StateStudy, callback: Callback | None = None) -> tuple[Recovery, Table]:
    """Measure a random state, recover it with `recover()`, and compare both.

    Returns:
        The recovery, and a table with the eigenvalues, true and recovered, the trace and the cost.
    """
    problem = state_problem(study)
    operator, y, level, truth = problem.operator, problem.measurements, problem.noise_level, problem.truth
    if truth is None:
        raise AssertionError("the problem comes with its state")
    recovery = recover(
        operator, y, truth=truth, noise_level=level, max_rank=study.max_rank, seed=study.seed, callback=callback
    )
    exact = operator.measure(truth)
    state = nearest_state(recovery.matrix)
    header = {
        "qubits": study.qubits,
        "shots": study.shots,
        "noise_level": level,
        "true_noise": float((y - exact).norm() / y.norm()),
        "fidelity": fidelity(state, truth),
    }
    arrays = {
        "true_eigenvalues": torch.diagonal(truth.Theta).real.numpy(),
        "found_eigenvalues": torch.diagonal(state.Theta).real.numpy(),
    }
    return recovery, with_recovery(Table(header, arrays), recovery)
