"""Benchmark of all methods on a declared grid of problems; pages and pictures are made from one table.

`cells` and `grid` hold problems and grids, `contestants` the methods, `grid_run.run_grid` makes the table,
`comparison` and `summary` evaluate it, and `publication.publish` writes page and picture. `peers` calls public
libraries on the same problems, and `published` has own implementations of published methods that are told the rank.
`entry_masks` draws the places of sampled entries, and `users` is the grid of problems as users have them.
"""
