"""Specification of figure 1 of arXiv 2510.01175; the paper does not give the sizes."""

from wnsense.lab.studies.learning.specification import LearningSetting, LearningSpecification, Sensed

_MEASUREMENTS = (
    "n = 60,000 Gaussian measurements, as in figure 2a (quick: 8,000), drawn and iterated on as the m(m+1)/2 numbers "
    "that they come down to: the same law, the same least squares, so the same steps"
)
_STEP_SIZES = (
    "eta = 1 = 1/||A||_2^2, with which a leading alignment near 1 has no linear error left; 2 is the limit of "
    "stability. mu = 2, the theorem's"
)
_STEPS = (
    "300,000 steps with the identity, to rounding; 60,000 Gaussian ones, which take several times as long each, past "
    "the last saddle and into the linear phase (quick: 2,500 of both)"
)
_AT_A_SADDLE = (
    "a point is at saddle l while ||X Theta X^T - A_l||_F <= sigma_{l+1} / 2 and the l directions of largest magnitude "
    "lie in span(U), their trace within 0.1 of l"
)

FIGURE_1 = LearningSpecification(
    "figure-1",
    "Sequential learning: one eigenvalue after another, a saddle for each",
    "WN goes from saddle to saddle, the best rank-l approximations A_l of A, l = 0, 1, ...: at each the error is on a "
    "plateau and the gradient drops by orders, while the alignment with A's eigenvectors climbs monotonically; then it "
    "converges linearly.",
    quick=(
        LearningSetting(Sensed.IDENTITY, 400, 20, 3, 6, 10.0, (0, 1), 2_500),
        LearningSetting(Sensed.GAUSSIAN, 8_000, 20, 3, 6, 10.0, (0, 1), 2_500),
    ),
    paper=(
        LearningSetting(Sensed.IDENTITY, 2_500, 50, 5, 15, 100.0, (0, 1, 2, 3, 4), 300_000),
        LearningSetting(Sensed.GAUSSIAN, 60_000, 50, 5, 15, 100.0, (0, 1, 2), 60_000),
    ),
    choices=(
        "all sizes: m = 50, r_A = 5, r = 15, kappa = 100 (quick: m = 20, r_A = 3, r = 6, kappa = 10)",
        "the eigenvalues of A fall from 1 to 1/kappa in equal ratios, so that every saddle has the same relative gap",
        _MEASUREMENTS,
        "X_0 is Haar-distributed, Theta_0 = 0.1 I",
        "seeds are of the start; truth and measurements are drawn once; the panels show the first seed",
        _STEP_SIZES,
        _STEPS,
        _AT_A_SADDLE,
    ),
)
