"""The parts that all studies share: store, parts, findings and tables."""
