"""Study of the length of rows, set at the start or changed midway by a symmetry that leaves `f` unchanged."""
