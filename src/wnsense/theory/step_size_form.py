"""Theorem 3.2 at a given step size, and the law of escape for comparison.

The theorem states its burn-in and its rate at its own `eta`. With the factors of that `eta` taken out, the bounds at a
given `eta` are

    t_0 = O(kappa^2 m^2 r^2 r_A / (eta (r - r_A)^4)),    rate eta / kappa^2.

The least squared cosine of a random start is of the order of `s_0 = (r - r_A)^2 / (m r)`. In terms of it,

    eta = s_0^2 / (kappa^2 r_A),    growth a step = eta s_0^2 / kappa^2,    t_0 = r_A kappa^2 / (eta s_0^2).

The theorem thus counts the least growth `2 eta sigma^2 s^2` of an alignment, at `s = s_0`, over the whole phase. It
counts one eigenvector after the other. Runs behave differently: all alignments grow at once, each by
`s' = 2 eta sigma_i^2 s^2 (1 - s)` (`saddles.escape_steps`). The last one arrives after about

    t_0 = kappa^2 (m - r_A + 1) / (2 eta (r - r_A + 1)).

Here `(r - r_A + 1)/(m - r_A + 1)` is the mean squared cosine of `u_{r_A}` with a part of `span(X_0)`: the part that
remains when each other eigenvector has taken a direction. The squared cosine is a `Beta((r - r_A + 1)/2, (m - r)/2)`
variable for a Haar-distributed `X_0`.
"""

from collections.abc import Mapping
from types import MappingProxyType

import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.checks import require, require_size
from wnsense.theory.convergence import Exponents, Quantity, TheoremSetting
from wnsense.theory.saddles import escape_steps

# An alignment has grown when it reaches this: the theorem's trace is then 0.5 below r_A.
_ESCAPED = 0.5

# To be multiplied by eta^-1 and eta: `convergence.EXPONENTS` without the powers of the theorem's eta.
EXPONENTS_AT_STEP_SIZE: Mapping[Quantity, Exponents] = MappingProxyType(
    {
        Quantity.BURN_IN: Exponents(condition=2, size=2, rank=2, true_rank=1, surplus=-4),
        Quantity.CONTRACTION: Exponents(condition=-2, size=0, rank=0, true_rank=0, surplus=0),
    }
)


def burn_in_at(setting: TheoremSetting, step_size: float, *, constant: float) -> float:
    """Return the bound on `t_0` at a given `eta`, `constant kappa^2 m^2 r^2 r_A / (eta (r - r_A)^4)`.

    Args:
        setting: Variables `m`, `r`, `r_A` and `kappa`.
        step_size: Step size `eta`, positive.
        constant: Positive constant, not published; 1 gives the shape.

    Raises:
        InputError: If the step size or the constant is not positive.
    """
    _require_positive(step_size, constant)
    return constant * EXPONENTS_AT_STEP_SIZE[Quantity.BURN_IN].shape(setting) / step_size


def contraction_at(setting: TheoremSetting, step_size: float, *, constant: float) -> float:
    """Return the relative fall of the error in a step at a given `eta`, `constant eta / kappa^2`.

    The arguments and errors are those of `burn_in_at`.
    """
    _require_positive(step_size, constant)
    return constant * EXPONENTS_AT_STEP_SIZE[Quantity.CONTRACTION].shape(setting) * step_size


def expected_burn_in(setting: TheoremSetting, step_size: float) -> float:
    """Return the burn-in by the law of escape at the mean start, `kappa^2 (m - r_A + 1) / (2 eta (r - r_A + 1))`.

    Args:
        setting: Variables `m`, `r`, `r_A` and `kappa`.
        step_size: Step size `eta`, positive.

    Raises:
        InputError: If the step size is not positive.
    """
    _require_positive(step_size, 1.0)
    mean = (setting.surplus + 1) / (setting.size - setting.true_rank + 1)
    return setting.condition**2 / (2 * step_size * mean)


def sequential_alignments(gram: Float[Tensor, "*batch k k"]) -> Float[Tensor, "*batch k"]:
    """Return each `s_i`, the squared cosine of `u_i` with the part of `span(X)` that `u_1..u_{i-1}` leave.

    That part is orthogonal to the directions that `u_1..u_{i-1}` have in `span(X)`. The values are the squared diagonal
    of the Cholesky factor of `Phi Phi^T`: the Schur complements of its leading blocks. Eigenvectors of larger
    eigenvalues are found first, and each takes a direction of `span(X)`.

    Args:
        gram: Matrix `Phi Phi^T` with `Phi = U^T X`, positive definite.
    """
    factor: Tensor = torch.linalg.cholesky(gram)
    return factor.diagonal(dim1=-2, dim2=-1).square()


def burn_in_of_start(
    gram: Float[Tensor, "*batch k k"], eigenvalues: Float[Tensor, " k"], step_size: float
) -> Float[Tensor, "*batch"]:
    """Return the burn-in by the law of escape for a given start: the largest `saddles.escape_steps` from `s_i` to 1/2.

    Args:
        gram: Matrix `Phi Phi^T` of the start, positive definite.
        eigenvalues: Eigenvalues `sigma`, (k,), positive and falling, in units of `||A||`.
        step_size: Step size `eta`, positive.

    Raises:
        InputError: If a number is out of its range.
    """
    require_size("the eigenvalues", eigenvalues.shape, gram.shape[-1:])
    starts = sequential_alignments(gram).clamp(max=_ESCAPED).reshape(-1, gram.shape[-1]).tolist()
    sigma = eigenvalues.tolist()
    slowest = [
        max(escape_steps(s, _ESCAPED, value, step_size=step_size) for s, value in zip(row, sigma, strict=True))
        for row in starts
    ]
    return gram.new_tensor(slowest).reshape(gram.shape[:-2])


def _require_positive(step_size: float, constant: float) -> None:
    require(step_size > 0, "a positive step size", step_size)
    require(constant > 0, "a positive constant", constant, "1 gives the shape")
