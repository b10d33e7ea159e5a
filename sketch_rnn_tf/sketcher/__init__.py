"""What can be asked of a model, wherever it runs: the verbs, on NumPy alone."""
