"""Cases of the actor."""
