"""The studies of deep networks, with their sizes; the source gives batch, rate, loss and start, all else is ours."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product

from wnsense.lab.studies.networks.specification import (
    CurvaturePart,
    Design,
    Images,
    KinkPart,
    NetworkSpecification,
    Part,
    Sampling,
    TrainingPart,
)
from wnsense.networks.data.labelled_images import Inputs
from wnsense.networks.network import Scaling

_JPEG = (
    "the stored CIFAR-10 is a part of it, 10,000 training and 2,000 test images decoded from JPEG copies, so that "
    "pixels differ slightly from the release; MNIST is its test file alone, 8,000 to train on and 2,000 to test on"
)
_INPUTS = "inputs are standardized by the mean and the deviation of all training pixels"
_TWIN = "without WN: the same parameters W at the start, and the same s, without the division"
_NETWORK = "10 outputs for one-hot labels, tanh, no biases, V free, ||v_0|| = 1 for each output"

_TRAINING_WIDTHS = (64, 256, 1024)

TRAINING = NetworkSpecification(
    "networks-training",
    "Weight-normalized networks trained as published: loss, gradient-to-loss ratio, shortest row",
    "Restricted strong convexity, and with it linear convergence, holds where ||grad L||^2 / L is large against "
    "curvature, which width and long rows help; loss, ratio and minimum weight norm are plotted along training. Rows "
    "never shrink under gradient descent.",
    quick=tuple(
        TrainingPart(Sampling(Images.DIGITS, 256, 200), Design(width, 2, normalized=normalized), seed, 4, batch=64)
        for width, normalized, seed in product((8, 16, 32), (True, False), (0, 1))
    ),
    paper=tuple(
        TrainingPart(Sampling(images, 8000, 2000), Design(width, 3, normalized=normalized), seed, 20, probes=128)
        for images, width, normalized, seed in product(
            (Images.MNIST, Images.CIFAR), _TRAINING_WIDTHS, (True, False), (0, 1, 2)
        )
    ),
    choices=(
        "published: plain SGD, batch 512, rate 0.001, mean squared loss, uniform start, MNIST and CIFAR-10",
        (
            "smaller than published: 8,000 training images, 20 epochs (320 steps), 3 hidden layers, 3 seeds; widths 64 "
            "to 1,024 (quick: 256 digits of 8 x 8, batch 64, 4 epochs, widths 8 to 32, 2 layers, 2 seeds)"
        ),
        (
            f"{_NETWORK}; s = 1, torch's weight_norm with g = 1, since with s = 1/sqrt(m) a loss that begins at 0.1 "
            "moves by 1e-4 of itself at this rate"
        ),
        _TWIN,
        _INPUTS,
        (
            "ratio, curvature and alpha on 128 training images (quick: 256), alpha with kappa_c = 0.5 and R = 0.1, and "
            "||grad f||, ||grad^2 f|| measured for 2 of them in place of bounds"
        ),
        _JPEG,
    ),
)

_SEEDS = (0, 1, 2)
_UNIT = Sampling(Images.MNIST, 256, 100, Inputs.UNIT)
_SMALL_UNIT = Sampling(Images.DIGITS, 64, 100, Inputs.UNIT)
_BOTH = (Scaling.ONE, Scaling.WIDTH)


def _curvature_parts(
    sampling: Sampling, centre: Design, seeds: Sequence[int], sweeps: Sequence[Sequence[float]]
) -> tuple[Part, ...]:
    """Widths, depths and row lengths, each with the others at the centre; a network of two sweeps is measured once."""
    widths, depths, lengths = sweeps
    designs: list[Design] = []
    for scaling, normalized in product(_BOTH, (True, False)):
        at = replace(centre, scaling=scaling, normalized=normalized)
        designs += [replace(at, width=int(width)) for width in widths]
        designs += [replace(at, depth=int(depth)) for depth in depths]
        if normalized:
            designs += [replace(at, row_norm=length) for length in lengths]
        if scaling is Scaling.ONE:
            designs += [replace(at, depth=int(depth), row_norm=2.0) for depth in depths]
    return tuple(CurvaturePart(sampling, design, seed) for design, seed in product(dict.fromkeys(designs), seeds))


CURVATURE = NetworkSpecification(
    "networks-curvature",
    "Hessians of outputs and of the loss at the start, against width, depth and the length of rows",
    "||grad^2 f|| <= c_H / sqrt(m) with c_H = O(L^3 / min(W_min, W_min^2)): no exponential in depth under weight "
    "normalization, and curvature that falls with width.",
    quick=_curvature_parts(_SMALL_UNIT, Design(24, 2), (0, 1), ((8, 24, 48, 96), (1, 2, 4), (0.5, 1.0, 2.0, 4.0))),
    paper=_curvature_parts(
        _UNIT,
        Design(256, 2),
        _SEEDS,
        ((64, 256, 1024, 4096), (1, 2, 4, 8, 16), (0.25, 0.5, 1.0, 2.0, 4.0)),
    ),
    choices=(
        (
            "widths 64 to 4,096 at 2 hidden layers, depths 1 to 16 and rows of length 0.25 to 4 at width 256, "
            "rows of length 1/sqrt(3) (torch's start) elsewhere, 3 seeds (quick: widths to 96, depths to 4, digits, 2 "
            "seeds)"
        ),
        (
            "||grad^2 f|| is the mean over 2 images, one output each; the loss is that of 32 images; "
            "inputs of norm 1; single precision, double for s = 1/sqrt(m) beyond 2 layers"
        ),
        f"{_NETWORK}; both s = 1, torch's, and s = 1/sqrt(m), which theory asks for; {_TWIN}",
        "depths also with rows of length 2 and s = 1, where networks without WN let signals grow",
        (
            "powers by least squares of logarithms for each seed, Student's 95% intervals over seeds; a published "
            "power is that of an upper bound: it is broken where the interval lies above it"
        ),
        _JPEG,
    ),
)


def _trained_at(
    sampling: Sampling, seeds: Sequence[int], widths: Sequence[int], depths: Sequence[int], *, at: Design, epochs: int
) -> tuple[Part, ...]:
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
        f"{_NETWORK}; {_TWIN}; {_INPUTS}",
        _JPEG,
    ),
)

_LENGTHS = (0.25, 0.5, 1.0, 2.0, 4.0)
# No powers of 2, which multiply without rounding.
_FACTORS = (0.3, 1.0, 3.0)


def _length_parts(
    sampling: Sampling, design: Design, seeds: Sequence[int], *, epochs: int, batch: int, rate: float
) -> tuple[Part, ...]:
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
    paper=_length_parts(Sampling(Images.MNIST, 8000, 2000), Design(128, 2), _SEEDS, epochs=12, batch=512, rate=0.05),
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
        f"{_NETWORK}, s = 1; {_INPUTS}",
        _JPEG,
    ),
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
    quick=_activation_parts(Sampling(Images.DIGITS, 256, 200), _SMALL_UNIT, Design(16, 2), (0, 1), epochs=4, batch=64),
    paper=_activation_parts(Sampling(Images.MNIST, 8000, 2000), _UNIT, Design(128, 2), _SEEDS, epochs=15, batch=512),
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
        f"{_NETWORK} but for the activation, s = 1; {_INPUTS} in training",
        _JPEG,
    ),
)

_RELATIVE_RATES = (0.01, 0.1, 0.5, 1.0, 1.9, 2.5, 4.0, 8.0, 16.0)


def _rate_parts(
    sampling: Sampling, designs: Sequence[Design], seeds: Sequence[int], rates: Sequence[float], steps: int
) -> tuple[Part, ...]:
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
        _SEEDS,
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
        f"{_NETWORK}; with WN for s = 1 and s = 1/sqrt(m); {_TWIN}; {_INPUTS}",
        _JPEG,
    ),
)

NETWORK_STUDIES: Mapping[str, NetworkSpecification] = {
    study.name: study for study in (TRAINING, CURVATURE, GENERALIZATION, MINIMUM_NORM, ACTIVATIONS_STUDY, RATES)
}
