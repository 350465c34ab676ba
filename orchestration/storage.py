"""How columns are stored in a DuckDB file. Imports nothing."""


def declared(quoted_name: str, data_type: str) -> str:
    """Return the declaration of a column: one of JSON is compressed with zstd.

    Of texts shorter than a page DuckDB does so only where it is told to
    (`docs/decisions/2026-11-30-json-compressed-with-zstd.md`).
    """
    method = " using compression zstd" if data_type.lower() == "json" else ""
    return f"{quoted_name} {data_type}{method}"
