"""Rejected records on their way to the quarantine: in memory while few, on disk when many. Pure."""

import os
import pickle
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import SpooledTemporaryFile

from orchestration.loading.text import Rejection

_MEMORY_BYTES = 4 << 20


class Rejections:
    """Rejected records in the order in which they were added; they may be gone through again."""

    def __init__(self, folder: Path, first: Iterable[Rejection] = ()) -> None:
        """Begin with these; they lie in the folder once they are many."""
        self._file = SpooledTemporaryFile(_MEMORY_BYTES, dir=folder)  # noqa: SIM115
        self._count = 0
        self.extend(first)

    def extend(self, rejections: Iterable[Rejection]) -> None:
        """Add them."""
        self._file.seek(0, os.SEEK_END)
        for rejection in rejections:
            pickle.dump(rejection, self._file)
            self._count += 1

    def __len__(self) -> int:
        """Return how many they are."""
        return self._count

    def __iter__(self) -> Iterator[Rejection]:
        """Yield them; none may be added meanwhile."""
        self._file.seek(0)
        for _ in range(self._count):
            yield pickle.load(self._file)
