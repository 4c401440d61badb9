"""What a run learns, as one typed schema: how it is read, and which settings may change between two starts."""
