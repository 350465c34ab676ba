"""What seeds and sources.yml define, as the references want it; reads the files themselves."""

import csv
from collections import defaultdict
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from tests.references.conversions import Definition
from tests.references.funnels import Step

PROJECT_DIR = Path(__file__).resolve().parents[2]


def sources() -> dict[str, dict[str, Any]]:
    """Return the shipped sources.yml, by the names of the sources."""
    document = yaml.safe_load((PROJECT_DIR / "sources.yml").read_text())
    return {source["name"]: source for source in document["sources"]}


def export_files(source_name: str) -> list[Path]:
    """Return the files of a shipped source, by name."""
    folder = PROJECT_DIR / sources()[source_name]["path"]
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def setting(name: str) -> Any:
    """Return a var of dbt_project.yml."""
    project = yaml.safe_load((PROJECT_DIR / "dbt_project" / "dbt_project.yml").read_text())
    return project["vars"][name]


def event_names(source_kind: str, source_name: str) -> dict[str, str]:
    """Return the canonical names of a source's events, its own rows over those of its kind."""
    names = {}
    for owner in ("*", source_name):
        for row in _seed("definitions", "event_names"):
            if (row["source_kind"], row["source_name"]) == (source_kind, owner):
                names[row["source_event_name"]] = row["event_name"]
    return names


def conversion_definitions() -> list[Definition]:
    """Return what counts as a conversion."""
    return [
        Definition(row["conversion_name"], _selector(row), row["value"], row["once_per"])
        for row in _seed("definitions", "conversion_definitions")
    ]


def funnels() -> dict[str, tuple[str, timedelta, list[Step]]]:
    """Return the scope, the window and the steps of every funnel."""
    found: dict[str, tuple[str, timedelta, list[Step]]] = {}
    for row in sorted(_seed("definitions", "funnels"), key=lambda row: int(row["step"])):
        window = timedelta(hours=int(row["window_hours"]))
        found.setdefault(row["funnel"], (row["scope"], window, []))[2].append(_selector(row))
    return found


def source_categories() -> dict[str, str]:
    """Return the kind of site that a utm_source names."""
    return {row["source"]: row["category"] for row in _seed("reference", "source_categories")}


def referrer_media() -> dict[str, str]:
    """Return what a link from a host is."""
    return {row["host"]: row["medium"] for row in _seed("reference", "referrer_hosts")}


def dollar_rates() -> Mapping[str, Mapping[date, Decimal]]:
    """Return the dollars for one unit of a currency, by day."""
    rates: dict[str, dict[date, Decimal]] = defaultdict(dict)
    for row in _seed("reference", "currency_rates"):
        rate = Decimal(row["usd_per_unit"])
        rates[row["currency"]][date.fromisoformat(row["rate_date"])] = rate
    return rates


def _selector(row: Mapping[str, str]) -> Step:
    return Step(row["source_name"], row["event_name"], row["page_path_pattern"])


def _seed(folder: str, name: str) -> list[dict[str, str]]:
    with (PROJECT_DIR / "seeds" / folder / f"{name}.csv").open(newline="") as lines:
        return list(csv.DictReader(lines))
