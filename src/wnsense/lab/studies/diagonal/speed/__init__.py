"""Study of speed: steps for an error, and rates at the end of the flow."""
