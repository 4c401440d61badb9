"""Services: each of the four, pod by pod."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row
from panels import Line, chart, of, page, quantiles, rate


def build() -> Dashboard:
    """A row for each service, in the order in which a frame passes through them."""
    board = page("spiral-services", "Services", "Each service, pod by pod.")
    for part in (_everyone, _renderer, _actor, _learner, _discriminator):
        board = part(board)
    return board


def _everyone(board: Dashboard) -> Dashboard:
    return (
        board.with_row(Row("All services"))
        .with_panel(
            chart(
                "Pods by version",
                [Line(f"count by (job, version) ({of('spiral_info')})", "{{job}} {{version}}")],
                text="Two versions of one service should last no longer than a rollout.",
                low=0,
            )
        )
        .with_panel(chart("Memory", [Line(of("spiral_resident_bytes"), "{{job}} {{instance}}")], unit="bytes", low=0))
        .with_panel(
            chart(
                "Up since",
                [Line(f"time() - {of('spiral_start_time_seconds')}", "{{job}} {{instance}}")],
                unit="s",
                text="A line that falls to 0 is a restart.",
                low=0,
            )
        )
        .with_panel(
            chart(
                "gRPC does not answer itself",
                [Line(rate("spiral_self_check_failures_total", "job, instance"), "{{job}} {{instance}}")],
                text="The log of such a pod shows the stacks of all its threads.",
                low=0,
            )
        )
    )


def _renderer(board: Dashboard) -> Dashboard:
    return (
        board.with_row(Row("Renderer"))
        .with_panel(chart("Frames/s", [Line(rate("spiral_renderer_frames_total", "instance"), "{{instance}}")], low=0))
        .with_panel(
            chart(
                "Time of a step",
                quantiles("spiral_renderer_step_seconds"),
                unit="s",
                text="Engine time for all canvases of a stream.",
                low=0,
            )
        )
        .with_panel(
            chart(
                "Streams and canvases",
                [
                    Line(of("spiral_renderer_streams"), "streams {{instance}}"),
                    Line(of("spiral_renderer_canvases"), "canvases {{instance}}"),
                ],
                text="Even over all pods a minute or two after a new pod starts.",
                low=0,
            )
        )
        .with_panel(
            chart(
                "Streams ended for silence",
                [Line(rate("spiral_renderer_idle_total", "instance"), "{{instance}}")],
                text="Per second: actors that hang or were cut off.",
                low=0,
            )
        )
    )


def _actor(board: Dashboard) -> Dashboard:
    return (
        board.with_row(Row("Actor"))
        .with_panel(chart("Frames/s", [Line(rate("spiral_actor_frames_total", "instance"), "{{instance}}")], low=0))
        .with_panel(
            chart(
                "Time of a step of the policy",
                quantiles("spiral_actor_inference_seconds"),
                unit="s",
                text="Inference for one group of canvases.",
                low=0,
            )
        )
        .with_panel(
            chart(
                "What actors wait for",
                [Line(rate("spiral_actor_wait_seconds_total", "peer"), "{{peer}}")],
                text="Seconds per second, summed over all groups of all actors.",
                stacked=True,
                low=0,
            )
        )
        .with_panel(
            chart(
                "Age of the weights",
                [Line(of("spiral_actor_weights_age_seconds"), "{{instance}}")],
                unit="s",
                text="Time since the weights in use arrived. It grows if the learner does not learn or can't be "
                "reached.",
                low=0,
            )
        )
        .with_panel(
            chart(
                "Version of the weights",
                [
                    Line(of("spiral_actor_weights_version"), "{{instance}}"),
                    Line(of("spiral_actor_weights_generation"), "generation {{instance}}"),
                ],
                text="The lines should lie together, close to the learner's number of updates.",
            )
        )
        .with_panel(
            chart(
                "Credits and batch",
                [
                    Line(of("spiral_actor_credits"), "credits {{instance}}"),
                    Line(of("spiral_actor_batch"), "canvases {{instance}}"),
                ],
                text="An actor without credits waits for the learner, not the learner for it.",
                low=0,
            )
        )
        .with_panel(
            chart(
                "Trajectories/s by verdict",
                [Line(rate("spiral_actor_trajectories_total", "verdict"), "{{verdict}}")],
                low=0,
            )
        )
        .with_panel(
            chart(
                "Episodes lost/s by reason",
                [Line(rate("spiral_actor_episodes_lost_total", "reason"), "{{reason}}")],
                low=0,
            )
        )
    )


def _learner(board: Dashboard) -> Dashboard:
    return (
        board.with_row(Row("Learner"))
        .with_panel(
            chart(
                "Frames/s and updates/s",
                [
                    Line(rate("spiral_learner_frames_total"), "frames"),
                    Line(rate("spiral_learner_updates_total"), "updates"),
                ],
                low=0,
            )
        )
        .with_panel(
            chart(
                "Time of the updates on a batch",
                quantiles("spiral_learner_update_seconds"),
                unit="s",
                low=0,
            )
        )
        .with_panel(
            chart(
                "Time until scores arrive",
                quantiles("spiral_learner_score_seconds"),
                unit="s",
                text="Scores of a batch, from the discriminator.",
                low=0,
            )
        )
        .with_panel(
            chart(
                "What it waits for",
                [Line(rate("spiral_learner_wait_seconds_total", "peer"), "{{peer}}")],
                unit="percentunit",
                stacked=True,
                low=0,
            )
        )
        .with_panel(
            chart(
                "Trajectories that wait, and their limit",
                [
                    Line(f"max({of('spiral_learner_queue_messages')})", "wait"),
                    Line(f"max({of('spiral_learner_slots')})", "may wait or be under way"),
                ],
                low=0,
            )
        )
        .with_panel(
            chart(
                "Memory of waiting trajectories",
                [Line(f"max({of('spiral_learner_queue_bytes')})", "bytes")],
                unit="bytes",
                text="Never above learner.queue_bytes.",
                low=0,
            )
        )
        .with_panel(
            chart(
                "Trajectories/s by verdict",
                [Line(rate("spiral_learner_trajectories_total", "verdict"), "{{verdict}}")],
                low=0,
            )
        )
        .with_panel(
            chart(
                "Refused/s by reason",
                [Line(rate("spiral_learner_refused_total", "reason"), "{{reason}}")],
                text="generation, no_hello, no_credit and stopping pass after a restart; the others do not.",
                low=0,
            )
        )
        .with_panel(
            chart(
                "Dropped/s by reason",
                [Line(rate("spiral_learner_dropped_total", "reason"), "{{reason}}")],
                text="lag: the policy that painted was more than learner.max_lag updates old.",
                low=0,
            )
        )
        .with_panel(
            chart(
                "Actors: connected, and in demand",
                [
                    Line(f"max({of('spiral_learner_actors')})", "there"),
                    Line(f"max({of('spiral_learner_actor_demand')})", "wanted"),
                ],
                text="The demand is the number of actors that the learner could keep busy. KEDA scales by it.",
                low=0,
            )
        )
        .with_panel(
            chart(
                "Age of the checkpoint",
                [
                    Line(f"max({of('spiral_learner_checkpoint_age_seconds')})", "learner"),
                    Line(f"max({of('spiral_learner_checkpoint_interval_seconds')})", "asked for"),
                ],
                unit="s",
                low=0,
            )
        )
    )


def _discriminator(board: Dashboard) -> Dashboard:
    return (
        board.with_row(Row("Discriminator"))
        .with_panel(
            chart("Pictures scored/s", [Line(rate("spiral_discriminator_scored_frames_total"), "pictures")], low=0)
        )
        .with_panel(chart("Time of scores", quantiles("spiral_discriminator_score_seconds"), unit="s", low=0))
        .with_panel(chart("Time of an update", quantiles("spiral_discriminator_update_seconds"), unit="s", low=0))
        .with_panel(
            chart(
                "Updates/s, and updates owed",
                [
                    Line(rate("spiral_discriminator_updates_total"), "updates/s"),
                    Line(f"max({of('spiral_discriminator_debt')})", "owed"),
                ],
                text="If the debt grows, the discriminator can't keep up with the paintings.",
                low=0,
            )
        )
        .with_panel(
            chart(
                "Paintings remembered/s",
                [Line(rate("spiral_discriminator_remembered_total"), "paintings")],
                text="Paintings taken into the replay buffer.",
                low=0,
            )
        )
        .with_panel(
            chart(
                "Calls ended for silence",
                [Line(rate("spiral_discriminator_idle_total"), "calls")],
                text="Per second.",
                low=0,
            )
        )
        .with_panel(
            chart(
                "Age of the checkpoint",
                [
                    Line(f"max({of('spiral_discriminator_checkpoint_age_seconds')})", "discriminator"),
                    Line(f"max({of('spiral_discriminator_checkpoint_interval_seconds')})", "asked for"),
                ],
                unit="s",
                text="While nothing is asked of it, it writes none.",
                low=0,
            )
        )
    )
