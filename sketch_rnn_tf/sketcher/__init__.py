"""What can be asked of a model, wherever it runs: the verbs, on NumPy alone.

- `sketcher`: `Sketcher`, the one class with all verbs.
- `backend`: what a model has to do for it, and what it is asked (`Request`).
- `arguments`: what users may give, checked.
- `latent_space`: ways between latent vectors.
"""
