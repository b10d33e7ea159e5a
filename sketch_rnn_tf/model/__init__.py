"""Batch to latent vector to mixture to loss: the Keras model."""
