"""Thresholds of a recovery, each with its reason."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Thresholds:
    """Thresholds by which ranks are added, compared and accepted.

    The back-projection level is the spectral norm of a back-projected residual of unit norm with random signs.

    Attributes:
        settled: A rank is done when the tangent gradient times this number is below the level times the misfit: what
            lies outside of the tangent space then decides. 3 lost one of 95 problems, 30 costs 3 to 35% more.
        standing_out: Directions of the clipped back-projected residual count if they exceed the level by this factor.
            Those of a true matrix measured 1.45 to 1.9 levels, others 0.85 to 1.0, and 1.12 at a side of 100,000.
        directions: Most directions that are sought at once. 1, 4 and 8 gave the same answers.
        coarseness: Ranks are added by at least the rank over this number, since minima are flat at large ranks.
        stagnation: Steps without gain after which a fit of a rank ends.
        gain: Share of the residual that counts as a gain.
        misses: Ranks in a row that predict no better, after which growth ends. One direction may only help together
            with the next. A rank whose added directions do not stand out counts as this many.
        largest_share: Largest share of degrees of freedom in the fitted rows: a fit with more can hardly be refuted.
        deviations: A larger rank is worth its degrees of freedom if the residual falls by this many deviations more
            than by a fit of noise.
        worth: Share of the noise that a larger rank must remove, per share of degrees of freedom that it adds.
        sure: Standard errors by which held-out rows must prefer a larger rank for it to be reported.
        significance: Least rank correlation of held-out rows and their prediction, in deviations. Chance exceeds it
            with a probability of 3e-6.
        overfit: Largest ratio of the held-out to the fitted residual, after correction for degrees of freedom. Good
            fits had 0.68 to 1.7, overfitted ones 13 to 1,560.
        spare_share: Largest share of degrees of freedom of the next rank at which a fit that looks like noise is
            accepted without a search for an exact answer. Of 1,621 exact problems near the limit, the growth ended
            like that in 140; 139 of them had shares above 0.6.
        spare_explained: Least explained share of the held-out variance for the same. The one of the 140 with a smaller
            share explained 0.22; noise as large as the signal leaves 0.5.
        searched_rank: Largest rank of a growth behind which an exact answer is sought. A reweighting follows all ranks
            that the rows allow. Behind a covariance of side 784 and rank 24 it was stopped, unfinished, after twice
            the time of the growth.
        judged_share: Largest share of degrees of freedom in the fitted rows at which a rank can be judged.
        judged_share_if_visible: The same where the back-projection level is at most the next number, so that a single
            direction with that share of the residual would stand out.
        visible_level: That number.
        fading: Largest ratio of the least singular value of a noise floor to the noise level at which the spectrum may
            go on below it. Spectra that decay had 1.4 to 1.65, matrices of low rank under noise 1.6 to 18.
        shrinkage: Largest ratio of the held-out misfit of a shrunk fit to that of one rank at which it is preferred. On
            spectra that decay it was 0.3 to 0.94, on low rank under noise 0.96 to 2.4.
        tries: Most reweightings from different starts. With 4 restarts, rank 1 (m 30) and rank 3 (m 40) are found in
            10 of 10 problems at n/dof 1.25.
    """

    settled: float = 10.0
    standing_out: float = 1.25
    directions: int = 4
    coarseness: int = 8
    stagnation: int = 15
    gain: float = 0.05
    misses: int = 2
    largest_share: float = 0.9
    deviations: float = 2.0
    worth: float = 0.5
    sure: float = 2.0
    significance: float = 4.5
    overfit: float = 2.0
    spare_share: float = 0.5
    spare_explained: float = 0.4
    searched_rank: int = 16
    judged_share: float = 0.5
    judged_share_if_visible: float = 0.8
    visible_level: float = 0.4
    fading: float = 1.5
    shrinkage: float = 0.95
    tries: int = 4


THRESHOLDS = Thresholds()
