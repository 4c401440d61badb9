"""Make mnist_sample.npz: the first 10,000 training and the first 1,000 test digits of MNIST.

    python -m spiral.datasets.mnist_sample.make FOLDER_WITH_THE_FOUR_IDX_FILES

The file is a zip of .npy arrays like any npz, but compressed with LZMA, a fifth smaller than deflate; `numpy.load`
reads it. Member dates are fixed, so the same digits give the same bytes.
"""

from __future__ import annotations

import argparse
import io
import sys
import zipfile
from pathlib import Path

import numpy as np

from spiral.datasets.mnist import FILES, read_verified
from spiral.datasets.mnist_sample import DATA_FILE

TRAIN_COUNT = 10_000
TEST_COUNT = 1_000
_FIXED_DATE = (1980, 1, 1, 0, 0, 0)


def main(argv: list[str]) -> int:
    """Read MNIST from the folder given and write the sample beside this script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder with the four idx files, plain or .gz")
    folder = parser.parse_args(argv).folder
    counts = (TRAIN_COUNT, TRAIN_COUNT, TEST_COUNT, TEST_COUNT)
    names = ("train_images", "train_labels", "test_images", "test_labels")
    with zipfile.ZipFile(DATA_FILE, "w", zipfile.ZIP_LZMA) as archive:
        for name, file, count in zip(names, FILES, counts, strict=True):
            content = io.BytesIO()
            np.lib.format.write_array(content, read_verified(folder, file).array[:count], allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _FIXED_DATE), content.getvalue(), zipfile.ZIP_LZMA)
    print(f"{DATA_FILE}: {DATA_FILE.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
