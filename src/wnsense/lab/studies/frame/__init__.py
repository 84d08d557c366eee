"""Frame of all studies: the study as an object, its specification, files, parts, head and caption."""
