"""How this machine computes: threads, devices, precision, memory, and whether learning stays finite."""
