"""Cases of the renderer."""
