"""Flows on diagonal linear networks with and without weight normalization (after arXiv 2305.05448).

The model is `1/2 ||A x^L - y||^2` with an entrywise power `L >= 2` and `x > 0`; `z = x^L`. A signed network is the same
model with `[A, -A]` and twice as many entries. Plain gradient flow is `x' = -grad`. Weight normalization writes
`x = r u` with `||u|| = 1`:

    r' = -eta_r <u, grad>,    u' = -eta_u r (I - u u^T) grad,

with `eta_r = eta r^p` and `eta_u = 1`. The power `p = 0` makes the rates constant; `eta = 1` with `p = 2` is the pair
`(r^2, 1)`.

- `invariants`: the conserved quantities and the magnification factor `rho`.
- `excess`: bounds on the l1 norm of the limit, and the functions that limits minimize.
- `loss_bounds`: bounds on the loss along the flow, and the rate near the limit.

Formulas here were derived for this library and are checked against runs in its tests. Numbers and NumPy arrays go in
and come out.
"""

from wnsense.theory.diagonal.excess import (
    divergence,
    hypentropy,
    l1_excess_bound,
    l1_excess_form,
    weighted_excess_bound,
    weighted_norm,
)
from wnsense.theory.diagonal.invariants import (
    exponent,
    invariant,
    kernel_component,
    log_magnification,
    log_plain_invariant,
    magnification,
    plain_invariant,
    potential,
    require_depth,
    require_rates,
)
from wnsense.theory.diagonal.loss_bounds import decay_rate, normalized_loss_bound, plain_loss_bound

__all__ = [
    "decay_rate",
    "divergence",
    "exponent",
    "hypentropy",
    "invariant",
    "kernel_component",
    "l1_excess_bound",
    "l1_excess_form",
    "log_magnification",
    "log_plain_invariant",
    "magnification",
    "normalized_loss_bound",
    "plain_invariant",
    "plain_loss_bound",
    "potential",
    "require_depth",
    "require_rates",
    "weighted_excess_bound",
    "weighted_norm",
]
