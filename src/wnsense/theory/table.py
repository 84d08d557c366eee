"""Rates of earlier analyses beside that of weight normalization, after Table 1 of arXiv 2510.01175, as data.

It is put together from what the sources state of themselves and is not a copy of the printed table. A field is None
where the source's statement is not certain here; the note says what is.
"""

from dataclasses import dataclass
from enum import StrEnum


class Model(StrEnum):
    """Which factors are fitted."""

    SYMMETRIC = "Y Y^T"
    RECTANGULAR = "L R^T"
    WEIGHT_NORMALIZED = "X Theta X^T"


class Decay(StrEnum):
    """How the error falls with the number of steps."""

    LINEAR = "linear"
    SUBLINEAR = "sublinear"


@dataclass(frozen=True)
class Rate:
    """One analysis.

    Attributes:
        method: What is analyzed.
        model: Which factors are fitted.
        overparameterized: Whether r > r_A is covered; False where r = r_A is asked for.
        decay: Linear or sublinear; None where not certain.
        rate: The error after T steps, or the steps to an error epsilon, as stated; None where not certain.
        is_lower_bound: Whether the rate is the best that is possible, and not one that is guaranteed.
        arxiv: The source's number; None where not certain.
        source: Authors and year.
        note: What else must be known to compare.
    """

    method: str
    model: Model
    overparameterized: bool
    decay: Decay | None
    rate: str | None
    is_lower_bound: bool
    arxiv: str | None
    source: str
    note: str


_XIONG = "Xiong, Ding, Du, 2023"

TABLE_1: tuple[Rate, ...] = (
    Rate(
        "gradient descent",
        Model.SYMMETRIC,
        overparameterized=False,
        decay=Decay.LINEAR,
        rate="exp(-Omega(T))",
        is_lower_bound=False,
        arxiv="2310.01769",
        source=_XIONG,
        note="Named there as what is known of the exact rank; how it hangs on kappa is not restated here.",
    ),
    Rate(
        "gradient descent",
        Model.SYMMETRIC,
        overparameterized=True,
        decay=Decay.SUBLINEAR,
        rate="Omega(1/T^2)",
        is_lower_bound=True,
        arxiv="2310.01769",
        source=_XIONG,
        note="Random start. On the squared Frobenius error, by the derivation in wnsense.theory.gradient_descent.",
    ),
    Rate(
        "gradient descent",
        Model.RECTANGULAR,
        overparameterized=False,
        decay=Decay.LINEAR,
        rate="exp(-Omega(T))",
        is_lower_bound=False,
        arxiv="2310.01769",
        source=_XIONG,
        note="Random start.",
    ),
    Rate(
        "gradient descent",
        Model.RECTANGULAR,
        overparameterized=True,
        decay=Decay.LINEAR,
        rate="exp(-Omega(alpha^2 T))",
        is_lower_bound=False,
        arxiv="2310.01769",
        source=_XIONG,
        note="alpha is the scale of the random start, unbalanced between the factors.",
    ),
    Rate(
        "gradient descent, one step modified",
        Model.RECTANGULAR,
        overparameterized=True,
        decay=Decay.LINEAR,
        rate="exp(-Omega(T))",
        is_lower_bound=False,
        arxiv="2310.01769",
        source=_XIONG,
        note="Independent of alpha.",
    ),
    Rate(
        "gradient descent",
        Model.SYMMETRIC,
        overparameterized=True,
        decay=Decay.SUBLINEAR,
        rate=None,
        is_lower_bound=False,
        arxiv="2102.02756",
        source="Zhuo, Kwon, Ho, Caramanis, 2021",
        note="Under noise; a linear phase first, then sublinear down to the statistical error.",
    ),
    Rate(
        "gradient descent, small random start",
        Model.SYMMETRIC,
        overparameterized=True,
        decay=None,
        rate=None,
        is_lower_bound=False,
        arxiv="2106.15013",
        source="Stoeger, Soltanolkotabi, 2021",
        note="The error that is reached, after a number of steps, falls with the scale of the start.",
    ),
    Rate(
        "ScaledGD",
        Model.RECTANGULAR,
        overparameterized=False,
        decay=Decay.LINEAR,
        rate="O(log(1/epsilon)) steps",
        is_lower_bound=False,
        arxiv="2005.08898",
        source="Tong, Ma, Chi, 2020",
        note="From a spectral start; free of kappa.",
    ),
    Rate(
        "PrecGD",
        Model.SYMMETRIC,
        overparameterized=True,
        decay=Decay.LINEAR,
        rate=None,
        is_lower_bound=False,
        arxiv="2504.09708",
        source="G. Zhang, Fattahi, R. Y. Zhang, 2021",
        note="Near the solution; free of kappa. Studied further in arXiv 2206.03345.",
    ),
    Rate(
        "ScaledGD(lambda)",
        Model.SYMMETRIC,
        overparameterized=True,
        decay=Decay.LINEAR,
        rate="O(log kappa log(kappa m) + log(1/epsilon)) steps",
        is_lower_bound=False,
        arxiv="2302.01186",
        source="Xu, Shen, Chi, Ma, 2023",
        note="From a small random start, whose scale must suit epsilon.",
    ),
    Rate(
        "approximated Gauss-Newton",
        Model.RECTANGULAR,
        overparameterized=True,
        decay=Decay.LINEAR,
        rate=None,
        is_lower_bound=False,
        arxiv=None,
        source="Jia, Feng, Meng, Sun, NeurIPS 2024",
        note="Q-linear, by its title.",
    ),
    Rate(
        "weight-normalized gradient descent",
        Model.WEIGHT_NORMALIZED,
        overparameterized=True,
        decay=Decay.LINEAR,
        rate="3 (1 - c_3 (r - r_A)^4 / (kappa^4 m^2 r^2 r_A))^(T - t_0)",
        is_lower_bound=False,
        arxiv="2510.01175",
        source="Wei, Zhang, Li, He, 2025",
        note="From a random start, with t_0 = O(kappa^4 m^4 r^4 r_A^2 / (r - r_A)^8); needs r > r_A, r_A <= m/2.",
    ),
)
