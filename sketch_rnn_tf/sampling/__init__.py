"""Latent vector to strokes, and what can be done with latent vectors."""
