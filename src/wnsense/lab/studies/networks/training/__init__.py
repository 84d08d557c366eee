"""Study of training as published: loss, gradient-to-loss ratio, shortest row, and the terms of `alpha`."""
