"""Study of the ratio of learning rates and of stable steps."""
