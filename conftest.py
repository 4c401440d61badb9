"""Its place puts the project on the path, so that tests can import what they share from ``tests``."""
