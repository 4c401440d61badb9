"""The discriminator service: judges pictures, learns to tell paintings from data, owns the data set."""
