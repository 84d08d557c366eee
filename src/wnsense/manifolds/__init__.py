"""Geometry of the Stiefel manifold: tangent projection, retractions and distance."""
