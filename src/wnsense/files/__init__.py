"""Problem files and tables on disk."""
