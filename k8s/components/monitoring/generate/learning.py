"""Learning: how policy and discriminator affect each other."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row
from panels import Line, chart, of, page


def build() -> Dashboard:
    """Rewards and scores, the policy, the discriminator."""
    board = page("spiral-learning", "Learning", "How policy and discriminator affect each other.")
    for part in (_scores, _policy, _discriminator):
        board = part(board)
    return board


def _scores(board: Dashboard) -> Dashboard:
    return (
        board.with_row(Row("Scores"))
        .with_panel(chart("Return of an episode", [Line(f"max({of('spiral_learner_reward')})", "mean of the batch")]))
        .with_panel(
            chart(
                "Score of first and final pictures",
                [Line(f"max by (kind) ({of('spiral_learner_score')})", "{{kind}}")],
                text="The reward is what the episode adds.",
            )
        )
        .with_panel(
            chart(
                "Score terms",
                [Line(f"max by (term) ({of('spiral_learner_term')})", "{{term}}")],
                text="Terms of final pictures, before weighting.",
            )
        )
    )


def _policy(board: Dashboard) -> Dashboard:
    return (
        board.with_row(Row("Policy"))
        .with_panel(
            chart(
                "Entropy of each component",
                [
                    Line(
                        f"max by (component) ({of('spiral_learner_entropy')}) "
                        f"/ max by (component) ({of('spiral_learner_entropy_limit')})",
                        "{{component}}",
                    )
                ],
                unit="percentunit",
                text="Share of its maximum, over actions for which it counts: a move has no color.",
                low=0,
            )
        )
        .with_panel(chart("Losses", [Line(f"max by (term) ({of('spiral_learner_loss')})", "{{term}}")]))
        .with_panel(
            chart(
                "Share of the run that is done",
                [Line(f"max({of('spiral_learner_run_share')})", "share")],
                unit="percentunit",
                text="Schedules fall over it: the learning rate, the entropy weights and the length of the average.",
                low=0,
            )
        )
        .with_panel(chart("Learning rate", [Line(f"max({of('spiral_learner_learning_rate')})", "policy")], low=0))
        .with_panel(
            chart(
                "Share of actions that paint, and of strokes that leave ink",
                [
                    Line(f"avg({of('spiral_actor_paint_fraction')})", "actions that paint, of all actors"),
                    Line(f"avg({of('spiral_learner_ink_share')})", "strokes that change the picture"),
                ],
                unit="percentunit",
                text="The other actions move the pen; strokes that change nothing teach nothing.",
                low=0,
            )
        )
        .with_panel(
            chart(
                "Time without anything to learn from",
                [Line(f"max by (kind) ({of('spiral_learner_saturated_seconds')})", "{{kind}}")],
                unit="s",
                text="How long all entropies, or the gradient, have been 0: the policy is certain of everything.",
                low=0,
            )
        )
        .with_panel(
            chart(
                "Policy lag",
                [
                    Line(f"max by (stat) ({of('spiral_learner_policy_lag')})", "{{stat}}"),
                    Line(f"max({of('spiral_learner_lag_limit')})", "limit"),
                ],
                text="Updates between the weights that painted the last batch and those that learned from it.",
                low=0,
            )
        )
        .with_panel(
            chart(
                "Updates of the run",
                [
                    Line(f"max({of('spiral_learner_run_updates')})", "policy"),
                    Line(f"max({of('spiral_discriminator_run_updates')})", "discriminator"),
                ],
            )
        )
        .with_panel(
            chart(
                "Starts of the run",
                [
                    Line(f"max({of('spiral_learner_generation')})", "learner"),
                    Line(f"max({of('spiral_discriminator_generation')})", "discriminator"),
                ],
                text="How often each of them was started on this run.",
            )
        )
    )


def _discriminator(board: Dashboard) -> Dashboard:
    return (
        board.with_row(Row("Discriminator"))
        .with_panel(
            chart(
                "Score of real pictures and of paintings",
                [Line(f"max by (kind) ({of('spiral_discriminator_score')})", "{{kind}}")],
                text="Running means. Real pictures score higher; paintings follow.",
            )
        )
        .with_panel(
            chart(
                "Deviation of the scores",
                [Line(f"max by (kind) ({of('spiral_discriminator_deviation')})", "{{kind}}")],
                text="At 0 all pictures look alike to the discriminator.",
                low=0,
            )
        )
        .with_panel(
            chart(
                "Score gap",
                [Line(f"max({of('namespace:spiral_score_gap:deviations')})", "real − painted")],
                text="In standard deviations of the scores.",
            )
        )
        .with_panel(chart("Loss", [Line(f"max({of('spiral_discriminator_loss')})", "last update")]))
        .with_panel(
            chart(
                "Updates for each of the policy",
                [Line(f"max({of('namespace:spiral_discriminator_updates_per_update:ratio5m')})", "mean of 5 min")],
                text="Set by discriminator.updates_per_batch and learner.reuse.",
                low=0,
            )
        )
    )
