"""Measurements of a network: curvature, path norms, power laws in the width."""
