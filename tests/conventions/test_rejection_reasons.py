"""Is the list of rejection reasons closed? Loader, models and seed name the same ones."""

import csv
import re
from pathlib import Path

from orchestration.loading.reasons import REJECTION_REASONS

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "dbt_project" / "models"


def listed(found_by: str) -> dict[str, str]:
    """Return the reasons that the seed lists for one finder, with their meanings."""
    with (ROOT / "seeds" / "reference" / "rejection_reasons.csv").open(newline="") as file:
        return {
            row["reason"]: row["meaning"]
            for row in csv.DictReader(file)
            if row["found_by"] == found_by
        }


def test_the_seed_lists_the_loaders_reasons_in_its_words() -> None:
    assert listed("loader") == REJECTION_REASONS


def test_the_seed_lists_every_reason_of_the_models() -> None:
    used = set()
    for path in [*MODELS.rglob("*.sql"), *(ROOT / "dbt_project" / "macros").glob("*.sql")]:
        text = path.read_text()
        for case in re.findall(r"case(?:(?!\bcase\b).)*?end as rejection_reason", text, re.S):
            used |= set(re.findall(r"then\s+'(\w+)'", case))
        if path.parent.name == "quality":
            used |= set(re.findall(r"'(\w+)' as reason\b", text))
    assert used == set(listed("models"))
