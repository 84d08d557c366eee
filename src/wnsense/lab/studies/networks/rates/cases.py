"""Values of the study of learning rates."""

from collections.abc import Sequence
from itertools import product

from wnsense.lab.studies.networks.shared_settings import INPUTS, JPEG, NETWORK, SEEDS, TWIN
from wnsense.lab.studies.networks.specification import Design, Images, NetworkSpecification, Sampling, TrainingPart
from wnsense.networks.network import Scaling

_RELATIVE_RATES = (0.01, 0.1, 0.5, 1.0, 1.9, 2.5, 4.0, 8.0, 16.0)


def _rate_parts(
    sampling: Sampling, designs: Sequence[Design], seeds: Sequence[int], rates: Sequence[float], steps: int
) -> tuple[TrainingPart, ...]:
    """One batch of all images: a step of SGD is one of gradient descent."""
    n = sampling.train
    return tuple(
        TrainingPart(sampling, design, seed, steps, rate, relative=True, batch=n, probes=n)
        for design, rate, seed in product(designs, rates, seeds)
    )


RATES = NetworkSpecification(
    "networks-rates",
    "Gradient descent at learning rates from 0.01 / beta to 16 / beta, with and without weight normalization",
    "Gradient descent with the step omega / beta, omega below 2, contracts: beta bounds the loss' curvature, and each "
    "step lowers the loss by at least omega (2 - omega) / (2 beta) ||grad L||^2.",
    quick=_rate_parts(
        Sampling(Images.DIGITS, 128, 100),
        (Design(16, 2), Design(16, 2, normalized=False)),
        (0, 1),
        (0.1, 1.0, 1.9, 4.0),
        10,
    ),
    paper=_rate_parts(
        Sampling(Images.MNIST, 512, 500),
        (Design(128, 2), Design(128, 2, normalized=False), Design(128, 2, scaling=Scaling.WIDTH)),
        SEEDS,
        _RELATIVE_RATES,
        40,
    ),
    choices=(
        (
            "all of 512 images of MNIST in one batch, the published size, so that a step is one of gradient descent; "
            "40 steps, width 128, 2 hidden layers, 3 seeds (quick: 128 digits, 10 steps, width 16, 2 seeds)"
        ),
        (
            "beta is the largest eigenvalue of the loss' Hessian at the start, measured, for each start its own: where "
            "curvature grows along training the promise may break"
        ),
        f"{NETWORK}; with WN for s = 1 and s = 1/sqrt(m); {TWIN}; {INPUTS}",
        JPEG,
    ),
)
