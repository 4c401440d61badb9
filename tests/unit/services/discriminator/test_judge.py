"""What a judge promises: exact pacing, one version a batch, the same answer twice, and resuming without a trace."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import PrivateAttr
from torch import nn

from spiral.configuration.schema import RunConfig
from spiral.objectives.discriminator import DiscriminatorObjective
from spiral.objectives.pictures import Loss, Pictures
from spiral.services.discriminator.build import build_judge
from spiral.services.discriminator.distances import DISTANCES
from spiral.services.discriminator.judge import Judge, Scores, Targets
from spiral.services.discriminator.learned_judge import LearnedJudge
from spiral.services.discriminator.network import Critic, build_network, to_input
from spiral.services.discriminator.statistics import RunningStatistics
from spiral.values.versions import Version
from tests.support.judging_data import SHAPE, config, dataset, observations, targets

CONFIGS = {
    "r1": config(),
    "lazy r1": config("discriminator.r1_every=3", "discriminator.replay=4", "discriminator.updates_per_batch=2"),
    "wgan-gp": config("discriminator.objective=wgan-gp", "discriminator.replay=3"),
    "afterwards": config("discriminator.update_first=false", "discriminator.updates_per_batch=3"),
    "conditional": config("conditional=true", "discriminator.objective=wgan-gp"),
    "spectral norm": config("discriminator.objective=spectral-norm", "discriminator.replay=2"),
    "complement": config("conditional=true", "discriminator.complement=halves", "discriminator.update_first=false"),
    "terms": config("conditional=true", "discriminator.complement=random", "discriminator.terms=[l2, colour-emd]"),
    "l2": config("conditional=true", "discriminator.kind=l2"),
    "l2 and colors": config("conditional=true", "discriminator.kind=l2", "discriminator.terms=[colour-emd, l2]"),
}


pytestmark = pytest.mark.usefixtures("one_thread")


def judge_of(config: RunConfig, generation: int = 1, seed: int = 7) -> Judge:
    return build_judge(config, SHAPE, dataset(), seed=seed, generation=generation)


def ask(judge: Judge, config: RunConfig, number: int, remember: bool = True) -> Scores:
    wanted = targets(1000 + number) if config.conditional else None
    return judge.score(f"batch {number}", observations(number), wanted, remember)


def assert_same(one: Scores, other: Scores) -> None:
    assert one.terms.keys() == other.terms.keys()
    for name, values in one.terms.items():
        np.testing.assert_array_equal(values, other.terms[name])
    assert (one.version.number, one.real, one.painted) == (other.version.number, other.real, other.painted)


def hinge_judge(config: RunConfig) -> tuple[LearnedJudge, Critic, Hinge]:
    """A judge, the network inside it, and its objective."""
    network, objective = build_network(SHAPE, config.discriminator.channels, config.conditional, seed=7), Hinge()
    data = dataset()
    judge = LearnedJudge(
        config.discriminator.model_copy(update={"objective": objective}),
        network,
        data,
        Targets(data, seed=7),
        conditional=config.conditional,
        device=torch.device("cpu"),
        seed=7,
        generation=1,
        clock=lambda: 0.0,
    )
    return judge, network, objective


class Hinge(DiscriminatorObjective):
    """One more objective, to see that it fits in: hinge loss. It keeps what it was shown."""

    _shown: list[Pictures] = PrivateAttr(default_factory=list)

    @property
    def shown(self) -> list[Pictures]:
        return self._shown

    def loss(self, network: nn.Module, pictures: Pictures, generator: torch.Generator, update: int) -> Loss:
        self._shown.append(pictures)
        real, painted = network(pictures.real, pictures.target), network(pictures.painted, pictures.target)
        total = torch.relu(1 - real).mean() + torch.relu(1 + painted).mean()
        return Loss(total, real.detach(), painted.detach())


@pytest.mark.parametrize("name", CONFIGS)
def test_two_judges_with_one_seed_agree_bit_for_bit(name: str) -> None:
    one, other = judge_of(CONFIGS[name]), judge_of(CONFIGS[name])
    for number in range(4):
        assert_same(ask(one, CONFIGS[name], number), ask(other, CONFIGS[name], number))
        one.pay_debt()
        other.pay_debt()


def test_another_seed_is_another_judge() -> None:
    one, other = judge_of(CONFIGS["r1"], seed=1), judge_of(CONFIGS["r1"], seed=2)
    scores = [ask(judge, CONFIGS["r1"], 0).terms["discriminator"] for judge in (one, other)]
    assert not np.array_equal(*scores)


@pytest.mark.parametrize("name", CONFIGS)
def test_resuming_equals_going_on_bit_for_bit(name: str) -> None:
    config = CONFIGS[name]
    one = judge_of(config)
    for number in range(3):
        ask(one, config, number)  # with update_first off, a debt is open here
    one.sample_targets(3, test=False)
    other = judge_of(config, generation=2, seed=99)
    other.restore(one.state())
    assert other.version == Version(2, one.version.number)
    assert other.debt == one.debt
    assert_same(ask(one, config, 2), ask(other, config, 2))  # a repetition
    np.testing.assert_array_equal(one.sample_targets(5, test=False), other.sample_targets(5, test=False))
    for number in range(3, 7):
        assert len(one.pay_debt()) == len(other.pay_debt())
        assert_same(ask(one, config, number), ask(other, config, number))


def test_a_state_is_not_touched_by_what_comes_after() -> None:
    config = CONFIGS["lazy r1"]
    one, other = judge_of(config), judge_of(config)
    ask(one, config, 0)
    ask(other, config, 0)
    state = one.state()
    for number in range(1, 6):
        ask(one, config, number)
    resumed = judge_of(config)
    resumed.restore(state)
    assert_same(ask(resumed, config, 9), ask(other, config, 9))


@pytest.mark.parametrize(("per_batch", "first"), [(0, True), (1, True), (5, True), (3, False)])
def test_updates_follow_remembered_batches_exactly(per_batch: int, first: bool) -> None:
    chosen = config(f"discriminator.updates_per_batch={per_batch}", f"discriminator.update_first={first}")
    judge = judge_of(chosen)
    made = 0
    for number in range(6):
        scores = ask(judge, chosen, number, remember=number % 2 == 0)
        made += len(scores.updates) + len(judge.pay_debt())
        assert made == judge.version.number == per_batch * (number // 2 + 1)
        assert judge.debt == 0


def test_updates_come_before_or_after_the_scores_as_configured() -> None:
    first, afterwards = judge_of(CONFIGS["r1"]), judge_of(CONFIGS["afterwards"])
    assert ask(first, CONFIGS["r1"], 0).version.number == 1
    assert ask(afterwards, CONFIGS["afterwards"], 0).version.number == 0
    assert afterwards.debt == 3
    assert len(afterwards.pay_debt()) == 3
    assert ask(afterwards, CONFIGS["afterwards"], 1).version.number == 3


def test_a_debt_that_nobody_pays_stays_that_of_one_batch() -> None:
    config = CONFIGS["afterwards"]
    judge = judge_of(config)
    for number in range(4):
        ask(judge, config, number)
        assert judge.debt == 3
    assert judge.version.number == 9


@pytest.mark.parametrize("name", CONFIGS)
def test_a_repeated_batch_gets_the_same_answer_and_changes_nothing(name: str) -> None:
    config = CONFIGS[name]
    judge = judge_of(config)
    answers = [ask(judge, config, number) for number in range(3)]
    before = judge.state()
    for number in (1, 2, 0):
        again = ask(judge, config, number)
        assert_same(again, answers[number])
        assert again.repeated
        assert again.updates == ()
    after = judge.state()
    assert after.counters == before.counters
    for group, tensors in before.tensors.items():
        for key, tensor in tensors.items():
            assert torch.equal(tensor, after.tensors[group][key]), (group, key)


def test_what_is_not_remembered_changes_no_weights() -> None:
    judge = judge_of(CONFIGS["r1"])
    before = judge.state()
    scores = ask(judge, CONFIGS["r1"], 0, remember=False)
    assert scores.version.number == 0
    assert scores.real.count == scores.painted.count == 0
    for name, weight in judge.state().tensors["network"].items():
        assert torch.equal(weight, before.tensors["network"][name])


def test_all_scores_of_a_batch_are_by_the_version_it_names() -> None:
    """Asked again frame by frame, without learning in between, the same weights say the same."""
    config = CONFIGS["r1"]
    judge = judge_of(config)
    shown = observations(0, frames=4)
    together = judge.score("all", shown, None, remember=True)
    for frame in range(4):
        alone = judge.score(f"frame {frame}", shown[frame : frame + 1], None, remember=False)
        assert alone.version == together.version
        np.testing.assert_allclose(
            alone.terms["discriminator"][0], together.terms["discriminator"][frame], rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize("conditional", [False, True])
def test_pictures_that_repeat_themselves_are_judged_as_if_they_did_not(conditional: bool) -> None:
    """Moves leave the picture as it is and the start is blank everywhere: those scores are copied, not computed."""
    chosen = config(f"conditional={conditional}")
    judge, network, _ = hinge_judge(chosen)
    shown = observations(3, frames=5, batch=7)
    shown[2, ::2] = shown[1, ::2]
    shown[3, :4] = shown[2, :4]
    shown[4, 0] = shown[0, 0]  # back to the start after having been something else
    wanted = targets(3, batch=7) if conditional else None
    scores = judge.score("a", shown, wanted, remember=False).terms["discriminator"]
    target = None if wanted is None else to_input(wanted, torch.device("cpu"))
    with torch.no_grad():
        expected = np.stack([network(to_input(frame, torch.device("cpu")), target).numpy() for frame in shown])
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-6)
    assert scores.dtype == np.float32
    assert (scores[2, ::2] == scores[1, ::2]).all()


def test_it_learns_to_tell_paintings_from_data() -> None:
    """Data are light and paintings dark; the margin between their scores must grow from nothing."""
    judge = judge_of(config("discriminator.learning_rate=0.005"))
    for number in range(40):
        scores = ask(judge, CONFIGS["r1"], number)
    assert scores.real.mean - scores.painted.mean > 1
    assert scores.real.mean - 2 * scores.real.deviation > scores.painted.mean + 2 * scores.painted.deviation
    finals = scores.terms["discriminator"][-1]
    assert finals.mean() == pytest.approx(scores.painted.mean, abs=1)


def test_it_learns_from_training_pictures_alone() -> None:
    judge, _, objective = hinge_judge(config("discriminator.updates_per_batch=30"))
    data, cpu = dataset(), torch.device("cpu")
    train, test = ({picture.tobytes() for picture in to_input(part, cpu).numpy()} for part in (data.train, data.test))
    seen = observations(0)
    judge.score("a", seen, None, remember=True)
    real = {picture.tobytes() for shown in objective.shown for picture in shown.real.numpy()}
    assert real == train
    assert not real & test
    painted = {picture.tobytes() for shown in objective.shown for picture in shown.painted.numpy()}
    assert painted == {picture.tobytes() for picture in to_input(seen[-1], cpu).numpy()}


def test_it_learns_from_paintings_beside_their_own_targets() -> None:
    """Each painting is its target darkened, so that a pair says whether it belongs together."""
    judge, _, objective = hinge_judge(config("conditional=true", "discriminator.replay=3"))
    for number in range(5):
        wanted = targets(number)
        seen = np.full((2, *wanted.shape), 255, np.uint8)
        seen[-1] = wanted - 128
        judge.score(f"batch {number}", seen, wanted, True, None if number else np.arange(len(wanted)) % 2 == 0)
    assert len(objective.shown) == 5
    for shown in objective.shown:
        assert shown.target is not None
        assert torch.equal(shown.real, shown.target)
        torch.testing.assert_close(shown.painted, shown.target - 128 / 127.5)


def test_running_statistics_are_those_of_the_scores_with_older_batches_fading() -> None:
    running = RunningStatistics()
    batches = [np.random.default_rng(n).normal(n, 2, 50).astype(np.float32) for n in range(5)]
    for scores in batches:
        running.add(scores)
    weights = np.repeat([0.9 ** (4 - n) for n in range(5)], 50)
    values = np.concatenate(batches).astype(np.float64)
    mean = np.average(values, weights=weights)
    now = running.now()
    assert now.mean == pytest.approx(mean)
    assert now.deviation == pytest.approx(np.sqrt(np.average((values - mean) ** 2, weights=weights)))
    assert now.count == round(weights.sum())


def test_l2_is_the_distance_to_the_target() -> None:
    judge = judge_of(CONFIGS["l2"])
    shown, wanted = observations(0, frames=3, batch=2), targets(0, batch=2)
    shown[2, 0] = wanted[0]
    shown[2, 1], wanted[1] = 0, 255
    scores = judge.score("a", shown, wanted, remember=True)
    for frame, episode in np.ndindex(3, 2):
        difference = shown[frame, episode].astype(float) / 255 - wanted[episode].astype(float) / 255
        expected = -np.sqrt(sum(d * d for d in difference.reshape(-1))) / np.sqrt(np.prod(SHAPE))
        assert scores.terms["l2"][frame, episode] == pytest.approx(expected, abs=1e-6)
    assert scores.terms["l2"][2].tolist() == [0.0, -1.0]
    assert (scores.real.mean, scores.painted.mean) == (0.0, -0.5)


def test_colour_emd_is_the_cost_of_moving_one_histogram_onto_the_other() -> None:
    """Against the difference of cumulated histograms, which is what the distance is in one dimension."""
    shape = (5, 4, 3)
    generator = np.random.default_rng(1)
    one, other = (generator.integers(0, 256, (6, *shape), dtype=np.uint8) for _ in range(2))
    one[0], other[0] = 0, 255
    other[1] = one[1].reshape(-1, 3)[generator.permutation(20)].reshape(shape)  # elsewhere, but the same colors
    expected = []
    for painting, target in zip(one, other, strict=True):
        costs = []
        for channel in range(3):
            of, to = (np.bincount(p[..., channel].reshape(-1), minlength=256) / 20 for p in (painting, target))
            costs.append(np.abs(np.cumsum(of - to)).sum() / 255)
        expected.append(-np.mean(costs))
    np.testing.assert_allclose(DISTANCES["colour-emd"](one, other), expected, atol=1e-6)
    assert expected[:2] == [-1.0, 0.0]


@pytest.mark.parametrize("name", ["terms", "l2 and colors"])
def test_every_term_of_a_batch_is_that_of_its_pictures(name: str) -> None:
    judge, shown, wanted = judge_of(CONFIGS[name]), observations(2, frames=4), targets(2)
    shown[2, :3] = shown[1, :3]
    scores = judge.score("a", shown, wanted, remember=True)
    assert list(scores.terms) == (["discriminator", "l2", "colour-emd"] if name == "terms" else ["l2", "colour-emd"])
    for term, distance in DISTANCES.items():
        expected = np.stack([distance(frame, wanted) for frame in shown])
        np.testing.assert_allclose(scores.terms[term], expected, atol=1e-6)
        assert scores.terms[term].dtype == np.float32


def test_an_episode_is_scored_under_one_mask() -> None:
    """A picture that differs from the blank start only where the mask hides it scores as the blank start does."""
    chosen = config("conditional=true", "discriminator.complement=halves", "discriminator.learning_rate=0.01")
    judge, wanted = judge_of(chosen), targets(0, batch=64)
    shown = np.full((3, 64, *SHAPE), 255, np.uint8)
    shown[1, :, :, :8], shown[2, :, :, 8:] = 0, 0  # the left half, then the right half alone
    scores = judge.score("a", shown, wanted, remember=True).terms["discriminator"]
    left, right = scores[1] != scores[0], scores[2] != scores[0]
    assert 8 < (left & ~right).sum() < 24
    assert 8 < (right & ~left).sum() < 24
    assert (left | right).all()


def test_targets_come_from_the_split_that_is_asked_for_and_change_nothing() -> None:
    data = dataset()
    judge, undisturbed = judge_of(CONFIGS["r1"]), judge_of(CONFIGS["r1"])
    train = {picture.tobytes() for picture in data.train}
    test = {picture.tobytes() for picture in data.test}
    drawn = [picture.tobytes() for picture in judge.sample_targets(200, test=False)]
    assert not train & test
    assert set(drawn) == train
    assert {picture.tobytes() for picture in judge.sample_targets(200, test=True)} == test
    assert_same(ask(judge, CONFIGS["r1"], 0), ask(undisturbed, CONFIGS["r1"], 0))


@pytest.mark.parametrize("kind", ["learned", "l2"])
def test_targets_to_learn_from_come_several_times_in_a_row(kind: str) -> None:
    settings = ("conditional=true", f"discriminator.kind={kind}")
    once = judge_of(config(*settings)).sample_targets(3, test=False)
    judge = judge_of(config(*settings, "learner.paintings_per_target=4"))
    np.testing.assert_array_equal(judge.sample_targets(11, test=False), once.repeat(4, axis=0)[:11])
    assert len({picture.tobytes() for picture in judge.sample_targets(40, test=True)}) > 14


def test_building_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    ask(judge_of(CONFIGS["wgan-gp"]), CONFIGS["wgan-gp"], 0)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("name", ["r1", "conditional", "l2"])
def test_only_the_paintings_of_episodes_that_end_are_remembered(name: str) -> None:
    judge, settings = judge_of(CONFIGS[name]), CONFIGS[name]
    wanted = targets(1000) if settings.conditional else None
    seen = observations(0)
    ends = np.zeros(seen.shape[1], np.bool_)
    first = judge.score("none", seen, wanted, True, ends)
    # Nothing has been kept yet from which to learn.
    assert (first.version.number, first.painted.count) == (0, 0)
    ends[[0, 2]] = True
    judge.score("two", seen, wanted, True, ends)
    if isinstance(judge, LearnedJudge):
        assert len(judge._replay) == 2
        kept = judge._replay.tensors()["0.paintings"]
        np.testing.assert_array_equal(kept.numpy(), seen[-1, [0, 2]])
        assert judge.version.number == settings.discriminator.updates_per_batch
        # A batch in whose midst all episodes are earns its updates too, of what was kept before.
        judge.score("none again", seen, wanted, True, np.zeros_like(ends))
        assert judge.version.number == 2 * settings.discriminator.updates_per_batch
        assert len(judge._replay) == 2
    else:
        assert judge.score("two", seen, wanted, True, ends).painted.count == 2
