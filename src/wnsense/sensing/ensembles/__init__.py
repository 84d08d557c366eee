"""Ensembles: one file for each kind of measurement, and files for the products and transforms that they share.

| measurements | files |
|---|---|
| stored or computed rows | `dense`, `rademacher`, `seeded`, `triangular`, `unpacked`; base `packed`, `kernels` |
| one pass for several runs | `gathered` |
| vectors | `rank_one`, `block_rank`; shared `measurement_vectors`, `vector_products` |
| places | `entries`, `sub_blocks`, `sparse_rows`; base `placed`, shared `positions`, `distinct` |
| entries of a transform | `transforms`, `partial_fourier`; shared `fast_transforms`, `transformed_coordinates` |
| optics | `diffraction`, `mask_law`; compiled `diffraction_kernels` |
| quantum states | `pauli`, `povm` |
"""
