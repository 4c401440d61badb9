"""What a batch earns, once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

from spiral.conformance.case import case, require
from spiral.conformance.discriminator.subject import REMEMBERED, DiscriminatorTarget, version_of
from spiral.wire.contract import version_from_proto

BATCHES = 3


@case("discriminator", "semantics")
def a_batch_that_is_not_remembered_earns_no_update(discriminator: DiscriminatorTarget) -> None:
    """A batch that is not remembered earns no update.

    Waits until the version stands still, scores 3 batches with ``remember`` false, and waits again. The version must be
    the same.
    """
    before = discriminator.settled()
    for seed in range(BATCHES):
        discriminator.probe(20 + seed)
    after = discriminator.settled()
    require(after == before, f"the version went from {before} to {after} by batches that are not remembered")


@case("discriminator", "semantics")
def every_remembered_batch_earns_as_many_updates(discriminator: DiscriminatorTarget) -> None:
    """Every remembered batch earns the same number of updates.

    Scores 3 batches with ``remember`` true and waits after each until the version stands still. The number must rise by
    the same amount each time (0 for a discriminator that does not learn), and the generation must stay.
    """
    versions = [discriminator.settled()]
    for seed in range(BATCHES):
        discriminator.score(discriminator.batch(discriminator.pictures(30 + seed), remember=True))
        versions.append(discriminator.settled())
    earned = [after.number - before.number for before, after in pairwise(versions)]
    require(len(set(earned)) == 1, f"3 remembered batches earned {earned} updates; expected as many for each")
    require(len({version.generation for version in versions}) == 1, "the generation moved without a start")


@case("discriminator", "semantics")
def versions_never_go_back(discriminator: DiscriminatorTarget) -> None:
    """(generation, number) never goes back.

    Scores batches, remembered and not, and asks ``GetInfo`` in between. Each version must be at least the one before.
    """
    last = discriminator.settled()
    for seed in range(BATCHES * 2):
        answer = discriminator.score(discriminator.batch(discriminator.pictures(40 + seed), remember=seed % 2 == 0))
        found = version_of(answer)
        require(found >= last, f"a score's version went back from {last} to {found}")
        last = found
        if discriminator.info.HasField("version"):
            told = version_from_proto(discriminator.info.version)
            require(told >= last, f"GetInfo says version {told} after a score by {last}")


@case("discriminator", "semantics")
def a_restart_raises_the_generation(discriminator: DiscriminatorTarget) -> None:
    """A restart raises the generation.

    Scores a remembered batch, ends the discriminator with SIGTERM, starts it again, and scores. The generation must be
    higher than before, unless the discriminator has no versions. Skipped without ``--command``.
    """
    discriminator.needs_command()
    discriminator.score(discriminator.batch(discriminator.pictures(50), remember=True))
    before = discriminator.settled()
    discriminator.restart()
    after = version_of(discriminator.probe(51))
    require(
        after.generation > before.generation or before.generation == after.generation == 0,
        f"generation {before.generation} before a restart and {after.generation} after it",
    )


@case("discriminator", "idempotency")
def a_repeated_batch_has_the_same_answer(discriminator: DiscriminatorTarget) -> None:
    """A repeated batch gets the same answer and is not remembered a second time.

    Scores a batch with ``remember`` true, another one, and the first one again, under its id. The repeated answer must
    be the first one in every field, and the repetition must earn no update.
    """
    requests = discriminator.batch(discriminator.pictures(60), remember=True)
    first = discriminator.score(requests)
    discriminator.score(discriminator.batch(discriminator.pictures(61), remember=True))
    before = discriminator.settled()
    again = discriminator.score(requests)
    require(again.terms == first.terms, "a repeated batch has other scores")
    require(again == first, f"a repeated batch has another answer: version {again.version}, not {first.version}")
    after = discriminator.settled()
    require(after == before, f"a repetition moved the version from {before} to {after}")


@case("discriminator", "idempotency")
def a_batch_sent_twice_at_once_counts_once(discriminator: DiscriminatorTarget) -> None:
    """A batch that is sent twice at the same time counts once.

    Notes how many updates a remembered batch earns, then sends another one over two connections at once. Both answers
    must be equal, and the version must rise by one batch's updates.
    """
    start = discriminator.settled()
    discriminator.score(discriminator.batch(discriminator.pictures(62), remember=True))
    before = discriminator.settled()
    requests = discriminator.batch(discriminator.pictures(63), remember=True)
    with discriminator.connection() as one, discriminator.connection() as other, ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda channel: discriminator.score(requests, channel), (one, other)))
    require(answers[0] == answers[1], "a batch that was sent twice at once has two answers")
    after = discriminator.settled()
    require(
        after.number - before.number == before.number - start.number,
        f"a batch sent twice at once earned {after.number - before.number} updates; expected "
        f"{before.number - start.number}",
    )


@case("discriminator", "metrics", "extended")
def remembered_pictures_are_counted_once(discriminator: DiscriminatorTarget) -> None:
    """The last frame of each episode is remembered, once.

    Reads ``spiral_discriminator_remembered_total``, scores 3 frames of 4 episodes with ``remember`` true, the same
    batch again, and another one without. The counter must rise by 4. Skipped if there is no such metric.
    """
    before = discriminator.gauge(REMEMBERED)
    requests = discriminator.batch(discriminator.pictures(64), remember=True)
    for batch in (requests, requests, discriminator.batch(discriminator.pictures(65))):
        discriminator.score(batch)
    rise = discriminator.gauge(REMEMBERED) - before
    require(rise == 4, f"{REMEMBERED} rose by {rise:g}; expected 4 pictures")
