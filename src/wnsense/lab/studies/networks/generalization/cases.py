"""Values of the study of generalization."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

from wnsense.lab.studies.networks.shared_settings import INPUTS, JPEG, NETWORK, TWIN
from wnsense.lab.studies.networks.specification import Design, Images, NetworkSpecification, Sampling, TrainingPart
from wnsense.networks.network import Scaling


def _trained_at(
    sampling: Sampling, seeds: Sequence[int], widths: Sequence[int], depths: Sequence[int], *, at: Design, epochs: int
) -> tuple[TrainingPart, ...]:
    """Widths at the centre's depth and depths at its width, of three kinds, at the rate 1 / beta."""
    kinds = (
        replace(at, scaling=Scaling.ONE, normalized=True),
        replace(at, scaling=Scaling.ONE, normalized=False),
        replace(at, scaling=Scaling.WIDTH, normalized=True),
    )
    designs = [
        design
        for kind in kinds
        for design in (
            *(replace(kind, width=width) for width in widths),
            *(replace(kind, depth=depth) for depth in depths),
        )
    ]
    return tuple(
        TrainingPart(sampling, design, seed, epochs, 1.0, relative=True, batch=64, probes=128)
        for design, seed in product(dict.fromkeys(designs), seeds)
    )


GENERALIZATION = NetworkSpecification(
    "networks-generalization",
    "The generalization gap against width and depth, with and without weight normalization, beside Rademacher bounds",
    "With weight normalization the Rademacher complexity is O(sqrt(L / n)), independent of the width and without an "
    "exponential in depth; without it the bound is exponential in depth.",
    quick=_trained_at(Sampling(Images.DIGITS, 256, 300), (0, 1), (8, 16, 32), (1, 2, 3), at=Design(16, 2), epochs=6),
    paper=_trained_at(
        Sampling(Images.MNIST, 4096, 2000), range(5), (16, 64, 256, 1024), (1, 2, 4, 8), at=Design(128, 2), epochs=20
    ),
    choices=(
        (
            "4,096 training and 2,000 test images of MNIST, 20 epochs of SGD, batch 64, 5 seeds (quick: 256 digits, 6 "
            "epochs, 2 seeds); at the published rate and batch nothing is fitted, and there is no gap to see"
        ),
        (
            "the learning rate is 1 / beta, beta the largest eigenvalue of the loss' Hessian at the start: one rule "
            "for all widths, depths and scalings; what diverges by it is said"
        ),
        "bounds are those of the class that the trained network's own norms make, for the longest training input",
        f"{NETWORK}; {TWIN}; {INPUTS}",
        JPEG,
    ),
)
