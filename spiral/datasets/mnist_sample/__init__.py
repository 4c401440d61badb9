"""`mnist-sample`: the digits that come with the package, 10,000 for training and 1,000 for testing, with labels."""

from __future__ import annotations

import hashlib
import io
import lzma
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spiral.datasets import views
from spiral.datasets.dataset import Dataset, Progress, View
from spiral.datasets.holding_out import validation_held_out
from spiral.datasets.mnist import checked_labels
from spiral.datasets.prepared import Cache

DATA_FILE = Path(__file__).with_name("mnist_sample.npz")
SHA256 = "7578aaa867b3ea69076fe19d4a62e5c2674991527336b52d7d26a3caecc59ad6"


@dataclass(frozen=True, slots=True)
class MnistSample:
    """The source `mnist-sample`; the file and its SHA-256 are arguments."""

    file: Path = DATA_FILE
    sha256: str = SHA256
    name: str = "mnist-sample"
    origin: str = "the first 10,000 + 1,000 digits of MNIST, Yann LeCun and Corinna Cortes; embedded in the package"
    licence: str = "CC BY-SA 3.0, © Yann LeCun and Corinna Cortes, derived from NIST"
    how_to_get: str = ""

    def missing(self, folder: Path) -> str | None:
        """Say so if the package was installed without its file; there is nothing to get."""
        return None if self.file.is_file() else f"{self.file} is missing: the package is incomplete, install it again"

    def read(
        self, folder: Path, view: View, cache: Cache | None = None, *, hold_out_validation: bool = False
    ) -> Dataset:
        """Read the embedded file, check its SHA-256 and bring the digits to the view."""
        arrays = self._arrays()
        whole = Dataset(
            name=self.name,
            train=views.digits(arrays["train_images"], view),
            test=views.digits(arrays["test_images"], view),
            train_labels=checked_labels(arrays["train_images"], arrays["train_labels"], f"{self.name} train"),
            test_labels=checked_labels(arrays["test_images"], arrays["test_labels"], f"{self.name} test"),
            source=self.origin,
            licence=self.licence,
            checksum=self.sha256,
        )
        return validation_held_out(whole, arrays["train_images"]) if hold_out_validation else whole

    def get(self, folder: Path, from_dir: Path | None, progress: Progress) -> None:
        """There is nothing to get: a ValueError only if the package lacks the file."""
        if (absent := self.missing(folder)) is not None:
            raise ValueError(absent)

    def _arrays(self) -> dict[str, NDArray[np.uint8]]:
        try:
            content = self.file.read_bytes()
        except OSError as error:
            raise ValueError(f"{self.file}: cannot be read ({error.strerror or error}); install again") from error
        digest = hashlib.sha256(content).hexdigest()
        if digest != self.sha256:
            raise ValueError(f"{self.file}: damaged: its SHA-256 is {digest}; expected {self.sha256}. Install again")
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
        except (zipfile.BadZipFile, lzma.LZMAError, NotImplementedError, RuntimeError) as error:
            raise ValueError(f"{self.file}: cannot be unpacked ({error}); this Python may lack lzma") from error
