"""Experiments as data: each runs to one table, which pictures and pages are made of."""
