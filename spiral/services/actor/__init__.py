"""The actor: paints with the newest weights and ships what it painted to the learner."""
