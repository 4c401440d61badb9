"""The training objectives of policy and discriminator, one file each.

A new objective is one file in ``policy/`` or ``discriminator/``: a class with its settings as fields and its loss as a
method. The file's name is its name in a configuration (``wgan_gp.py``: ``discriminator.objective=wgan-gp``), and its
settings are keys beside that name. Your own objective may be elsewhere:
``learner.off_policy=my_package.my_module:MyClass`` takes any subclass of
:class:`~spiral.objectives.policy.PolicyObjective` that can be imported.

Every service reads the whole configuration, and some have no torch. So these files import torch where they compute, not
at their top. Reading a configuration imports what it names. So your own objective must be installed wherever the
configuration is read, and a configuration needs as much trust as a program.
"""
