"""Getting a set from a folder, or from a server that cuts the line, sends wrong bytes, knows no ranges, or refuses."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from spiral.datasets import View
from spiral.datasets.mnist import Mnist
from tests.support.file_server import Server, serving
from tests.unit.datasets.test_datasets import tiny_mnist

VIEW = View(32, 32, False)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path / "served") as server:
        server.wrong = gzip.compress(b"something else")
        yield server


@pytest.fixture
def source(server: Server) -> Mnist:
    made = tiny_mnist(server.folder, compress=True)
    return Mnist(files=made.files, mirrors=(server.address,))


def quiet(file: str, done_bytes: int, total_bytes: int | None) -> None:
    pass


def test_a_download_reports_progress_and_is_readable(source: Mnist, tmp_path: Path):
    calls: list[tuple[str, int, int | None]] = []
    source.get(tmp_path / "mnist", None, lambda *call: calls.append(call))
    assert len(source.read(tmp_path / "mnist", VIEW).train) == 20
    last = [call for call in calls if call[0] == "train-images-idx3-ubyte.gz"][-1]
    assert last[1] == last[2] == (tmp_path / "mnist" / "train-images-idx3-ubyte.gz").stat().st_size
    assert not list(tmp_path.rglob("*.part"))


def test_what_is_there_is_not_asked_for_again(source: Mnist, server: Server, tmp_path: Path):
    source.get(tmp_path, None, quiet)
    server.asked.clear()
    source.get(tmp_path, None, quiet)
    assert server.asked == []


def test_a_cut_connection_is_resumed(source: Mnist, server: Server, tmp_path: Path):
    server.cuts = 2
    source.get(tmp_path, None, quiet)
    assert len(source.read(tmp_path, VIEW).train) == 20
    assert [wanted is not None for _, wanted in server.asked[:3]] == [False, True, True]


def test_a_server_without_ranges_starts_anew(source: Mnist, server: Server, tmp_path: Path):
    server.cuts, server.ranges = 1, False
    source.get(tmp_path, None, quiet)
    assert len(source.read(tmp_path, VIEW).train) == 20


def test_an_earlier_beginning_is_resumed_and_a_wrong_one_thrown_away(source: Mnist, server: Server, tmp_path: Path):
    whole = (server.folder / "train-images-idx3-ubyte.gz").read_bytes()
    part = tmp_path / "train-images-idx3-ubyte.gz.part"
    part.write_bytes(whole[:100])
    (tmp_path / "t10k-images-idx3-ubyte.gz.part").write_bytes(b"not the beginning of it")
    source.get(tmp_path, None, quiet)
    assert server.asked[0][1] == "bytes=100-"
    assert len(source.read(tmp_path, VIEW).test) == 10


def test_a_beginning_longer_than_the_file_is_thrown_away(source: Mnist, server: Server, tmp_path: Path):
    whole = (server.folder / "train-labels-idx1-ubyte.gz").read_bytes()
    (tmp_path / "train-labels-idx1-ubyte.gz.part").write_bytes(whole + b"more")
    source.get(tmp_path, None, quiet)
    assert len(source.read(tmp_path, VIEW).train) == 20


def test_wrong_bytes_are_refused_and_leave_nothing(source: Mnist, server: Server, tmp_path: Path):
    server.lies = 100
    with pytest.raises(ValueError, match=r"could not be downloaded: .*magic number.*--from DIR"):
        source.get(tmp_path / "mnist", None, quiet)
    assert list((tmp_path / "mnist").iterdir()) == []


def test_the_next_address_helps_where_one_lies(source: Mnist, server: Server, tmp_path: Path):
    server.lies = 1
    twice = Mnist(files=source.files, mirrors=(server.address, server.address))
    twice.get(tmp_path, None, quiet)
    assert len(twice.read(tmp_path, VIEW).train) == 20


def test_a_refusal_is_named(source: Mnist, server: Server, tmp_path: Path):
    server.status = 403
    with pytest.raises(ValueError, match="HTTP 403"):
        source.get(tmp_path, None, quiet)
    assert len(server.asked) == 1


def test_nobody_at_the_address_is_named(source: Mnist, tmp_path: Path):
    lonely = Mnist(files=source.files, mirrors=("http://127.0.0.1:9/",))
    with pytest.raises(ValueError, match=r"127.0.0.1:9/train-images-idx3-ubyte.gz: .*refused"):
        lonely.get(tmp_path, None, quiet)


def test_a_file_that_is_damaged_or_another_is_replaced_and_kept(source: Mnist, server: Server, tmp_path: Path):
    for from_dir in (None, server.folder):
        for name in ("train-labels-idx1-ubyte", "t10k-images-idx3-ubyte.gz"):
            (tmp_path / name).write_bytes(b"of Fashion-MNIST")
        source.get(tmp_path, from_dir, quiet)
        assert len(source.read(tmp_path, VIEW).train) == 20
    kept = sorted(path.name for path in tmp_path.glob("*.before-*") if path.read_bytes() == b"of Fashion-MNIST")
    names = ("t10k-images-idx3-ubyte.gz", "train-labels-idx1-ubyte")
    assert kept == [f"{name}.before-{number}" for name in names for number in (1, 2)]


def test_from_a_folder_that_lacks_or_damages_a_file(source: Mnist, server: Server, tmp_path: Path):
    labels = server.folder / "t10k-labels-idx1-ubyte.gz"
    good = labels.read_bytes()
    labels.write_bytes(good[:-9])
    with pytest.raises(ValueError, match=r"t10k-labels-idx1-ubyte.gz: damaged gzip"):
        source.get(tmp_path / "mnist", server.folder, quiet)
    labels.unlink()
    with pytest.raises(ValueError, match=r"t10k-labels-idx1-ubyte .* is not there"):
        source.get(tmp_path / "mnist", server.folder, quiet)
    assert not list((tmp_path / "mnist").glob("t10k-labels*"))
    labels.write_bytes(good)
    source.get(tmp_path / "mnist", server.folder, quiet)
    assert server.asked == []
    assert len(source.read(tmp_path / "mnist", VIEW).test) == 10
