"""The renderer: a graphics engine behind an address."""
