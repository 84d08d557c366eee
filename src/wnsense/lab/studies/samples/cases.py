"""Values of the study of sample sizes: grids that vary one variable of the bound around a base case."""

from collections.abc import Sequence
from dataclasses import replace

from wnsense.lab.studies.samples.specification import (
    Effort,
    IsometrySearch,
    Recoverer,
    SampleCase,
    SamplePlan,
    SampleSpecification,
    SampleSweep,
)
from wnsense.lab.studies.theorem_cases import Varied

_BOTH = tuple(Recoverer)


def _sizes(base: SampleCase, values: Sequence[int]) -> SampleSweep:
    return SampleSweep(Varied.SIZE, tuple(replace(base, size=value) for value in values), _BOTH)


def _ranks(base: SampleCase, values: Sequence[int]) -> SampleSweep:
    return SampleSweep(Varied.RANK, tuple(replace(base, rank=value) for value in values), (Recoverer.WN,))


def _true_ranks(base: SampleCase, values: Sequence[int]) -> SampleSweep:
    return SampleSweep(Varied.TRUE_RANK, tuple(replace(base, true_rank=value) for value in values), (Recoverer.WN,))


_QUICK = SampleCase(size=10, rank=4, true_rank=2, condition=2.0)
_BASE = SampleCase(size=12, rank=5, true_rank=2, condition=1.5)
# Setting of figure 2a of the paper, whose `n` is 60,000.
_FIGURE_2A = SampleCase(size=10, rank=5, true_rank=3, condition=50.0)

SAMPLES_STUDY = SampleSpecification(
    "samples",
    "The smallest number of measurements that recovers",
    "n = O(kappa^4 m^7 r^9 r_A^2/(r-r_A)^12) Gaussian measurements suffice, through an RIP of level "
    "delta = O((r-r_A)^6/(kappa^2 m^3 r^4 r_A)) up to rank r + r_A + 1; constants are not published.",
    quick=SamplePlan(
        (_sizes(_QUICK, (8, 10, 12)),),
        seeds=2,
        effort=Effort(1.4, 0.5, 200, 1e-5),
        isometry=tuple(IsometrySearch(_QUICK, count, 0, 5) for count in (100, 1_000)),
    ),
    paper=SamplePlan(
        (
            _sizes(_BASE, (8, 12, 17)),
            _ranks(_BASE, (3, 5, 8)),
            _true_ranks(_BASE, (2, 3, 4)),
        ),
        seeds=3,
        effort=Effort(1.15, 0.5, 400, 1e-6),
        isometry=(
            *(IsometrySearch(_BASE, count, 0, 50) for count in (60, 1_000, 60_000)),
            IsometrySearch(_FIGURE_2A, 60_000, 0, 50),
        ),
    ),
    choices=(
        "base case and grids; eigenvalues are evenly spaced from 1 to 1/kappa",
        "counts tried, by bisection: the information limit times powers of 1.15 (quick: 1.4), which is the precision",
        "a seed has one smallest count, with its own truth, rows and start",
        "recover() is run along m alone",
        "recovered: a relative error of at most 1e-6 (quick: 1e-5); recover() must also say CONVERGED",
        "Algorithm 1: eta = 0.5, mu = 2, at most 400 kappa^2 steps (quick: 200 kappa^2)",
        "what is seen of the RIP is a lower bound on delta, by samples and a search",
    ),
)
