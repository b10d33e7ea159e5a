"""A trained model to artefacts that run without this package."""
