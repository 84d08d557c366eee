"""Check of an operator against its laws (`operator_probes`), and its report (`operator_report`)."""
