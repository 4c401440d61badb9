"""Shows progress: a live panel on a terminal, one JSON object per line anywhere else."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Protocol, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from spiral.launcher.progress import Progress, ServiceProgress
from spiral.values import strict_json

LINE_EVERY_S = 10.0
"""With this interval the log of an hour has a few hundred lines."""
BLOCKS = "▁▂▃▄▅▆▇█"
STATE_STYLES = {"serving": "green", "starting": "yellow", "waiting to restart": "red", "stopped": "dim", "done": "cyan"}


class Display(AbstractContextManager["Display"], Protocol):
    """Where a run shows its progress."""

    def show(self, progress: Progress) -> None:
        """Show the progress."""
        ...

    def say(self, text: str) -> None:
        """Report an event in one sentence."""
        ...


class LineDisplay(AbstractContextManager["LineDisplay"]):
    """One JSON object per line: ``{"progress": {…}}`` every ten seconds, ``{"event": "…"}`` when something happens."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown_s = -math.inf

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.flush()

    def show(self, progress: Progress) -> None:
        """Print the progress if the last line is old enough."""
        if progress.seconds - self._shown_s >= LINE_EVERY_S:
            self._shown_s = progress.seconds
            self._print({"progress": progress.to_json()})

    def say(self, text: str) -> None:
        """Print an event."""
        self._print({"event": text})

    def _print(self, content: Mapping[str, Any]) -> None:
        print(strict_json.report(content), file=self._stream, flush=True)


class LiveDisplay(AbstractContextManager["LiveDisplay"]):
    """A panel that is redrawn continually; events are written above it."""

    def __init__(self, console: Console, title: str, greatest_entropy: Callable[[], Mapping[str, float]]) -> None:
        self._console = console
        self._title = title
        self._greatest_entropy = greatest_entropy
        self._scores: deque[tuple[float | None, float | None]] = deque(maxlen=240)
        self._live = Live(
            Panel(Text("starting the services …", style="dim"), title=title, border_style="cyan"),
            console=console,
            refresh_per_second=4,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> LiveDisplay:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def show(self, progress: Progress) -> None:
        """Draw the panel."""
        self._scores.append((progress.score_real, progress.score_painted))
        parts: list[RenderableType] = [_bar(progress), Text(), self._numbers(progress)]
        if progress.entropy:
            parts += [Text(), _entropies(progress.entropy, self._greatest_entropy())]
        if progress.services:
            parts += [Text(), _services(progress.services, progress.bottleneck)]
        self._live.update(Panel(Group(*parts), title=self._title, border_style="cyan", padding=(1, 2)))

    def say(self, text: str) -> None:
        """Write an event above the panel."""
        self._console.print(Text(f"· {text}", style="dim"))

    def _numbers(self, progress: Progress) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_column(style="dim", min_width=12)
        table.add_column(justify="right", min_width=11)
        table.add_column()
        table.add_row("frames", f"{progress.frames:,}", _rates(progress))
        table.add_row(
            "updates", f"{progress.updates:,}", Text(f"version {progress.version}" if progress.version else "", "dim")
        )
        if progress.learning_rate is not None:
            share = "" if progress.run_share is None else f"{progress.run_share:.0%} of the run"
            table.add_row("learning rate", f"{progress.learning_rate:.2g}", Text(share, "dim"))
        real = [real for real, _ in self._scores if real is not None]
        painted = [painted for _, painted in self._scores if painted is not None]
        low, high = min(real + painted, default=0.0), max(real + painted, default=0.0)
        table.add_row("score real", _signed(progress.score_real), Text(sparkline(real, low, high), "green"))
        table.add_row("    painted", _signed(progress.score_painted), Text(sparkline(painted, low, high), "magenta"))
        if progress.lag:
            least, mean, most = progress.lag
            table.add_row("policy lag", f"{mean:.1f}", Text(f"updates, {least:.0f} to {most:.0f}", "dim"))
        if progress.dropped:
            table.add_row(
                "dropped", f"{progress.dropped:,}", Text(f"of {progress.trajectories:,} trajectories", "yellow")
            )
        return table


def open_display(stream: TextIO, title: str, greatest_entropy: Callable[[], Mapping[str, float]]) -> Display:
    """The display that suits a stream."""
    if stream.isatty():
        return LiveDisplay(Console(file=stream), title, greatest_entropy)
    return LineDisplay(stream)


def sparkline(values: list[float], low: float, high: float, width: int = 32) -> str:
    """A curve of one line: ``values`` averaged into at most ``width`` blocks between ``low`` and ``high``."""
    if not values:
        return ""
    step = max(1.0, len(values) / width)
    means = []
    for block in range(min(width, len(values))):
        part = values[int(block * step) : max(int((block + 1) * step), int(block * step) + 1)]
        means.append(sum(part) / len(part))
    reach = (high - low) or 1.0
    return "".join(BLOCKS[min(7, max(0, int((mean - low) / reach * 8)))] for mean in means)


def clock(seconds: float) -> str:
    """``3:07``, or ``1:02:03`` from an hour on."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"


def _bar(progress: Progress) -> Table:
    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(ratio=1)
    table.add_column(justify="right", no_wrap=True)
    passed = clock(progress.seconds)
    if progress.share_done is None:
        table.add_row(
            ProgressBar(total=None, pulse=True, animation_time=progress.seconds), f"{passed}, until stopped (Ctrl-C)"
        )
    else:
        left = "" if progress.seconds_left is None else f", {clock(progress.seconds_left)} left"
        table.add_row(
            ProgressBar(total=1.0, completed=progress.share_done), f"{progress.share_done:.0%}  {passed}{left}"
        )
    return table


def _rates(progress: Progress) -> Text:
    learnt = "" if progress.frames_per_s is None else f"{progress.frames_per_s:,.0f} learned/s"
    painted = "" if progress.painted_per_s is None else f"   {progress.painted_per_s:,.0f} painted/s"
    return Text(learnt + painted)


def _entropies(entropy: Mapping[str, float], greatest: Mapping[str, float]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", min_width=12)
    table.add_column(min_width=11)
    table.add_column(justify="right")
    table.add_column(width=24)
    for index, (component, nats) in enumerate(entropy.items()):
        most = greatest.get(component)
        shown = f"{nats:.2f} of {most:.2f} nats" if most else f"{nats:.2f} nats"
        bar = ProgressBar(total=most, completed=min(nats, most), width=24, complete_style="cyan") if most else Text()
        table.add_row("entropy" if index == 0 else "", component, shown, bar)
    return table


def _services(services: tuple[ServiceProgress, ...], bottleneck: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading, side in (
        ("service", "left"),
        ("", "left"),
        ("cores", "right"),
        ("memory", "right"),
        ("waits for", "left"),
    ):
        table.add_column(heading, justify="right" if side == "right" else "left")
    for service in services:
        name = Text.assemble(("● ", STATE_STYLES.get(service.state, "")), service.name)
        if service.name == bottleneck:
            name.append(" ◀ all wait for it", "yellow")
        state = service.state + (f", restarted {service.restarts}×" if service.restarts else "")
        waits = ", ".join(f"{peer} {share:.0%}" for peer, share in service.waits.items() if share >= 0.005)
        table.add_row(
            name,
            Text(state, "dim" if service.state == "serving" and not service.restarts else "yellow"),
            "" if service.cpu is None else f"{service.cpu:.2f}",
            "" if service.memory_bytes is None else f"{service.memory_bytes / 2**20:,.0f} MiB",
            Text(waits, "dim"),
        )
    return table


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.3f}"
