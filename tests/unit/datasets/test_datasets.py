"""The data sets: views, the embedded sample, MNIST, and the words for what is missing or damaged."""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spiral.datasets import DatasetMissingError, View, catalogue, check, data_root, get, load, views
from spiral.datasets.mnist import FILES, Mnist, MnistFile
from spiral.datasets.mnist_sample import DATA_FILE, MnistSample

DATA = Path(os.environ.get("SPIRAL_DATA", "/nonexistent"))
needs_mnist = pytest.mark.skipif(
    not (DATA / "mnist").is_dir(), reason="the full MNIST is not here: set SPIRAL_DATA to a folder with mnist/ in it"
)


def idx_bytes(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def tiny_mnist(folder: Path, *, labels: int = 20, compress: bool = False, seed: int = 0) -> Mnist:
    """Write 20 + 10 made-up digits and return the source that expects exactly them."""
    rng = np.random.default_rng(seed)
    arrays = (
        rng.integers(0, 256, (20, 28, 28), dtype=np.uint8),
        rng.integers(0, 10, labels, dtype=np.uint8),
        rng.integers(0, 256, (10, 28, 28), dtype=np.uint8),
        rng.integers(0, 10, 10, dtype=np.uint8),
    )
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for file, array in zip(FILES, arrays, strict=True):
        content = idx_bytes(array)
        path = folder / (f"{file.name}.gz" if compress else file.name)
        path.write_bytes(gzip.compress(content) if compress else content)
        files.append(MnistFile(file.name, file.axes, hashlib.md5(content).hexdigest()))
    return Mnist(files=(files[0], files[1], files[2], files[3]))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy
@given(
    factor=st.integers(1, 4),
    shape=st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), st.sampled_from([1, 3])),
    seed=st.integers(0, 2**16),
)
def test_area_average_is_the_mean_rounded_half_up(factor: int, shape: tuple[int, int, int, int], seed: int):
    count, height, width, channels = shape
    images = np.random.default_rng(seed).integers(
        0, 256, (count, height * factor, width * factor, channels), dtype=np.uint8
    )
    averaged = views.area_average(images, factor)
    for n, y, x, c in np.ndindex(*shape):
        block = images[n, y * factor : (y + 1) * factor, x * factor : (x + 1) * factor, c].tolist()
        total = sum(sum(row) for row in block)
        assert averaged[n, y, x, c] == int(total / factor**2 + 0.5)


def test_area_average_refuses_a_factor_that_does_not_divide():
    with pytest.raises(ValueError, match="factor 3 does not divide 32×32"):
        views.area_average(np.zeros((1, 32, 32, 1), np.uint8), 3)


def test_digits_are_padded_never_stretched():
    stored = np.arange(784, dtype=np.uint32).reshape(1, 28, 28).astype(np.uint8)
    at_32 = views.digits(stored, View(32, 32, False))
    np.testing.assert_array_equal(at_32[0, 2:30, 2:30, 0], 255 - stored[0])
    assert (at_32[0, :2] == 255).all()
    assert (at_32[0, :, 30:] == 255).all()
    np.testing.assert_array_equal(views.digits(stored, View(16, 16, False)), views.area_average(at_32, 2))


def test_at_64_each_pixel_is_doubled_bilinearly():
    stored = np.random.default_rng(0).integers(0, 256, (1, 28, 28), dtype=np.uint8)
    small = views.digits(stored, View(32, 32, False))[0, :, :, 0].astype(float)
    large = views.digits(stored, View(64, 64, False))[0, :, :, 0].astype(float)
    # Doubling puts new pixels a quarter of the way toward each neighbor.
    for y in range(1, 63):
        for x in range(1, 63):
            y0, x0 = y // 2, x // 2
            y1, x1 = (y0 + 1 if y % 2 else y0 - 1), (x0 + 1 if x % 2 else x0 - 1)
            near = 0.75 * (0.75 * small[y0, x0] + 0.25 * small[y0, x1])
            far = 0.25 * (0.75 * small[y1, x0] + 0.25 * small[y1, x1])
            assert abs(near + far - large[y, x]) <= 1.0


