"""Theorem 3.2 with its step size kept apart, and the law of escape that stands beside it.

The theorem states its burn-in and its rate at its own eta. Divided by what that eta brings along, both are those of a
given eta:

    t_0 = O(kappa^2 m^2 r^2 r_A / (eta (r - r_A)^4)),    rate eta / kappa^2.

With s_0 = (r - r_A)^2 / (m r), what the least squared cosine of a random start is of the order of, they read

    eta = s_0^2 / (kappa^2 r_A),    growth a step = eta s_0^2 / kappa^2,    t_0 = r_A kappa^2 / (eta s_0^2),

so that the theorem counts the growth 2 eta sigma^2 s^2 of an alignment at its least, s = s_0, over all of the phase,
and one eigenvector after the other. What is seen instead: all grow at once, each by s' = 2 eta sigma_i^2 s^2 (1 - s)
(`saddles.escape_steps`), and the last is there after about

    t_0 = kappa^2 (m - r_A + 1) / (2 eta (r - r_A + 1)),

where (r - r_A + 1)/(m - r_A + 1) is the mean of the squared cosine that u_{r_A} has with what is left of span(X_0) when
the others have taken their directions of it: a Beta((r - r_A + 1)/2, (m - r)/2) variable for a Haar-distributed X_0.
"""

from collections.abc import Mapping
from types import MappingProxyType

import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.checks import require, require_size
from wnsense.theory.convergence import Exponents, Quantity, Setting
from wnsense.theory.saddles import escape_steps

# Where an alignment has grown: the theorem's trace lacks 0.5 of r_A then.
_ESCAPED = 0.5

# Times eta^-1 and eta: what is left of `convergence.EXPONENTS` when the theorem's eta is taken out.
EXPONENTS_AT_STEP_SIZE: Mapping[Quantity, Exponents] = MappingProxyType(
    {
        Quantity.BURN_IN: Exponents(condition=2, size=2, rank=2, true_rank=1, surplus=-4),
        Quantity.CONTRACTION: Exponents(condition=-2, size=0, rank=0, true_rank=0, surplus=0),
    }
)


def burn_in_at(setting: Setting, step_size: float, *, constant: float) -> float:
    """The bound on t_0 at a given eta: constant kappa^2 m^2 r^2 r_A / (eta (r - r_A)^4).

    Args:
        setting: m, r, r_A and kappa.
        step_size: eta, positive.
        constant: Not published; 1 gives the shape.

    Raises:
        InputError: When the step size or the constant is not positive.
    """
    _require_positive(step_size, constant)
    return constant * EXPONENTS_AT_STEP_SIZE[Quantity.BURN_IN].shape(setting) / step_size


def contraction_at(setting: Setting, step_size: float, *, constant: float) -> float:
    """By what part the error falls a step at a given eta: constant eta / kappa^2.

    Args:
        setting: m, r, r_A and kappa.
        step_size: eta, positive.
        constant: Not published; 1 gives the shape.

    Raises:
        InputError: When the step size or the constant is not positive.
    """
    _require_positive(step_size, constant)
    return constant * EXPONENTS_AT_STEP_SIZE[Quantity.CONTRACTION].shape(setting) * step_size


def expected_burn_in(setting: Setting, step_size: float) -> float:
    """The law of escape at the mean start, kappa^2 (m - r_A + 1) / (2 eta (r - r_A + 1)); see above.

    Args:
        setting: m, r, r_A and kappa.
        step_size: eta, positive.

    Raises:
        InputError: When the step size is not positive.
    """
    _require_positive(step_size, 1.0)
    mean = (setting.surplus + 1) / (setting.size - setting.true_rank + 1)
    return setting.condition**2 / (2 * step_size * mean)


def sequential_alignments(gram: Float[Tensor, "*batch k k"]) -> Float[Tensor, "*batch k"]:
    """s_i: the squared cosine of u_i with what of span(X) is orthogonal to u_1..u_{i-1} there.

    The squared diagonal of the Cholesky factor of Phi Phi^T: the Schur complements of its leading blocks. Eigenvectors
    of larger eigenvalues are found first, and each takes a direction of span(X).

    Args:
        gram: Phi Phi^T, Phi = U^T X, positive definite.
    """
    factor: Tensor = torch.linalg.cholesky(gram)
    return factor.diagonal(dim1=-2, dim2=-1).square()


def burn_in_of_start(
    gram: Float[Tensor, "*batch k k"], eigenvalues: Float[Tensor, " k"], step_size: float
) -> Float[Tensor, "*batch"]:
    """The law of escape for a given start: the slowest of `saddles.escape_steps` from s_i to 1/2.

    Args:
        gram: Phi Phi^T of the start, positive definite.
        eigenvalues: sigma, (k,), positive and falling, in units of ||A||.
        step_size: eta, positive.

    Raises:
        InputError: When a number is out of its range.
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
