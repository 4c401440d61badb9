"""The discriminator service: it scores pictures, learns to tell paintings from data, and owns the data set."""
