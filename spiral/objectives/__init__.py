"""What policy and discriminator are trained for, one file each.

A new objective is one file in ``policy/`` or ``discriminator/``: a class with its settings as fields and its loss as a
method. The file's name is what a configuration calls it (``wgan_gp.py``: ``discriminator.objective=wgan-gp``), and its
settings are keys beside that name. One of your own need not lie here: with
``learner.off_policy=my_package.my_module:MyClass`` any subclass of
:class:`~spiral.objectives.policy.PolicyObjective` is taken that can be imported.

Every service reads the whole configuration, and some have no torch: these files import it where they compute, not at
their top. Whatever reads a configuration imports what it names, so an objective of one's own has to be installed there,
and a configuration is as trusted as a program.
"""
