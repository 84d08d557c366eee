"""Study of the generalization gap against width and depth, beside Rademacher bounds."""
