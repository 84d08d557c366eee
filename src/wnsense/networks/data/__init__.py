"""Labelled images: from packages, from official files, and as samples of a network."""
