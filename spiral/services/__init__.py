"""The services of a run. Each is a folder that imports only ``spiral`` and itself."""
