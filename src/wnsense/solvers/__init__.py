"""How a point moves: the objective and the solvers that descend it."""
