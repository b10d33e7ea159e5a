"""The console commands: absl flags to one library call each."""
