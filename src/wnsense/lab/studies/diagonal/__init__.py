"""Studies of diagonal networks (arXiv 2305.05448), a folder each; the modules here are shared by them.

- `specification`, `drawing`, `problems`: description of a study, its random problems, and their least l1 norms.
- `run`, `table`, `looks`: one way to make the parts of a study, to read them back, and to draw rates.
- `cell_runs`, `paced_descent`: discrete descent of many networks at once.
- `step_grid`, `step_grid_measure`, `step_grid_table`: a grid of ratios and step sizes, for `ratio` and `speed`.
- `flow_runs`: integrated flows, for `trajectories` and `speed`.
"""
