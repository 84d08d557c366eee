"""Analyses of a run: alignment, plateaus, decay, isometry and scaling exponents."""
