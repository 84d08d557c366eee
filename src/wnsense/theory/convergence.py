"""Theorem 3.2 of arXiv 2510.01175: the speed at which weight normalization recovers a low-rank matrix.

The theorem gives every quantity up to a constant that is not published. `EXPONENTS` holds what is published; `constant`
is an argument that the caller must choose, and 1 gives the shape. All statements are for a matrix scaled to
`||A|| = 1`, with `r_A <= m/2`, and hold with high probability over the random start. There are two phases:

- a saddle phase of at most `t_0` steps, in which `Tr(Phi_t Phi_t^T)` grows to `r_A - 0.5`;
- a linear phase, in which the error falls by a constant factor a step.

`Phi_t = U^T X_t`; its singular values are the cosines of the angles between `span(U)` and `span(X_t)`. The step size of
`Theta`, the theorem's other one, is `MAGNITUDE_STEP_SIZE`.

Every function with a `constant` raises `InputError` if that is not positive and finite.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from wnsense.checks import require

MAGNITUDE_STEP_SIZE = 2.0
_INITIAL_ERROR = 3.0
_ALIGNMENT_MARGIN = 0.5


@dataclass(frozen=True)
class TheoremSetting:
    """Variables of the theorem's quantities; real numbers, since the formulas are smooth in them.

    Attributes:
        size: Number of rows `m`; `A` is `m x m`.
        rank: Number of columns `r` of `X`, `r_A < r <= m`.
        true_rank: Rank `r_A` of `A`, from 1 to `m/2`.
        condition: Condition number `kappa = sigma_1 / sigma_{r_A}`, at least 1.

    Raises:
        InputError: If a number is outside the range for which the theorem is stated.
    """

    size: float
    rank: float
    true_rank: float
    condition: float

    def __post_init__(self) -> None:
        """Check that the theorem covers these numbers."""
        for name in ("size", "rank", "true_rank", "condition"):
            require(math.isfinite(getattr(self, name)), f"a finite {name}", getattr(self, name))
        require(1 <= self.true_rank <= self.size / 2, f"a true rank from 1 to m/2 = {self.size / 2:g}", self.true_rank)
        surplus = f"a rank above the true rank {self.true_rank:g} and at most m = {self.size:g}"
        require(self.true_rank < self.rank <= self.size, surplus, self.rank)
        require(self.condition >= 1, "a condition number of at least 1", self.condition)

    @property
    def surplus(self) -> float:
        """Surplus rank `r - r_A`."""
        return self.rank - self.true_rank

    @property
    def ratio(self) -> float:
        """Level of overparameterization `p = r / r_A`."""
        return self.rank / self.true_rank


class Quantity(StrEnum):
    """Quantity that Theorem 3.2 bounds."""

    STEP_SIZE = "step size"
    RIP_LEVEL = "RIP level"
    BURN_IN = "burn-in"
    ALIGNMENT_GROWTH = "alignment growth"
    CONTRACTION = "contraction"
    SAMPLES = "samples"


@dataclass(frozen=True)
class Exponents:
    """Exponents of `kappa^condition m^size r^rank r_A^true_rank (r - r_A)^surplus`, and its slopes on logarithmic axes.

    `r`, `r_A` and `r - r_A` cannot vary alone. Where a study varies a rank, the slope that it measures is therefore not
    one of the exponents.

    Attributes:
        condition: Exponent of `kappa`; also the slope against it.
        size: Exponent of `m`; also the slope against it.
        rank: Exponent of `r`.
        true_rank: Exponent of `r_A`.
        surplus: Exponent of `r - r_A`.
    """

    condition: int
    size: int
    rank: int
    true_rank: int
    surplus: int

    def shape(self, setting: TheoremSetting) -> float:
        """Return the product of powers."""
        at = setting
        powers: float = at.condition**self.condition * at.size**self.size * at.rank**self.rank
        return powers * at.true_rank**self.true_rank * at.surplus**self.surplus

    def slope_in_rank(self, setting: TheoremSetting) -> float:
        """Return the derivative of `log(shape)` by `log r` at fixed `r_A`; `r - r_A` varies with `r`."""
        return self.rank + self.surplus * setting.rank / setting.surplus

    def slope_in_true_rank(self, setting: TheoremSetting) -> float:
        """Return the derivative of `log(shape)` by `log r_A` at fixed `r`."""
        return self.true_rank - self.surplus * setting.true_rank / setting.surplus

    def slope_in_true_rank_at_ratio(self) -> int:
        """Return the derivative of `log(shape)` by `log r_A` at fixed `p = r / r_A`, the same in every setting."""
        return self.rank + self.true_rank + self.surplus


EXPONENTS: Mapping[Quantity, Exponents] = MappingProxyType(
    {
        Quantity.STEP_SIZE: Exponents(condition=-2, size=-2, rank=-2, true_rank=-1, surplus=4),
        Quantity.RIP_LEVEL: Exponents(condition=-2, size=-3, rank=-4, true_rank=-1, surplus=6),
        Quantity.BURN_IN: Exponents(condition=4, size=4, rank=4, true_rank=2, surplus=-8),
        Quantity.ALIGNMENT_GROWTH: Exponents(condition=-4, size=-4, rank=-4, true_rank=-1, surplus=8),
        Quantity.CONTRACTION: Exponents(condition=-4, size=-2, rank=-2, true_rank=-1, surplus=4),
        Quantity.SAMPLES: Exponents(condition=4, size=7, rank=9, true_rank=2, surplus=-12),
    }
)


def step_size(setting: TheoremSetting, *, constant: float) -> float:
    """Return the step size `eta` of `X`, `constant (r - r_A)^4 / (kappa^2 m^2 r^2 r_A)`."""
    return _scaled(Quantity.STEP_SIZE, setting, constant)


def rip_level(setting: TheoremSetting, *, constant: float) -> float:
    """Return the level `delta` of the required RIP, `constant (r - r_A)^6 / (kappa^2 m^3 r^4 r_A)`.

    `M` must have the RIP for matrices up to `rip_rank`.
    """
    return _scaled(Quantity.RIP_LEVEL, setting, constant)


def rip_rank(setting: TheoremSetting) -> float:
    """Return the rank up to which `M` must have the RIP, `r + r_A + 1`."""
    return setting.rank + setting.true_rank + 1


def burn_in(setting: TheoremSetting, *, constant: float) -> float:
    """Return the largest length of the saddle phase, `t_0 = constant kappa^4 m^4 r^4 r_A^2 / (r - r_A)^8` steps."""
    return _scaled(Quantity.BURN_IN, setting, constant)


def alignment_after_burn_in(setting: TheoremSetting) -> float:
    """Return the least `Tr(Phi_t Phi_t^T)` after the saddle phase, `r_A - 0.5`; its largest value is `r_A`."""
    return setting.true_rank - _ALIGNMENT_MARGIN


def alignment_growth(setting: TheoremSetting, *, constant: float) -> float:
    """Return the least growth of `Tr(Phi_t Phi_t^T)` in a step of the saddle phase.

    It is `constant (r - r_A)^8 / (kappa^4 m^4 r^4 r_A)`. With the inverse constant, `r_A` over it is `burn_in`.
    """
    return _scaled(Quantity.ALIGNMENT_GROWTH, setting, constant)


def contraction(setting: TheoremSetting, *, constant: float) -> float:
    """Return the relative fall of `||X_t Theta_t X_t^T - A||_F` in a step of the linear phase.

    It is `constant (r - r_A)^4 / (kappa^4 m^2 r^2 r_A)`, which is `step_size / kappa^2` up to constants. This
    is the rate of gradient descent where the least curvature is `sigma_{r_A}^2`. The constant is the theorem's `c_3`.

    Raises:
        InputError: If the constant is not positive, or so large that the fall is 1 or more.
    """
    part = _scaled(Quantity.CONTRACTION, setting, constant)
    require(part < 1, "a constant at which the error falls by less than all of it a step", constant, "take a smaller")
    return part


def linear_rate(setting: TheoremSetting, *, constant: float) -> float:
    """Return the factor by which the error is multiplied in a step of the linear phase, 1 - `contraction`."""
    return 1 - contraction(setting, constant=constant)


def error_bound(setting: TheoremSetting, steps_after_burn_in: float, *, constant: float) -> float:
    """Return the bound `3 (1 - c_3 ...)^(t - t_0)` on `||X_t Theta_t X_t^T - A||_F`, in units of `||A||`.

    Args:
        setting: The variables.
        steps_after_burn_in: Number of steps `t - t_0`. The theorem does not bound the error before `t_0`.
        constant: Constant `c_3`, not published; 1 gives the shape.

    Raises:
        InputError: If `t < t_0`, or for the reasons of `contraction`.
    """
    require(steps_after_burn_in >= 0, "a step after the burn-in", f"{steps_after_burn_in:g} steps after it")
    # By logarithms: 1 - contraction rounds to 1 for settings of no unusual size.
    return _INITIAL_ERROR * math.exp(steps_after_burn_in * math.log1p(-contraction(setting, constant=constant)))


def steps_to_error(setting: TheoremSetting, error: float, *, constant: float) -> float:
    """Return the number of steps after the burn-in at which `error_bound` has fallen to an error.

    Args:
        setting: The variables.
        error: Value of `||X_t Theta_t X_t^T - A||_F` to be guaranteed, in units of `||A||`, above 0 and at most 3.
        constant: Constant `c_3`, not published; 1 gives the shape.

    Raises:
        InputError: If the error is out of range, or for the reasons of `contraction`.
    """
    require(0 < error <= _INITIAL_ERROR, f"an error above 0 and at most {_INITIAL_ERROR:g}", error)
    return math.log(error / _INITIAL_ERROR) / math.log1p(-contraction(setting, constant=constant))


def gaussian_samples(setting: TheoremSetting, *, constant: float) -> float:
    """Return a sufficient number of Gaussian measurements, `n = constant kappa^4 m^7 r^9 r_A^2 / (r - r_A)^12`.

    It is `m r / rip_level^2`: the number at which Gaussian measurements have the RIP of a rank of about `r`.
    """
    return _scaled(Quantity.SAMPLES, setting, constant)


def burn_in_at_ratio(setting: TheoremSetting, *, constant: float) -> float:
    """Return `t_0` as it is stated for `r = p r_A`, `constant kappa^4 m^4 p^4 / ((p - 1)^8 r_A^2)`."""
    _require_constant(constant)
    at, p = setting, setting.ratio
    return constant * at.condition**4 * at.size**4 * p**4 / ((p - 1) ** 8 * at.true_rank**2)


def linear_rate_at_ratio(setting: TheoremSetting, *, constant: float) -> float:
    """Return the rate as it is stated for `r = p r_A`, `exp(-constant (p - 1)^4 r_A / (kappa^4 m^2 p^2))`.

    It is the larger of the two forms, since `exp(-x) >= 1 - x`.
    """
    _require_constant(constant)
    at, p = setting, setting.ratio
    return math.exp(-constant * (p - 1) ** 4 * at.true_rank / (at.condition**4 * at.size**2 * p**2))


def _scaled(quantity: Quantity, setting: TheoremSetting, constant: float) -> float:
    _require_constant(constant)
    return constant * EXPONENTS[quantity].shape(setting)


def _require_constant(constant: float) -> None:
    require(constant > 0 and math.isfinite(constant), "a positive constant", constant, "1 gives the shape")
