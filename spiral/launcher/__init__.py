"""The local composition root: the four services as child processes on one machine, or in one process in lockstep."""
