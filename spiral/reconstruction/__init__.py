"""Reconstructing a target: several attempts by a model, and a search that improves the best one."""
