"""Bounds on weight-normalized deep networks (after arXiv 2409.08935), with the constants that the paper leaves open.

- `stack`: the numbers of a network that the bounds use (`Stack`, `Layer`).
- `bounds`: bounds on the signals, the gradient, the Hessian and the loss.
- `loss_geometry`: restricted strong convexity, smoothness and the contraction of a step.
- `generalization`: Rademacher complexity and the generalization gap.
"""

from wnsense.theory.networks.bounds import (
    PUBLISHED_HESSIAN_EXPONENTS,
    gradient_bound,
    hessian_bound,
    hessian_constant,
    loss_bound,
    signal_bound,
)
from wnsense.theory.networks.generalization import generalization_bound, rademacher_bound, row_gain
from wnsense.theory.networks.loss_geometry import contraction, smoothness, strong_convexity
from wnsense.theory.networks.stack import Layer, Stack, normalized_layer, normalized_stack, plain_layer

__all__ = [
    "PUBLISHED_HESSIAN_EXPONENTS",
    "Layer",
    "Stack",
    "contraction",
    "generalization_bound",
    "gradient_bound",
    "hessian_bound",
    "hessian_constant",
    "loss_bound",
    "normalized_layer",
    "normalized_stack",
    "plain_layer",
    "rademacher_bound",
    "row_gain",
    "signal_bound",
    "smoothness",
    "strong_convexity",
]
