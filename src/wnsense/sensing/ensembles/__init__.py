"""Ensembles: one file for each kind of measurement, with its kernels."""
