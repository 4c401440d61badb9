"""Ways to break a promise: each a change to one of our services that a test switches on, and that a case must find."""
