"""The name that the learner had before it moved into the package: ``python -m spiral.services.learner``."""

import runpy
import sys

sys.stderr.write("python -m services.learner is python -m spiral.services.learner now\n")
runpy.run_module("spiral.services.learner", run_name="__main__", alter_sys=True)
