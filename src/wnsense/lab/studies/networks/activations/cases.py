"""Values of the study of activations."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

from wnsense.lab.studies.networks.shared_settings import INPUTS, JPEG, NETWORK, SEEDS, SMALL_UNIT, UNIT
from wnsense.lab.studies.networks.specification import (
    Design,
    Images,
    KinkPart,
    NetworkSpecification,
    Part,
    Sampling,
    TrainingPart,
)

_ACTIVATIONS = ("tanh", "gelu", "relu", "leaky_relu")


def _activation_parts(
    sampling: Sampling, unit: Sampling, design: Design, seeds: Sequence[int], *, epochs: int, batch: int
) -> tuple[Part, ...]:
    distances = tuple(float(f"{10 ** (-4 + 0.25 * place):.3g}") for place in range(16))
    trainings = [
        TrainingPart(sampling, replace(design, activation=name), seed, epochs, 0.01, batch=batch, probes=128)
        for name, seed in product(_ACTIVATIONS, seeds)
    ]
    kinks = [
        KinkPart(unit, replace(design, activation=name), seed, 16, distances)
        for name, seed in product(_ACTIVATIONS, seeds)
    ]
    return (*trainings, *kinks)


ACTIVATIONS_STUDY = NetworkSpecification(
    "networks-activations",
    "ReLU, leaky ReLU, GELU and tanh beside theory for smooth activations",
    "Theory asks for a smooth phi with phi(0) = 0 and bounded slopes: then gradient and Hessian are bounded; of ReLU "
    "nothing is said that takes second derivatives.",
    quick=_activation_parts(Sampling(Images.DIGITS, 256, 200), SMALL_UNIT, Design(16, 2), (0, 1), epochs=4, batch=64),
    paper=_activation_parts(Sampling(Images.MNIST, 8000, 2000), UNIT, Design(128, 2), SEEDS, epochs=15, batch=512),
    choices=(
        (
            "width 128, 2 hidden layers, 8,000 images of MNIST, 15 epochs of SGD at rate 0.01, batch 512, 3 seeds "
            "(quick: width 16, 256 digits, batch 64, 4 epochs, 2 seeds)"
        ),
        "leaky ReLU has slope 0.01 below 0; for slopes ell above 1 (GELU, 1.129) bounds have a factor ell^L",
        (
            "second differences of one output in double precision, for 16 inputs of norm 1, along the direction of the "
            "first layer's parameters that turns the unit nearest to 0, both ways"
        ),
        f"{NETWORK} but for the activation, s = 1; {INPUTS} in training",
        JPEG,
    ),
)
