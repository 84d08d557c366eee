"""Geometry of the Stiefel manifold: `tangent_projection`, `Retraction`, `distance_to_stiefel`."""

from wnsense.manifolds.stiefel import Retraction, distance_to_stiefel, tangent_projection

__all__ = ["Retraction", "distance_to_stiefel", "tangent_projection"]
