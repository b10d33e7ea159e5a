"""Batches to a trained run."""
