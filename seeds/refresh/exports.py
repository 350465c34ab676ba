"""What makes seeds/exports: the published exports, one folder per source. No network.

Usage: python seeds/refresh/exports.py <folder that holds the published exports>
"""

import gzip
import ipaddress
import shutil
import sys
from pathlib import Path

EXPORTS_FOLDER = Path(__file__).parents[1] / "exports"

# folder = source: its files, as they are
COPIED = {
    "merch_store": ["ga4/ga4_events_sampled.snappy.parquet"],
    "snowplow_shop": [
        "snowplow/enriched_2022-10.tsv.gz",
        "snowplow/enriched_2022-11.tsv.gz",
        "snowplow/enriched_2022-12.tsv.gz",
    ],
    "nasa_logs": ["access_logs/nasa_1995-08-01.tsv.gz"],
    "otto_shop": ["generic/otto_sessions.jsonl"],
    "browsing_panel": ["generic/webtrack_us_panel.csv.gz"],
    "demo_shop": ["generic/retentioneering_ecom.csv.gz"],
}
ACCESS_LOG = "access_logs/elastic_apache_combined.log.gz"
FIRST_ADDRESS = ipaddress.IPv4Address("10.0.0.1")


def main(published_folder: Path) -> None:
    """Write every folder of seeds/exports."""
    for source, files in COPIED.items():
        for file in files:
            target = target_of(source, file)
            shutil.copyfile(published_folder / file, target)
            target.chmod(0o644)
    target = target_of("blog_logs", ACCESS_LOG)
    log = gzip.decompress((published_folder / ACCESS_LOG).read_bytes())
    target.write_bytes(gzip.compress(with_other_addresses(log), compresslevel=9, mtime=0))


def with_other_addresses(log: bytes) -> bytes:
    """Return the log with every client address replaced by one of its own from 10.0.0.0/8.

    Numbered in order of first appearance; nothing else changes, not even a byte.
    """
    addresses: dict[bytes, bytes] = {}
    lines = []
    for line in log.splitlines(keepends=True):
        address, space, rest = line.partition(b" ")
        replacement = addresses.setdefault(
            address, str(FIRST_ADDRESS + len(addresses)).encode("ascii")
        )
        if address in rest:
            raise SystemExit(f"{line!r}: address found twice; expected only at the beginning")
        lines.append(replacement + space + rest)
    return b"".join(lines)


def target_of(source: str, file: str) -> Path:
    """Return where a published file goes, in a folder that exists."""
    folder = EXPORTS_FOLDER / source
    folder.mkdir(parents=True, exist_ok=True)
    return folder / Path(file).name


if __name__ == "__main__":
    main(Path(sys.argv[1]))
