"""Study of recovery by discrete descent, with and without weight normalization."""
