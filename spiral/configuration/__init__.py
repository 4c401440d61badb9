"""What a run learns, as one typed schema: how it is read, and what of it may change between two starts."""
