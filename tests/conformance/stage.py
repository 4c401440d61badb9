"""One hosted service at a time: each handles this process's signals."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from spiral.conformance.target import Target
from spiral.wire.edges import Service
from tests.conformance.hosted import HOSTS

LONG = {
    # Seconds each: they wait for heartbeats, for silence, for streams to grow old, or for versions to stand still.
    "a_deadline_ends_a_stream_and_frees_its_canvases",
    "a_deadline_in_the_middle_of_a_batch_harms_nobody",
    "every_remembered_batch_earns_as_many_updates",
    "a_batch_sent_twice_at_once_counts_once",
    "a_crowd_is_answered_or_told_when_to_come_again",
    "heartbeats_come_as_announced",
    "batches_have_ids_of_their_own",
    "credits_end_while_nothing_is_learnt",
    "credits_end_with_the_next_hello",
    "credits_of_one_who_leaves_go_to_others",
    "silence_makes_it_connect_again",
    "nothing_is_sent_without_a_credit",
    "it_comes_back_to_a_learner_that_is_stopping",
    "a_stream_that_is_lost_costs_its_episodes_alone",
    "damaged_weights_are_not_used",
    # Many bytes each.
    "a_request_above_the_limit_is_refused_cleanly",
    "a_message_above_the_limit_is_refused_cleanly",
    "a_batch_above_4_mib_is_scored",
}
"""Cases that `make test` leaves to `make test-all`."""


OF_CUT = {
    "a_long_episode_comes_in_unrolls",
    "the_memory_lasts_from_unroll_to_unroll",
    "unrolls_that_are_cut_wrongly_are_refused",
    "episodes_that_end_are_told_from_those_that_go_on",
}
"""Cases about episodes that are cut into unrolls."""


class Stage:
    """Hosts a service until another one, another run of it, or a fresh one, is asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self._living: tuple[Service, tuple[str, ...], Target] | None = None
        self._count = 0

    def target(self, service: Service, settings: tuple[str, ...] = (), fresh: bool = False) -> Target:
        """The target of a service in a run with ``settings``; another one's is ended."""
        if self._living is None or self._living[:2] != (service, settings) or fresh:
            self.close()
            self._count += 1
            folder = self._folder / str(self._count)
            folder.mkdir()
            self._living = service, settings, self._stack.enter_context(HOSTS[service](folder, settings))
        return self._living[2]

    def close(self) -> None:
        """End what lives."""
        self._living = None
        self._stack.close()
