"""Grid `users` of the benchmark: problems as users have them, judged by success, CPU seconds and memory.

`user_cells` draws the problems, `user_contestants` has the methods, `user_run` makes one run and measures it,
`user_rows` is the table, `user_grid` the grid, `user_grid_run` makes the missing runs, and `user_summary` the page.
"""
