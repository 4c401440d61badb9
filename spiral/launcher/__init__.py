"""Runs a whole run on one machine: the four services as child processes, or in one process in lockstep."""
