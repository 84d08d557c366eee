"""Study of trajectories of the flow: coordinates, radius, magnification and invariants."""
