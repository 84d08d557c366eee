"""Operators made of other operators: sums, compositions, centring and compression."""
