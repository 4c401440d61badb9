"""Cases of every service."""
