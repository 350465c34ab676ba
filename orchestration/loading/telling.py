"""How far the load of a source has come. Pure."""

import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from orchestration.loading.finding import FoundFile


@dataclass(frozen=True)
class Progress:
    """How far the load of a source has come, in files to be read and the bytes they have."""

    source_name: str
    path: str
    file_number: int
    file_count: int
    records_read: int
    bytes_read: int
    bytes_in_all: int
    seconds: float

    @property
    def seconds_left(self) -> float | None:
        """Return how long the rest takes at the rate so far; None while that says nothing yet."""
        if not self.bytes_read or self.seconds < 1:
            return None
        return self.seconds * (self.bytes_in_all - self.bytes_read) / self.bytes_read


@dataclass
class Teller:
    """Tells how far the load of a source has come, of the files that are to be read."""

    source_name: str
    file_count: int
    bytes_in_all: int
    on_progress: Callable[[Progress], None] | None
    began: float = field(default_factory=time.monotonic)
    files_before: int = 0
    records_before: int = 0
    bytes_before: int = 0
    files: Sequence[FoundFile] = ()
    """Those that are being read, one or several at once."""

    def begin(self, *files: FoundFile) -> None:
        """Tell that these files are read now."""
        self.files = files
        self.tell(0, 0)

    def tell(self, records: int, size: int) -> None:
        """Tell of so many records and bytes of the present files."""
        if self.on_progress is None:
            return
        ends = list(accumulate(file.size_bytes for file in self.files))
        place = min(bisect_right(ends, size), len(ends) - 1)
        self.on_progress(
            Progress(
                self.source_name,
                self.files[place].shown_path,
                self.files_before + place + 1,
                self.file_count,
                self.records_before + records,
                self.bytes_before + size,
                self.bytes_in_all,
                time.monotonic() - self.began,
            )
        )

    @property
    def position(self) -> tuple[int, int, int]:
        """Return how far it is, for `go_back`."""
        return self.files_before, self.records_before, self.bytes_before

    def go_back(self, position: tuple[int, int, int]) -> None:
        """Begin anew from there: what came since is undone."""
        self.files_before, self.records_before, self.bytes_before = position

    def end(self, records: int) -> None:
        """Tell that they are dealt with, and had so many records."""
        size = sum(file.size_bytes for file in self.files)
        self.tell(records, size)
        self.files_before += len(self.files)
        self.records_before += records
        self.bytes_before += size
