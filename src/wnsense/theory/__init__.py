"""Statements of the papers as pure functions: numbers in, numbers out.

- `convergence`, `step_size_form`: Theorem 3.2 on matrix sensing (arXiv 2510.01175), also at a given step size.
- `population`, `saddles`: the population loss, its stationary points (Lemma 4.1) and the ways out of them.
- `gradient_descent`, `published_rates`: the analyses of other methods; `convergence_forms`: their forms.
- `diagonal`: flows on diagonal linear networks (arXiv 2305.05448).
- `networks`: bounds on weight-normalized deep networks (arXiv 2409.08935).
"""
