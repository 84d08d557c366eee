"""Theorem 3.2 of arXiv 2510.01175: how fast weight normalization recovers a low-rank matrix from measurements.

The theorem gives every quantity up to a constant that is not published: `EXPONENTS` holds what is published, and a
constant is an argument that a caller must choose; 1 gives the shape. All of it is for a matrix scaled to ||A|| = 1,
r_A <= m/2, and holds with high probability over the random start, in two phases: a saddle phase of at most t_0 steps,
in which Tr(Phi_t Phi_t^T) climbs to r_A - 0.5, and a linear phase. Phi_t = U^T X_t, whose singular values are the
cosines of the angles between span(U) and span(X_t). The theorem's other step size, of Theta, is `MAGNITUDE_STEP_SIZE`.
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
class Setting:
    """What the theorem's quantities depend on; real numbers, since the formulas are smooth in them.

    Attributes:
        size: m; A is m x m.
        rank: r, the columns of X, with r_A < r <= m.
        true_rank: r_A, at least 1 and at most m/2.
        condition: kappa = sigma_1 / sigma_{r_A}, at least 1.

    Raises:
        InputError: When a number is outside the range for which the theorem is stated.
    """

    size: float
    rank: float
    true_rank: float
    condition: float

    def __post_init__(self) -> None:
        """Check that the theorem speaks of this setting."""
        for name in ("size", "rank", "true_rank", "condition"):
            require(math.isfinite(getattr(self, name)), f"a finite {name}", getattr(self, name))
        require(1 <= self.true_rank <= self.size / 2, f"a true rank from 1 to m/2 = {self.size / 2:g}", self.true_rank)
        surplus = f"a rank above the true rank {self.true_rank:g} and at most m = {self.size:g}"
        require(self.true_rank < self.rank <= self.size, surplus, self.rank)
        require(self.condition >= 1, "a condition number of at least 1", self.condition)

    @property
    def surplus(self) -> float:
        """How far the rank is above the true one, r - r_A."""
        return self.rank - self.true_rank

    @property
    def ratio(self) -> float:
        """The level of overparameterization, p = r / r_A."""
        return self.rank / self.true_rank


class Quantity(StrEnum):
    """What Theorem 3.2 bounds."""

    STEP_SIZE = "step size"
    RIP_LEVEL = "RIP level"
    BURN_IN = "burn-in"
    ALIGNMENT_GROWTH = "alignment growth"
    CONTRACTION = "contraction"
    SAMPLES = "samples"


@dataclass(frozen=True)
class Exponents:
    """kappa^condition m^size r^rank r_A^true_rank (r - r_A)^surplus, and what slopes it has on logarithmic axes.

    r, r_A and r - r_A do not vary alone, so that the slope that a study measures is not one of the exponents where it
    varies a rank.

    Attributes:
        condition: The exponent of kappa, also the slope against it.
        size: The exponent of m, also the slope against it.
        rank: The exponent of r.
        true_rank: The exponent of r_A.
        surplus: The exponent of r - r_A.
    """

    condition: int
    size: int
    rank: int
    true_rank: int
    surplus: int

    def shape(self, setting: Setting) -> float:
        """The product of powers."""
        at = setting
        powers: float = at.condition**self.condition * at.size**self.size * at.rank**self.rank
        return powers * at.true_rank**self.true_rank * at.surplus**self.surplus

    def slope_in_rank(self, setting: Setting) -> float:
        """The derivative of log(shape) by log r with r_A held; r varies r - r_A too, by r / (r - r_A) of its own."""
        return self.rank + self.surplus * setting.rank / setting.surplus

    def slope_in_true_rank(self, setting: Setting) -> float:
        """The derivative of log(shape) by log r_A with r held."""
        return self.true_rank - self.surplus * setting.true_rank / setting.surplus

    def slope_in_true_rank_at_ratio(self) -> int:
        """The derivative of log(shape) by log r_A with p = r / r_A held: the same everywhere."""
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


def step_size(setting: Setting, *, constant: float) -> float:
    """eta, the step of X: constant (r - r_A)^4 / (kappa^2 m^2 r^2 r_A).

    Args:
        setting: m, r, r_A and kappa.
        constant: Not published; 1 gives the shape.

    Raises:
        InputError: When the constant is not positive.
    """
    return _scaled(Quantity.STEP_SIZE, setting, constant)


def rip_level(setting: Setting, *, constant: float) -> float:
    """The delta of the RIP that is asked of M up to `rip_rank`: constant (r - r_A)^6 / (kappa^2 m^3 r^4 r_A).

    Args:
        setting: m, r, r_A and kappa.
        constant: Not published; 1 gives the shape.

    Raises:
        InputError: When the constant is not positive.
    """
    return _scaled(Quantity.RIP_LEVEL, setting, constant)


def rip_rank(setting: Setting) -> float:
    """The rank up to which M must keep norms, r + r_A + 1."""
    return setting.rank + setting.true_rank + 1


def burn_in(setting: Setting, *, constant: float) -> float:
    """t_0, the most steps of the saddle phase: constant kappa^4 m^4 r^4 r_A^2 / (r - r_A)^8.

    Args:
        setting: m, r, r_A and kappa.
        constant: Not published; 1 gives the shape.

    Raises:
        InputError: When the constant is not positive.
    """
    return _scaled(Quantity.BURN_IN, setting, constant)


def alignment_after_burn_in(setting: Setting) -> float:
    """r_A - 0.5, which Tr(Phi_t Phi_t^T) has reached when the saddle phase is over; r_A is the most it can be."""
    return setting.true_rank - _ALIGNMENT_MARGIN


def alignment_growth(setting: Setting, *, constant: float) -> float:
    """The least growth of Tr(Phi_t Phi_t^T) a step of the saddle phase.

    constant (r - r_A)^8 / (kappa^4 m^4 r^4 r_A). With the same constant inverted, r_A over this is `burn_in`.

    Args:
        setting: m, r, r_A and kappa.
        constant: Not published; 1 gives the shape.

    Raises:
        InputError: When the constant is not positive.
    """
    return _scaled(Quantity.ALIGNMENT_GROWTH, setting, constant)


def contraction(setting: Setting, *, constant: float) -> float:
    """By what part ||X_t Theta_t X_t^T - A||_F falls a step of the linear phase.

    constant (r - r_A)^4 / (kappa^4 m^2 r^2 r_A), which is `step_size` / kappa^2 up to constants: the rate is that of
    gradient descent where the least curvature is sigma_{r_A}^2.

    Args:
        setting: m, r, r_A and kappa.
        constant: c_3, not published; 1 gives the shape.

    Raises:
        InputError: When the constant is not positive, or so large that nothing would be left after one step.
    """
    part = _scaled(Quantity.CONTRACTION, setting, constant)
    require(part < 1, "a constant at which the error falls by less than all of it a step", constant, "take a smaller")
    return part


def linear_rate(setting: Setting, *, constant: float) -> float:
    """1 - `contraction`, the factor by which the error falls a step; the arguments are the same."""
    return 1 - contraction(setting, constant=constant)


def error_bound(setting: Setting, steps_after_burn_in: float, *, constant: float) -> float:
    """The bound on ||X_t Theta_t X_t^T - A||_F, in units of ||A||: 3 (1 - c_3 ...)^(t - t_0).

    Args:
        setting: m, r, r_A and kappa.
        steps_after_burn_in: t - t_0. The theorem says nothing of the error before.
        constant: c_3, not published; 1 gives the shape.

    Raises:
        InputError: When t < t_0 or the constant does not fit.
    """
    require(steps_after_burn_in >= 0, "a step after the burn-in", f"{steps_after_burn_in:g} steps after it")
    # By logarithms: 1 - contraction rounds to 1 for settings of no unusual size.
    return _INITIAL_ERROR * math.exp(steps_after_burn_in * math.log1p(-contraction(setting, constant=constant)))


def steps_to_error(setting: Setting, error: float, *, constant: float) -> float:
    """After how many steps beyond the burn-in `error_bound` is down to an error.

    Args:
        setting: m, r, r_A and kappa.
        error: ||X_t Theta_t X_t^T - A||_F to be guaranteed, in units of ||A||, above 0 and at most 3.
        constant: c_3, not published; 1 gives the shape.

    Raises:
        InputError: When the error is out of range or the constant does not fit.
    """
    require(0 < error <= _INITIAL_ERROR, f"an error above 0 and at most {_INITIAL_ERROR:g}", error)
    return math.log(error / _INITIAL_ERROR) / math.log1p(-contraction(setting, constant=constant))


def gaussian_samples(setting: Setting, *, constant: float) -> float:
    """n, so many Gaussian measurements suffice: constant kappa^4 m^7 r^9 r_A^2 / (r - r_A)^12.

    It is m r / `rip_level`^2, what Gaussian measurements need for the RIP of rank about r.

    Args:
        setting: m, r, r_A and kappa.
        constant: Not published; 1 gives the shape.

    Raises:
        InputError: When the constant is not positive.
    """
    return _scaled(Quantity.SAMPLES, setting, constant)


def burn_in_at_ratio(setting: Setting, *, constant: float) -> float:
    """t_0 as it is stated for r = p r_A: constant kappa^4 m^4 p^4 / ((p - 1)^8 r_A^2).

    Args:
        setting: m, r, r_A and kappa.
        constant: Not published; 1 gives the shape.

    Raises:
        InputError: When the constant is not positive.
    """
    _require_constant(constant)
    at, p = setting, setting.ratio
    return constant * at.condition**4 * at.size**4 * p**4 / ((p - 1) ** 8 * at.true_rank**2)


def linear_rate_at_ratio(setting: Setting, *, constant: float) -> float:
    """The rate as it is stated for r = p r_A: exp(-constant (p - 1)^4 r_A / (kappa^4 m^2 p^2)).

    It is the larger of the two forms, exp(-x) >= 1 - x.

    Args:
        setting: m, r, r_A and kappa.
        constant: Not published; 1 gives the shape.

    Raises:
        InputError: When the constant is not positive.
    """
    _require_constant(constant)
    at, p = setting, setting.ratio
    return math.exp(-constant * (p - 1) ** 4 * at.true_rank / (at.condition**4 * at.size**2 * p**2))


def _scaled(quantity: Quantity, setting: Setting, constant: float) -> float:
    _require_constant(constant)
    return constant * EXPONENTS[quantity].shape(setting)


def _require_constant(constant: float) -> None:
    require(constant > 0 and math.isfinite(constant), "a positive constant", constant, "1 gives the shape")
