"""The demo of a covariance sensor on handwritten digits."""
