"""Demonstrations on real data and at large sizes."""
