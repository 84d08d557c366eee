"""Convergence rates of earlier analyses and of weight normalization, after Table 1 of arXiv 2510.01175, as data.

The table is compiled from what the sources themselves state and is not a copy of the printed one. A field is None where
the source's statement is not certain here; the note says what is certain.
"""

from dataclasses import dataclass

from wnsense.theory.convergence_forms import Decay, FactorModel


@dataclass(frozen=True)
class Rate:
    """Convergence rate of one analysis.

    Attributes:
        method: Name of the analyzed method.
        model: Form of the fitted matrix.
        overparameterized: True if `r > r_A` is covered, False if `r = r_A` is required.
        source: Authors and year.
        note: Remarks needed for a comparison.
        arxiv: Number of the source; None if not certain.
        decay: Form of the fall of the error; None if not certain.
        rate: Error after `T` steps, or steps to an error `epsilon`, as stated; None if not certain.
        is_lower_bound: True if the rate is the best possible one, False if it is guaranteed.
    """

    method: str
    model: FactorModel
    overparameterized: bool
    source: str
    note: str
    arxiv: str | None = None
    decay: Decay | None = None
    rate: str | None = None
    is_lower_bound: bool = False


def _xiong(
    method: str, model: FactorModel, *, overparameterized: bool, rate: str, note: str, is_lower_bound: bool = False
) -> Rate:
    """Return a row of arXiv 2310.01769, where only the lower bound is sublinear."""
    source, decay = "Xiong, Ding, Du, 2023", Decay.SUBLINEAR if is_lower_bound else Decay.LINEAR
    return Rate(method, model, overparameterized, source, note, "2310.01769", decay, rate, is_lower_bound)


TABLE_1: tuple[Rate, ...] = (
    _xiong(
        "gradient descent",
        FactorModel.SYMMETRIC,
        overparameterized=False,
        rate="exp(-Omega(T))",
        note="Named there as what is known of the exact rank; how it hangs on kappa is not restated here.",
    ),
    _xiong(
        "gradient descent",
        FactorModel.SYMMETRIC,
        overparameterized=True,
        rate="Omega(1/T^2)",
        note="Random start. On the squared Frobenius error, by the derivation in wnsense.theory.gradient_descent.",
        is_lower_bound=True,
    ),
    _xiong(
        "gradient descent",
        FactorModel.RECTANGULAR,
        overparameterized=False,
        rate="exp(-Omega(T))",
        note="Random start.",
    ),
    _xiong(
        "gradient descent",
        FactorModel.RECTANGULAR,
        overparameterized=True,
        rate="exp(-Omega(alpha^2 T))",
        note="alpha is the scale of the random start, unbalanced between the factors.",
    ),
    _xiong(
        "gradient descent, one step modified",
        FactorModel.RECTANGULAR,
        overparameterized=True,
        rate="exp(-Omega(T))",
        note="Independent of alpha.",
    ),
    Rate(
        "gradient descent",
        FactorModel.SYMMETRIC,
        overparameterized=True,
        source="Zhuo, Kwon, Ho, Caramanis, 2021",
        note="Under noise; a linear phase first, then sublinear down to the statistical error.",
        arxiv="2102.02756",
        decay=Decay.SUBLINEAR,
    ),
    Rate(
        "gradient descent, small random start",
        FactorModel.SYMMETRIC,
        overparameterized=True,
        source="Stoeger, Soltanolkotabi, 2021",
        note="The error that is reached, after a number of steps, falls with the scale of the start.",
        arxiv="2106.15013",
    ),
    Rate(
        "ScaledGD",
        FactorModel.RECTANGULAR,
        overparameterized=False,
        source="Tong, Ma, Chi, 2020",
        note="From a spectral start; free of kappa.",
        arxiv="2005.08898",
        decay=Decay.LINEAR,
        rate="O(log(1/epsilon)) steps",
    ),
    Rate(
        "PrecGD",
        FactorModel.SYMMETRIC,
        overparameterized=True,
        source="G. Zhang, Fattahi, R. Y. Zhang, 2021",
        note="Near the solution; free of kappa. Studied further in arXiv 2206.03345.",
        arxiv="2504.09708",
        decay=Decay.LINEAR,
    ),
    Rate(
        "ScaledGD(lambda)",
        FactorModel.SYMMETRIC,
        overparameterized=True,
        source="Xu, Shen, Chi, Ma, 2023",
        note="From a small random start, whose scale must suit epsilon.",
        arxiv="2302.01186",
        decay=Decay.LINEAR,
        rate="O(log kappa log(kappa m) + log(1/epsilon)) steps",
    ),
    Rate(
        "approximated Gauss-Newton",
        FactorModel.RECTANGULAR,
        overparameterized=True,
        source="Jia, Feng, Meng, Sun, NeurIPS 2024",
        note="Q-linear, by its title.",
        decay=Decay.LINEAR,
    ),
    Rate(
        "weight-normalized gradient descent",
        FactorModel.WEIGHT_NORMALIZED,
        overparameterized=True,
        source="Wei, Zhang, Li, He, 2025",
        note="From a random start, with t_0 = O(kappa^4 m^4 r^4 r_A^2 / (r - r_A)^8); needs r > r_A, r_A <= m/2.",
        arxiv="2510.01175",
        decay=Decay.LINEAR,
        rate="3 (1 - c_3 (r - r_A)^4 / (kappa^4 m^2 r^2 r_A))^(T - t_0)",
    ),
)
