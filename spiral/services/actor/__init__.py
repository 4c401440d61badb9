"""The actor: paints with the newest weights and sends its trajectories to the learner."""
