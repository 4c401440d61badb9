"""No picture that is held out is learned from, and no training picture is evaluated on: for every data set there is."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from spiral.datasets import Dataset, View
from spiral.datasets.celeba import CelebA
from spiral.datasets.emoji import Emoji
from spiral.datasets.faces import Faces
from spiral.datasets.folder import Folder
from spiral.datasets.mnist_sample import MnistSample
from spiral.datasets.prepared import Cache, collect
from spiral.datasets.quickdraw import QuickDraw
from spiral.datasets.reading import Chunk, PictureReader, digest
from spiral.datasets.registry import sources
from spiral.datasets.scenes import Scenes
from spiral.datasets.source import Source
from spiral.datasets.splits import in_test, in_validation
from spiral.evaluation.reference import Reference
from spiral.evaluation.runs import Targets as EvaluationTargets
from spiral.models.trained import Trained, targets_for
from spiral.models.with_torch import load_trained
from spiral.services.discriminator.judge import Targets
from tests.support.trained_run import make_trained_run
from tests.unit.datasets import (
    test_celeba,
    test_colour,
    test_datasets,
    test_folder,
    test_omniglot,
    test_quickdraw,
)
from tests.unit.evaluation.test_runs import pixels_encoder

VIEW = View(16, 16, False)


def omniglot(folder: Path) -> Source:
    return test_omniglot.zipped(test_omniglot.official(folder / "official"), folder)


def quickdraw(folder: Path) -> Source:
    test_quickdraw.official(folder)
    twice = np.concatenate([test_quickdraw.drawings(0)] * 2)
    np.save(folder / "zebra.npy", twice)  # in another class, too
    return QuickDraw()


def emoji(folder: Path) -> Source:
    test_colour.packed_emoji(folder)
    return Emoji()


def faces(folder: Path) -> Source:
    images = test_colour.some_faces()
    test_colour.packed_faces(folder, np.concatenate([images, images[:20]]))
    return Faces()


def celeba(folder: Path) -> Source:
    test_celeba.own_copy(folder)
    return CelebA()


def pictures(folder: Path) -> Source:
    test_folder.fill(folder, 40)
    for number in range(40):
        (folder / f"copy{number}.png").write_bytes((folder / f"{number:03}.png").read_bytes())
    return Folder(folder)


def scenes(folder: Path, source: Scenes) -> Source:
    source.get(folder, None, lambda file, done, total: None)
    return source


MADE: dict[str, Callable[[Path], Source]] = {
    "mnist-sample": lambda _: MnistSample(),
    "mnist": test_datasets.tiny_mnist,
    "omniglot": omniglot,
    "quickdraw": quickdraw,
    "emoji": emoji,
    "faces": faces,
    "celeba": celeba,
    "scenes": lambda folder: scenes(folder, Scenes(train=200, held_out=20)),
    "scenes-1": lambda folder: scenes(folder, Scenes("scenes-1", most=1, train=200, held_out=20)),
    "folder": pictures,
}


def drawn(rows: np.ndarray) -> set[bytes]:
    return set(map(bytes, rows))


EVERY = [*(source.name for source in sources()), "folder"]


@pytest.mark.parametrize("name", EVERY)
def test_the_splits_share_nothing_and_each_is_used_for_its_own(name: str, tmp_path: Path) -> None:
    source = MADE[name](tmp_path / name)
    mapped = source.read(tmp_path / name, VIEW, Cache((tmp_path / "prepared",), in_memory_bytes=0))
    for data in (source.read(tmp_path / name, VIEW), mapped):
        train, test = drawn(data.train), drawn(data.test)
        assert not train & test
        assert data.notes == ()
        targets = Targets(data, seed=0)
        assert drawn(targets.sample(200, test=False)) <= train
        assert drawn(targets.sample(200, test=True)) <= test
        assert drawn(EvaluationTargets.of(data, 200, seed=0).pictures) <= test


@pytest.mark.parametrize("name", EVERY)
def test_validation_pictures_come_from_those_for_training(name: str, tmp_path: Path) -> None:
    """In what order the others are drawn from, too: runs made before go on with the whole training set as they did."""
    source = MADE[name](tmp_path / name)
    whole = source.read(tmp_path / name, VIEW)
    assert whole.validation is None
    mapped = source.read(
        tmp_path / name, VIEW, Cache((tmp_path / "prepared",), in_memory_bytes=0), hold_out_validation=True
    )
    for data in (source.read(tmp_path / name, VIEW, hold_out_validation=True), mapped):
        assert data.validation is not None
        train, validation, test = drawn(data.train), drawn(data.validation), drawn(data.test)
        assert not train & (validation | test)
        assert not validation & test
        np.testing.assert_array_equal(data.test, whole.test)
        if name != "celeba":  # its own validation set has never been learned from
            assert data.count == whole.count
            assert data.checksum == whole.checksum
            assert drawn(whole.train) == train | validation
        held_out = np.array([bytes(picture) in validation for picture in whole.train])
        np.testing.assert_array_equal(data.train, whole.train[~held_out])
        if whole.train_labels is not None:
            np.testing.assert_array_equal(data.train_labels, whole.train_labels[~held_out])
            np.testing.assert_array_equal(data.validation_labels, whole.train_labels[held_out])
        targets = Targets(data, seed=0)
        assert drawn(targets.sample(200, test=False)) <= train
        assert drawn(targets.sample(200, test=True)) <= validation
        assert data.split("validation")[0] is data.validation
    with pytest.raises(ValueError, match="without a validation split"):
        whole.split("validation")


def test_the_share_for_validation_is_a_tenth_of_what_is_not_for_testing() -> None:
    digests = [hashlib.sha256(bytes([i // 256, i % 256])).digest() for i in range(20_000)]
    for test_share in (0.0, 0.2):
        test, validation = in_test(digests, test_share), in_validation(digests, test_share)
        assert not (test & validation).any()
        assert test.mean() == pytest.approx(test_share, abs=0.01)
        assert validation.mean() == pytest.approx((1 - test_share) / 10, abs=0.01)
        assert validation.tolist() == [
            test_share <= int.from_bytes(one[:4], "big") / 2**32 < test_share + (1 - test_share) / 10 for one in digests
        ]


@pytest.mark.parametrize("count", range(16, 26))
def test_each_split_of_few_pictures_has_at_least_one(count: int, tmp_path: Path) -> None:
    test_folder.fill(tmp_path, count, seed=count)
    whole, data = (Folder(tmp_path).read(tmp_path, VIEW, hold_out_validation=held) for held in (False, True))
    assert data.validation is not None
    assert min(len(data.train), len(data.validation), len(data.test)) >= 1
    assert drawn(data.test) == drawn(whole.test)


def test_two_different_pictures_are_too_few_for_three_splits(tmp_path: Path) -> None:
    test_folder.fill(tmp_path, 2)
    for number in range(14):
        (tmp_path / f"copy{number}.png").write_bytes((tmp_path / f"{number % 2:03}.png").read_bytes())
    assert len(Folder(tmp_path).read(tmp_path, VIEW).test) == 8
    with pytest.raises(ValueError, match=r"all 16 pictures are one or the other of two; expected at least 3"):
        Folder(tmp_path).read(tmp_path, VIEW, hold_out_validation=True)


def test_whole_alphabets_are_held_out(tmp_path: Path) -> None:
    data = omniglot(tmp_path).read(tmp_path, VIEW, hold_out_validation=True)
    assert data.validation_labels is not None
    assert data.train_labels is not None
    assert set(data.validation_labels) == {0, 1}  # those of Korean
    assert set(data.train_labels) == {2, 3}


def test_a_packed_omniglot_without_alphabets_can_only_be_learnt_from_whole(tmp_path: Path) -> None:
    source = omniglot(tmp_path)
    test_omniglot.packed(tmp_path, alphabets=False)
    assert len(source.read(tmp_path, VIEW).train) == 12
    with pytest.raises(ValueError, match='it has no array "alphabet"'):
        source.read(tmp_path, VIEW, hold_out_validation=True)


def test_a_split_that_names_a_picture_twice_is_said(tmp_path: Path) -> None:
    """Splits by hash can't; a file that names the splits may."""

    def chunks() -> Iterator[Chunk]:
        twice = np.repeat(np.arange(30, dtype=np.uint8), 2)[:, None, None, None].repeat(16, 1).repeat(16, 2)
        row = np.arange(60)
        yield Chunk(twice, row >= 57, row < 5, None, [digest(picture) for picture in twice])

    reader = PictureReader("twice", "", "", 60, 0, "once", chunks)
    for cache in (None, Cache((tmp_path,), in_memory_bytes=0), Cache((tmp_path,), in_memory_bytes=0)):
        (note,) = collect(reader, VIEW, cache).notes
        assert note.startswith("test pictures that the training split has, too: 1;")
        _, other = collect(reader, VIEW, cache, hold_out_validation=True).notes
        assert other.startswith("validation pictures that the training split has, too: 1;")