@pytest.mark.parametrize(("height", "width"), [(32, 32), (16, 16), (64, 64), (48, 48), (32, 64), (96, 40)])
@pytest.mark.parametrize("colour", [False, True])
def test_every_view_has_its_shape_and_white_paper(height: int, width: int, colour: bool):
    data = views.digits(np.full((2, 28, 28), 255, np.uint8), View(height, width, colour))
    assert data.shape == (2, height, width, 3 if colour else 1)
    assert data.flags.c_contiguous
    assert (data[:, 0, 0] == 255).all()
    assert (data[:, height // 2, width // 2] == 0).all()


def test_a_view_outside_the_limits_is_a_sentence():
    with pytest.raises(ValueError, match="view height: 4 is outside 8…1024 pixels"):
        load("mnist-sample", 4)


def test_the_sample_is_what_it_says():
    data = load("mnist-sample", 32)
    assert data.train.shape == (10_000, 32, 32, 1)
    assert data.test.shape == (1_000, 32, 32, 1)
    assert data.train_labels is not None
    assert data.train_labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert data.train.dtype == np.uint8
    assert data.train.mean() > 200  # ink is dark on white
    assert "CC BY-SA 3.0" in data.licence
    assert DATA_FILE.stat().st_size < 2 * 2**20
    assert load("mnist-sample", 16, colour=True).checksum == data.checksum


def test_a_damaged_sample_is_refused(tmp_path: Path):
    damaged = tmp_path / "sample.npz"
    damaged.write_bytes(DATA_FILE.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"damaged: its SHA-256 is .*; expected [0-9a-f]{64}\. Install again"):
        MnistSample(file=damaged).read(tmp_path, View(32, 32, False))


@needs_mnist
def test_the_sample_is_the_beginning_of_mnist():
    full, sample = load("mnist", 32, root=DATA), load("mnist-sample", 32)
    assert full.train.shape == (60_000, 32, 32, 1)
    assert full.test.shape == (10_000, 32, 32, 1)
    assert not set(map(bytes, full.train)) & set(map(bytes, full.test))
    np.testing.assert_array_equal(full.train[:10_000], sample.train)
    np.testing.assert_array_equal(full.test[:1_000], sample.test)
    assert full.test_labels is not None
    assert np.bincount(full.test_labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@pytest.mark.parametrize("compress", [False, True])
def test_mnist_is_read_plain_or_compressed(tmp_path: Path, compress: bool):
    data = tiny_mnist(tmp_path, compress=compress).read(tmp_path, View(32, 32, False))
    assert data.train.shape == (20, 32, 32, 1)
    assert data.test_labels is not None
    assert data.test_labels.dtype == np.int64


def test_mnist_with_another_content_is_refused(tmp_path: Path):
    tiny_mnist(tmp_path)
    with pytest.raises(ValueError, match=r"MD5 .*; expected 6bbc9ace898e44ae57da46a324031adb"):
        Mnist().read(tmp_path, View(32, 32, False))


def test_counts_that_disagree_are_refused(tmp_path: Path):
    source = tiny_mnist(tmp_path, labels=19)
    with pytest.raises(ValueError, match="20 pictures but 19 labels"):
        source.read(tmp_path, View(32, 32, False))


def test_a_missing_set_names_the_command(tmp_path: Path):
    with pytest.raises(DatasetMissingError, match=r"Get it with: spiral data get mnist$"):
        load("mnist", 32, root=tmp_path)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("mnist-smaple", "did you mean mnist-sample"),
        (
            "zebra",
            '"zebra" is unknown; Known: mnist-sample, mnist, omniglot, quickdraw, emoji, faces, celeba, '
            "scenes, scenes-1, folder:PATH",
        ),
        ("folder:", "names no directory"),
        ("folder:/no/such/place", "/no/such/place does not exist"),
    ],
)
def test_an_unknown_name_is_a_sentence(name: str, says: str):
    with pytest.raises(ValueError, match=says):
        load(name, 32)


def test_the_root_is_the_variable_or_the_cache_folder(tmp_path: Path):
    assert data_root({"SPIRAL_DATA": str(tmp_path)}) == tmp_path
    assert data_root({}).name == "data"


def test_the_catalogue_says_what_is_there(tmp_path: Path):
    entries = {entry.name: entry for entry in catalogue(tmp_path)}
    assert entries["mnist-sample"].present
    assert not entries["mnist"].present
    assert entries["mnist"].missing == "train-images-idx3-ubyte (plain or .gz) is missing"
    assert all(entry.source and entry.licence for entry in entries.values())


@needs_mnist
def test_get_from_a_directory_and_check(tmp_path: Path):
    assert get("mnist", from_dir=DATA / "mnist", root=tmp_path) == tmp_path / "mnist"
    assert len(check("mnist", root=tmp_path).test) == 10_000
    assert not list(tmp_path.rglob("*.part"))


def test_get_names_a_directory_that_is_not_there(tmp_path: Path):
    with pytest.raises(ValueError, match="absent: no such directory"):
        get("mnist", from_dir=tmp_path / "absent", root=tmp_path)


def test_the_package_imports_without_torch():
    code = (
        "import sys; sys.modules['torch'] = None; import spiral.datasets as d, spiral.pictures; d.check('mnist-sample')"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
