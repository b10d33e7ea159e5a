"""Trained models as artefacts for servers and devices."""
