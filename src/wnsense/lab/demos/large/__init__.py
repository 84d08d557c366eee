"""Large recoveries: a photograph, a quantum state, a map from distances."""
