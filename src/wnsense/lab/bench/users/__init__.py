"""Grid `users` of the benchmark: problems as users have them, judged by success, CPU seconds and memory.

`user_cells` draws the problems, and `user_contestants` has the methods. `user_run` makes one run and measures it;
`own_process` gives it a process. `user_rows` is the table, and `user_grid` the grid. `user_grid_run` makes the missing
runs. `user_comparison` and `user_summary` evaluate them.
"""
