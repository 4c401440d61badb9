"""The name that the discriminator had before it moved into the package: ``python -m spiral.services.discriminator``."""

import runpy
import sys

sys.stderr.write("python -m services.discriminator is python -m spiral.services.discriminator now\n")
runpy.run_module("spiral.services.discriminator", run_name="__main__", alter_sys=True)
