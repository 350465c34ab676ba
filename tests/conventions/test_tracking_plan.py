"""Does the tracking plan know every name that the other definitions use? Read from the seeds."""

import csv
from pathlib import Path

import pytest

DEFINITIONS = Path(__file__).resolve().parents[2] / "seeds" / "definitions"


def rows(seed: str) -> list[dict[str, str]]:
    with (DEFINITIONS / f"{seed}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    "seed", ["event_names", "funnels", "conversion_definitions", "planned_properties"]
)
def test_every_event_that_a_definition_names_is_planned(seed: str) -> None:
    planned = {(row["source_name"], row["event_name"]) for row in rows("planned_events")}
    wrong = [
        row
        for row in rows(seed)
        if row["event_name"] != "*"
        and not {("*", row["event_name"]), (row["source_name"], row["event_name"])} & planned
    ]
    assert not wrong, "add these events to seeds/definitions/planned_events.csv"


def test_every_property_that_has_other_names_is_planned() -> None:
    planned = {row["property_name"] for row in rows("planned_properties")}
    assert not [row for row in rows("property_names") if row["property_name"] not in planned]
