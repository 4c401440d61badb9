"""Cases of the learner."""
