"""Parts of the tests: lists of cases, one line an entry, and helpers that draw, read and run.

`operators` and `solvers` are the lists that hand every law to what joins them; `operator_laws` has the laws.
`flavors` are the kinds of unknown, `draws` the random arrays, and `watched` counts and interrupts an operator.
"""
