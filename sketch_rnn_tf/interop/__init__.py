"""Other people's models: Magenta's JavaScript files and TF1 checkpoints."""
