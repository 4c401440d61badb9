"""The actor: paints with the newest weights and sends what it painted to the learner."""
