"""Training runs of Ruach on a Ray cluster."""
