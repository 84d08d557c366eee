"""Analyses of a run: alignment with the truth, plateaus, decay, isometry and scaling exponents.

- `alignment`: angles, distances to saddles and gradients at a point; `ALONG_A_RUN` records them.
- `course`: plateaus, escapes, the end of the burn-in and monotonicity from recorded columns.
- `decay`: linear and power-law fits of a falling error.
- `scaling`: the exponent of a power law over seeds.
- `isometry`: a lower bound on the restricted isometry constant.
- `reduced_population`: the exact small form of Algorithm 1 in the population.
"""
