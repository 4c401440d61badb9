"""Painting after a target: attempts by a model, and a search that betters the best of them."""
