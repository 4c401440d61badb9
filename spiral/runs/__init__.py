"""A run on disk: its directory, its checkpoints, its limits, and the record of its data set."""
