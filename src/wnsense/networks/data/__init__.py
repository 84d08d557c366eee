"""Labelled images that the studies of networks are trained on."""
