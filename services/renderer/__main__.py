"""The name that the renderer had before it moved into the package: ``python -m spiral.services.renderer``."""

import runpy
import sys

sys.stderr.write("python -m services.renderer is python -m spiral.services.renderer now\n")
runpy.run_module("spiral.services.renderer", run_name="__main__", alter_sys=True)
