"""What makes referrer_hosts.csv and source_categories.csv in seeds/reference. No network.

Usage: python seeds/refresh/referrer_hosts.py <folder that holds the published lists>
"""

import csv
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import yaml

OWN_FOLDER = Path(__file__).parent / "own"
REFERENCE_FOLDER = Path(__file__).parents[1] / "reference"
HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")
NO_LABEL = ""


class Site(NamedTuple):
    """A host with what it is; the label is empty where the list gives none."""

    host: str
    medium: str
    label: str
    origin: str


def main(lists_folder: Path) -> None:
    """Write both seeds from the published lists and our own rows."""
    sheet = read_csv(lists_folder / "ga4_source_categories.csv")
    sites = merged(published_sites(lists_folder, sheet))
    write_seed(
        "referrer_hosts.csv",
        ("host", "medium", "source_label", "origin"),
        [(site.host, site.medium, site.label, site.origin) for site in sites],
    )
    write_seed(
        "source_categories.csv",
        ("source", "category", "origin"),
        sorted(categories(sheet, sites)),
    )


def published_sites(lists_folder: Path, sheet: list[dict]) -> list[Site]:
    """Return the sites of all lists; of two that name one host, the earlier list decides."""
    suffixes = country_suffixes()
    ignored = {row["host"] for row in read_csv(REFERENCE_FOLDER / "ignored_referrer_hosts.csv")}
    found = [
        Site(row["host"], row["medium"], row["source_label"], "own")
        for row in read_csv(OWN_FOLDER / "referrer_hosts.csv")
    ]
    found += named_hosts(lists_folder / "AIAssistants.yml", "ai")
    found += [
        Site(row["source"].lower(), category_of(row), NO_LABEL, "ga4")
        for row in sheet
        if "." in row["source"]
    ]
    found += named_hosts(lists_folder / "Socials.yml", "social")
    found += search_engines(lists_folder / "SearchEngines.yml")
    expanded = [
        site._replace(host=host)
        for site in found
        for host in expand(site.host.removeprefix("www."), suffixes)
    ]
    return [site for site in expanded if site.host not in ignored]


def named_hosts(file: Path, medium: str) -> list[Site]:
    """Return the sites of a list of the form `label: [host, …]`."""
    return [
        Site(host.lower(), medium, label.replace("%2B", "+"), "matomo")
        for label, hosts in yaml.safe_load(file.read_text("utf-8")).items()
        for host in hosts
    ]


def search_engines(file: Path) -> list[Site]:
    """Return the sites of the list of search engines."""
    return [
        Site(host.lower(), "search", str(label), "matomo")
        for label, groups in yaml.safe_load(file.read_text("utf-8")).items()
        for group in groups
        for host in group["urls"]
    ]


def expand(host: str, suffixes: dict[str, list[str]]) -> Iterable[str]:
    """Return the plain hosts that a listed one stands for; none where it names a path."""
    host = host.removeprefix("{}.")  # matching is by suffix, so any subdomain is meant anyway
    if host.endswith(".{}"):
        site = host.removesuffix(".{}")
        countries = suffixes.get(site.rpartition(".")[2], suffixes["*"])
        return [f"{site.removeprefix('www.')}.{country}" for country in countries]
    return [host] if HOST.fullmatch(host) else []


def country_suffixes() -> dict[str, list[str]]:
    """Return the endings that each site has in the world; `*` stands for every other site."""
    suffixes: dict[str, list[str]] = {}
    for row in read_csv(OWN_FOLDER / "country_domains.csv"):
        suffixes.setdefault(row["site"], []).append(row["suffix"])
    return suffixes


def merged(sites: list[Site]) -> list[Site]:
    """Return one site per host, with a label, without those that a shorter host already says."""
    first: dict[str, Site] = {}
    labels: dict[str, str] = {}
    for site in sites:
        first.setdefault(site.host, site)
        if site.label:
            labels.setdefault(site.host, site.label)
            labels.setdefault(plain(site.label), site.label)
    kept: dict[str, Site] = {}
    for host in sorted(first, key=lambda host: (host.count("."), host)):
        above = nearest_above(host, kept)
        same_medium = above is not None and above.medium == first[host].medium
        label = labels.get(host) or (above.label if same_medium else None)
        label = label or labels.get(host.partition(".")[0], host)
        if not (same_medium and label.startswith(above.label)):
            kept[host] = first[host]._replace(label=label)
    return sorted(kept.values())


def plain(label: str) -> str:
    """Return the label as the first part of a host would spell it: `Yahoo!` is `yahoo`."""
    return re.sub(r"[^a-z0-9]", "", label.lower())


def nearest_above(host: str, kept: dict[str, Site]) -> Site | None:
    """Return the kept site with the longest host that this host lies below."""
    while "." in host:
        host = host.partition(".")[2]
        if host in kept:
            return kept[host]
    return None


def categories(sheet: list[dict], sites: list[Site]) -> set[tuple[str, str, str]]:
    """Return every source of the sheet, and the AI assistants, with its category."""
    assistants = {(site.host, "ai", site.origin) for site in sites if site.medium == "ai"}
    own_names = read_csv(OWN_FOLDER / "ai_source_names.csv")
    assistants |= {(row["source"], "ai", "own") for row in own_names}
    named = {source for source, _, _ in assistants}
    listed = {(row["source"].lower(), category_of(row), "ga4") for row in sheet}
    return assistants | {row for row in listed if row[0] not in named}


def category_of(row: dict) -> str:
    """Return the category of a row of the sheet: `SOURCE_CATEGORY_SEARCH` is `search`."""
    return row["source_category"].removeprefix("SOURCE_CATEGORY_").lower()


def read_csv(file: Path) -> list[dict]:
    """Return the rows of a CSV file."""
    with file.open(encoding="utf-8", newline="") as rows:
        return list(csv.DictReader(rows))


def write_seed(file_name: str, columns: tuple[str, ...], rows: list[tuple]) -> None:
    """Write a seed, every cell quoted."""
    with (REFERENCE_FOLDER / file_name).open("w", encoding="utf-8", newline="") as seed:
        writer = csv.writer(seed, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    print(f"{file_name}: {len(rows)} rows")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
