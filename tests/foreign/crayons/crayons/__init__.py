"""An engine of another package: dots and lines of one pixel."""
