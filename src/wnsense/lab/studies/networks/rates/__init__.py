"""Study of learning rates: gradient descent at parts and multiples of `1 / beta`, with and without WN."""
