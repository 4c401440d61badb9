"""What has to be settled before any test is imported."""

import os

# Before torch and NumPy are imported, here and in every process that a test starts without saying how many: threads
# that wait for each other spin, which costs several times the work where other processes want the same cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from hypothesis import settings

# No deadline in either profile: the machine may be busy, and an example that took long is no fault.
settings.register_profile("short", deadline=None)
settings.load_profile("short")
# Ten times Hypothesis' own number of examples, for `make test-all`.
settings.register_profile("thorough", max_examples=1000, deadline=None)
