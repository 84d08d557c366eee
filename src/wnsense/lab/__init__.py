"""The laboratory: diagonal networks, analyses of runs, studies of the papers, benchmark and demos."""
