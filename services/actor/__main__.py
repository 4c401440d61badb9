"""The name that the actor had before it moved into the package: ``python -m spiral.services.actor``."""

import runpy
import sys

sys.stderr.write("python -m services.actor is python -m spiral.services.actor now\n")
runpy.run_module("spiral.services.actor", run_name="__main__", alter_sys=True)
