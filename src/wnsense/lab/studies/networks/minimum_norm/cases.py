"""Values of the study of row lengths."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

from wnsense.lab.studies.networks.shared_settings import INPUTS, JPEG, NETWORK, SEEDS
from wnsense.lab.studies.networks.specification import Design, Images, NetworkSpecification, Sampling, TrainingPart

_LENGTHS = (0.25, 0.5, 1.0, 2.0, 4.0)
# No powers of 2, which multiply without rounding.
_FACTORS = (0.3, 1.0, 3.0)


def _length_parts(
    sampling: Sampling, design: Design, seeds: Sequence[int], *, epochs: int, batch: int, rate: float
) -> tuple[TrainingPart, ...]:
    centre = TrainingPart(sampling, design, 0, epochs, rate, batch=batch, probes=128)
    starts = [replace(centre, row_norm=length) for length in _LENGTHS]
    midway = [replace(centre, row_norm=1.0, rescale_at=epochs // 2, rescale_by=factor) for factor in _FACTORS]
    return tuple(replace(part, seed=seed) for part, seed in product((*starts, *midway), seeds))


MINIMUM_NORM = NetworkSpecification(
    "networks-minimum-norm",
    "The length of rows, set at the start and changed midway, which leaves the function alone",
    "Scaling a row by c leaves f and divides its gradient by c; curvature is bounded by 1 / min(W_min, W_min^2), so "
    "that a large minimum weight norm helps restricted strong convexity.",
    quick=_length_parts(Sampling(Images.DIGITS, 256, 200), Design(16, 2), (0, 1), epochs=4, batch=64, rate=0.05),
    paper=_length_parts(Sampling(Images.MNIST, 8000, 2000), Design(128, 2), SEEDS, epochs=12, batch=512, rate=0.05),
    choices=(
        (
            "rows of length 0.25 to 4 set at the start, the same f for all; rows of length 1 times 0.3, 1 and 3 after "
            "half of the epochs"
        ),
        (
            "width 128, 2 hidden layers, 8,000 images of MNIST, 12 epochs of SGD at rate 0.05, batch 512, 3 seeds "
            "(quick: width 16, 256 digits, batch 64, 4 epochs, 2 seeds); the published 0.001 moves too little to tell "
            "rows apart"
        ),
        f"{NETWORK}, s = 1; {INPUTS}",
        JPEG,
    ),
)
