"""Measurements of any torch model: curvature, convexity, path norms, non-finite numbers, power laws in the width."""
