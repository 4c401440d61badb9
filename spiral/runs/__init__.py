"""A run on disk: its directory, its checkpoints, when it is over, and what it has learned from."""
