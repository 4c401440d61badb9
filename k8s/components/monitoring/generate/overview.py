"""Run overview: does the run learn, how fast, and what limits it."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row
from panels import Line, chart, number, of, page, rate


def build() -> Dashboard:
    """The dashboard that Grafana opens with."""
    return (
        page("spiral-run", "Run overview", "Does the run learn, how fast, and what limits it.")
        .with_panel(
            number("Frames learned", Line(f"max({of('spiral_learner_run_frames')})"), text="Over the whole run.")
        )
        .with_panel(
            number("Frames/s", Line(f"sum({of('namespace:spiral_learner_frames:rate5m')})"), text="Learned frames.")
        )
        .with_panel(
            number(
                "Bottleneck",
                Line(f"max by (service) ({of('spiral_learner_bottleneck')}) == 1", "{{service}}"),
                text="The service that everyone waits for. Ideally that is the learner.",
            )
        )
        .with_panel(
            number(
                "Alerts",
                Line(f"count({of('ALERTS', alertname='~Spiral.*', alertstate='firing')}) or vector(0)"),
                text="Alerts that fire now. docs/operations.md says what to do.",
            )
        )
        .with_panel(
            number(
                "Checkpoint",
                Line(f"max({of('spiral_learner_checkpoint_age_seconds')})"),
                unit="s",
                text="Age of the learner's newest checkpoint, or time since its start: a crash would lose this much.",
            )
        )
        .with_panel(
            number(
                "Finished",
                Line(f"max({of('spiral_learner_finished')})"),
                text="1 once the run's limit is reached. The learner then stops learning, as intended.",
            )
        )
        .with_row(Row("Speed"))
        .with_panel(
            chart(
                "Frames/s",
                [
                    Line(f"sum({of('namespace:spiral_actor_frames:rate5m')})", "painted"),
                    Line(f"sum({of('namespace:spiral_learner_frames:rate5m')})", "learned"),
                ],
                text="Mean over five minutes. If more are painted than learned, episodes are lost, dropped or refused.",
                low=0,
            )
        )
        .with_panel(
            chart(
                "What the learner waits for",
                [Line(f"sum by (peer) ({of('namespace_peer:spiral_learner_wait:ratio5m')})", "{{peer}}")],
                unit="percentunit",
                text="Share of its time; it spends the rest learning.",
                stacked=True,
                low=0,
            )
        )
        .with_panel(
            chart(
                "Pods that answer",
                [Line(f"sum by (job) ({of('up', job='~spiral-.*')})", "{{job}}")],
                text="Pods that restart or hang are missing here.",
                low=0,
            )
        )
        .with_row(Row("Learning"))
        .with_panel(
            chart(
                "Score of the pictures",
                [
                    Line(f"max by (kind) ({of('spiral_learner_score')})", "{{kind}}"),
                    Line(f"max({of('spiral_discriminator_score', kind='real')})", "real"),
                ],
                text="When the policy learns, final pictures rise above first ones, toward real ones.",
            )
        )
        .with_panel(
            chart(
                "Score gap",
                [Line(f"max({of('namespace:spiral_score_gap:deviations')})", "real − painted")],
                text="In standard deviations of the scores. Below 0.1 for long: the scores carry no information.",
            )
        )
        .with_panel(
            chart(
                "Entropy",
                [Line(f"min({of('namespace:spiral_entropy:ratio')})", "of the largest")],
                unit="percentunit",
                text="1: actions are uniformly random. Below 5 % the policy always does the same.",
                low=0,
            )
        )
        .with_row(Row("Health"))
        .with_panel(
            chart(
                "Policy lag",
                [
                    Line(f"max by (stat) ({of('spiral_learner_policy_lag')})", "{{stat}}"),
                    Line(f"max({of('spiral_learner_lag_limit')})", "limit"),
                ],
                text="Updates between the weights that painted and those that learn. Beyond the limit a trajectory is "
                "dropped.",
                low=0,
            )
        )
        .with_panel(
            chart(
                "Lost work",
                [
                    Line(rate("spiral_actor_episodes_lost_total", "reason"), "episodes lost: {{reason}}"),
                    Line(rate("spiral_learner_dropped_total", "reason"), "trajectories dropped: {{reason}}"),
                    Line(rate("spiral_learner_refused_total", "reason"), "messages refused: {{reason}}"),
                ],
                text="Per second, by reason. Some are normal at a restart.",
                low=0,
            )
        )
        .with_panel(
            chart(
                "Restarts in half an hour",
                [Line(f"sum by (job) ({of('namespace_job:spiral_restarts:increase30m')})", "{{job}}")],
                low=0,
            )
        )
        .with_panel(
            chart(
                "Alerts",
                [
                    Line(
                        f"max by (alertname, alertstate) ({of('ALERTS', alertname='~Spiral.*')})",
                        "{{alertname}}: {{alertstate}}",
                    )
                ],
                text="Pending and firing alerts; empty if all is well.",
                width=24,
                stacked=True,
                low=0,
            )
        )
    )
