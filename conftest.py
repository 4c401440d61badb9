"""Its place puts the project on the path, so that tests can import what they share from ``tests``."""

from hypothesis import settings

# Ten times Hypothesis' own number of examples, for `make test-all`; no deadline, as the machine may be busy.
settings.register_profile("thorough", max_examples=1000, deadline=None)
