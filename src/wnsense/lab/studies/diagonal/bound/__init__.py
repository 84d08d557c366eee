"""Study of the bounds on the l1 norm of limits."""
