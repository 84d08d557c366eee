"""What measurements can decide: ranks, hold-out, verdicts."""
