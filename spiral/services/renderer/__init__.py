"""The renderer: graphics engines behind an address."""
