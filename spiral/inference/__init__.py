"""Painting with a trained network in NumPy, without torch, whose import alone takes longer than painting a picture."""
