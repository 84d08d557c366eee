"""Specification of the study of Table 1: the method and the start of each row."""

from wnsense.lab.studies.rates.specification import (
    Analysis,
    RateMethod,
    RatePlan,
    RateSetting,
    RateSpecification,
    RateStart,
)

_SMALL = 1e-6
_TINY = 1e-20

_ANALYSES = (
    Analysis(0, RateMethod.GD),
    Analysis(1, RateMethod.GD),
    Analysis(2, RateMethod.UNBALANCED, RateStart.GAUSSIAN),
    Analysis(3, RateMethod.UNBALANCED, RateStart.GAUSSIAN),
    Analysis(4, None, reason="the modified step is not restated here, and not implemented"),
    Analysis(5, RateMethod.GD, noise=1e-3),
    Analysis(6, RateMethod.GD, RateStart.GAUSSIAN, magnitude=_SMALL),
    Analysis(7, RateMethod.SCALED, RateStart.SPECTRAL),
    Analysis(8, RateMethod.PRECONDITIONED, RateStart.SPECTRAL),
    Analysis(9, RateMethod.DAMPED, RateStart.GAUSSIAN, magnitude=_TINY),
    Analysis(10, RateMethod.AGN, RateStart.GAUSSIAN, magnitude=_SMALL),
    Analysis(11, RateMethod.WN),
)
_GRID = (0.5, 0.75, 1.0, 1.5)
_LEVELS = (1e-3, 1e-6, 1e-9)

TABLE_1_STUDY = RateSpecification(
    "table-1",
    "Rates of earlier analyses and of weight normalization, each beside steps that were counted",
    "Where r > r_A, gradient descent on the symmetric factor is sublinear from a random start; weight normalization is "
    "linear.",
    quick=RatePlan(
        (RateSetting(12, 2, 4, 3.0, 1_500),),
        _GRID[:3],
        (101,),
        (0, 1),
        200,
        600,
        _LEVELS,
    ),
    paper=RatePlan(
        (RateSetting(20, 3, 6, 3.0, 4_000), RateSetting(20, 3, 6, 10.0, 4_000)),
        _GRID,
        (101, 102),
        (0, 1, 2),
        600,
        4_000,
        _LEVELS,
    ),
    choices=(
        "one setting for all: m = 20, r_A = 3, n = 4,000 Gaussian measurements, kappa = 3 and 10 (quick: smaller)",
        "r = 6 where an analysis allows for surplus and r = r_A where it does not",
        "eigenvalues are evenly spaced from 1 to 1/kappa; with two factors the same matrix is measured as any matrix",
        "starts: as each analysis has it; Gaussian factors have entries alpha N(0, 1/m)",
        "alpha^2 = 0.1; 1e-6 for a small start, 1e-20 for ScaledGD(lambda), whose error alpha limits",
        "ScaledGD(lambda) has lambda = 0.05, PrecGD lambda = 0.1 ||residual||, WN mu = 2",
        "eta is that of one grid, 0.5 to 1.5, of fewest median steps to 1e-6 over tuning seeds that do not count",
        "where 1e-6 is not reached it is the eta of the least median error; one with which a start diverges is out",
        "a step is an update of all factors: WN and AGN spend four applications on it, the others two",
    ),
    analyses=_ANALYSES,
)
