"""What the papers state, as pure functions: numbers in, numbers out."""
