"""Operators made of other operators.

| to do | file |
|---|---|
| multiply an operator, or each row by a weight | `measurement_maps` |
| keep some rows | `restriction` |
| add or stack operators | `algebra` |
| map the unknown before it is measured | `composition` |
| remove the component along the traces | `centring` |
| replace a problem by one of fewer rows | `compression`, with `triangular_factor` |
| replace a problem by one without repeated rows | `repeated_rows` |
"""
