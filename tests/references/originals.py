"""What events of a re-encoded export must agree on with the original, loaded as `generic`."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.references.warehouses import BuiltWarehouse

# The name of the demo source, because definitions of its event names exist for that name.
ORIGINAL = "demo_shop"


def original_source(folder: Path, rows: Sequence[dict[str, str]]) -> dict[str, Any]:
    """Write the rows as the CSV export that they come from, and return the source that reads it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "original.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return {
        "name": ORIGINAL,
        "kind": "generic",
        "path": str(folder),
        "user_namespace": ORIGINAL,
        "mapping": {
            "event_name": "event",
            "occurred_at": "timestamp",
            "user_id": "user_id",
            "session_id": "session_id",
            "device_category": "platform",
        },
    }


def told_by(warehouse: BuiltWarehouse, source_name: str) -> list[tuple[Any, ...]]:
    """Return what any encoding of the same events must say of them: what, when, who, session."""
    with warehouse.connect() as connection:
        return connection.execute(
            """
            select
                event_name, occurred_at, user_id, device_category,
                min(occurred_at) over session as session_started_at,
                count(*) over session as session_events
            from marts.events
            where source_name = $1
            window session as (partition by session_id)
            order by all
            """,
            [source_name],
        ).fetchall()


def accounts(warehouse: BuiltWarehouse, source_name: str) -> dict[str, int]:
    """Return how many records of the source ended where, and check that none is missing."""
    (counts,) = warehouse.rows(
        """
        select
            sum(records_read)::int as "read",
            sum(records_accepted)::int as accepted,
            sum(records_rejected)::int as rejected,
            sum(records_duplicate)::int as duplicate,
            sum(records_superseded)::int as superseded
        from quality.load_files where source_name = $1
        """,
        [source_name],
    )
    assert counts["read"] == sum(count for fate, count in counts.items() if fate != "read")
    return counts
