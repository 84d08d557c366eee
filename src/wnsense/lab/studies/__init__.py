"""Studies: each is one object in one folder, from its specification to its table, pictures and caption."""
