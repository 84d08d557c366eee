"""Ensembles of measurements, one file an ensemble and its kernels."""
