"""How files come, come again, change and go, as they stand in the raw tables afterwards.

The loader itself is tested elsewhere; here its tables are written without it, in milliseconds.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import md5

import duckdb

RAW_TABLES = {
    "generic": "generic_events",
    "amplitude": "amplitude_events",
    "matomo": "matomo_actions",
}
FIRST_LOAD = datetime(2022, 11, 20)

Row = Mapping[str, str | None]


@dataclass
class Deliveries:
    """The raw tables of a warehouse, and which file stands where."""

    connection: duckdb.DuckDBPyConnection
    kinds: Mapping[str, str]
    standing: dict[str, tuple[str, str, Sequence[Row]]] = field(default_factory=dict)
    """Source, path and rows of every file that is loaded, by its id."""
    count: int = 0

    def deliver(self, source: str, path: str, rows: Sequence[Row], *, replaces: bool) -> None:
        """Load a file; where it `replaces`, what came under its path before goes."""
        file_id = _hash(source, json.dumps(rows))
        older = [
            each
            for each, (of, at, _) in self.standing.items()
            if (of, at) == (source, path) and each != file_id
        ]
        if replaces:
            for each in older:
                self._take_out(each)
                del self.standing[each]
                self.connection.execute(
                    "update raw.load_files set superseded_by_file_id = $1 where file_id = $2 "
                    "and status = 'loaded' and superseded_by_file_id is null",
                    [file_id, each],
                )
        if file_id in self.standing:
            self._tell(file_id, source, path, "repeated", 0)
        else:
            self.standing[file_id] = (source, path, rows)
            self._tell(file_id, source, path, "loaded", len(rows))
            self._insert(file_id, source, rows, range(1, len(rows) + 1))

    def read_again(self, file_id: str, *, every: int) -> None:
        """Load a file anew by other options, by which only every so many records can be read."""
        source, _, rows = self.standing[file_id]
        self._take_out(file_id)
        self.count += 1
        numbers = range(1, len(rows) + 1)
        self._insert(file_id, source, rows, numbers[::every])
        unread = sorted(set(numbers) - set(numbers[::every]))
        self._write(
            "rejected_records",
            [
                {
                    "file_id": file_id,
                    "source_name": source,
                    "row_number": number,
                    "reason": "invalid_json",
                    "rejected_at": self._now,
                    "is_whole": True,
                }
                for number in unread
            ],
        )

    @property
    def _now(self) -> datetime:
        return FIRST_LOAD + timedelta(minutes=self.count)

    def _take_out(self, file_id: str) -> None:
        table = RAW_TABLES[self.kinds[self.standing[file_id][0]]]
        self.connection.execute(f"delete from raw.{table} where _file_id = $1", [file_id])
        for name in ("rejected_records", "file_fields"):
            self.connection.execute(f"delete from raw.{name} where file_id = $1", [file_id])

    def _tell(self, file_id: str, source: str, path: str, status: str, records: int) -> None:
        self.count += 1
        told = {
            "load_id": self.count,
            "file_id": file_id,
            "source_name": source,
            "source_kind": self.kinds[source],
            "raw_table": RAW_TABLES[self.kinds[source]],
            "path": path,
            "content_sha256": file_id,
            "status": status,
            "records_read": records,
            "records_loaded": records,
            "records_rejected": 0,
            "loaded_at": self._now,
        }
        self._write("load_files", [told])

    def _insert(
        self, file_id: str, source: str, rows: Sequence[Row], numbers: Sequence[int]
    ) -> None:
        given = [
            {
                "_source_name": source,
                "_source_timezone": "UTC",
                "_file_id": file_id,
                "_row_number": number,
                "_loaded_at": self._now,
                **rows[number - 1],
            }
            for number in numbers
        ]
        self._write(RAW_TABLES[self.kinds[source]], given)
        counts: dict[str, int] = defaultdict(int)
        for number in numbers:
            for name in [name for name, value in rows[number - 1].items() if value is not None]:
                counts[name] += 1
        self._write(
            "file_fields",
            [
                {
                    "file_id": file_id,
                    "source_name": source,
                    "field": name,
                    "data_type": "string",
                    "record_count": count,
                    "file_record_count": len(numbers),
                }
                for name, count in counts.items()
            ],
        )

    def _write(self, table: str, rows: Sequence[Mapping[str, object]]) -> None:
        """Insert rows of the same columns."""
        if not rows:
            return
        names = ", ".join(f'"{name}"' for name in rows[0])
        places = ", ".join(f"({', '.join('?' for _ in row)})" for row in rows)
        values = [value for row in rows for value in row.values()]
        self.connection.execute(f"insert into raw.{table} ({names}) values {places}", values)


def _hash(*parts: str) -> str:
    return md5("\x1f".join(parts).encode(), usedforsecurity=False).hexdigest()