def test_a_set_whose_parts_are_the_same_memory_is_refused() -> None:
    whole = np.zeros((9, 8, 8, 1), np.uint8)
    Dataset("noise", whole[:6], whole[6:], None, None, "", "", "")
    with pytest.raises(ValueError, match="noise: train and test share pictures"):
        Dataset("noise", whole[:6], whole[5:], None, None, "", "", "")
    with pytest.raises(ValueError, match="noise: validation and test share pictures"):
        Dataset("noise", whole[:3], whole[6:], None, None, "", "", "", validation=whole[5:7])


def test_paintings_are_compared_with_test_pictures_and_begun_after_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = np.random.default_rng(1).integers(0, 256, (200, 32, 32, 1), dtype=np.uint8)
    light = Dataset("noise", images[:100] // 2 + 128, images[100:], None, None, "", "", "")
    dark = Dataset("noise", images[:100] // 2, images[100:], None, None, "", "", "")
    encoder = pixels_encoder()
    painted = encoder.encode(images[:50]).features
    one, other = (Reference.of(data, encoder) for data in (light, dark))
    assert one.distances(painted, seed=0) == other.distances(painted, seed=0)
    assert one.real_distances(50, seed=0) != other.real_distances(50, seed=0)

    trained = load_trained(make_trained_run(tmp_path, preset="mnist-reconstruct"))
    monkeypatch.setattr(Trained, "data", lambda *_: light)
    targets = targets_for(trained, 100, seed=0)
    assert targets is not None
    assert drawn(targets) <= drawn(light.test)
