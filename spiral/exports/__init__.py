"""File formats for drawings and paintings, one file each. They know neither engines nor programs."""
