"""The check of an operator against its laws, and the report of it."""
