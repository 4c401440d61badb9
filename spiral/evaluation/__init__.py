"""Measures of how well a run paints: distances to real pictures, class histogram, errors to targets."""
