"""The services of a run, each a folder that imports ``spiral`` and itself only."""
