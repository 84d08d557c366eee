"""Values of the study of training; the source gives batch, rate, loss and start, all else is ours."""

from itertools import product

from wnsense.lab.studies.networks.shared_settings import INPUTS, JPEG, NETWORK, TWIN
from wnsense.lab.studies.networks.specification import Design, Images, NetworkSpecification, Sampling, TrainingPart

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
            f"{NETWORK}; s = 1, torch's weight_norm with g = 1, since with s = 1/sqrt(m) a loss that begins at 0.1 "
            "moves by 1e-4 of itself at this rate"
        ),
        TWIN,
        INPUTS,
        (
            "ratio, curvature and alpha on 128 training images (quick: 256), alpha with kappa_c = 0.5 and R = 0.1, and "
            "||grad f||, ||grad^2 f|| measured for 2 of them in place of bounds"
        ),
        JPEG,
    ),
)
