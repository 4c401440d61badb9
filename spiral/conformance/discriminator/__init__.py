"""Cases of the discriminator."""
