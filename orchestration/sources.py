"""What to load: sources.yml and the staging twins as plain dataclasses. Imports only yaml."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import yaml

READERS = ("json", "csv", "parquet", "avro", "lines", "w3c")

_NESTED_TYPES = ("varchar", "json")

ON_REDELIVERY = ("append", "replace")
SESSION_IDS_FROM = ("tracker", "inactivity")
EARLIEST_DATE = date(2000, 1, 1)
"""What happened before is implausible, unless a source says otherwise."""
MAX_REJECTED_SHARE = 0.05
"""Of a file of which more is rejected, nothing is loaded, unless a source says otherwise."""
_MOST_SECONDS = 365 * 24 * 3600
_MOST_HOURS = 10 * 365 * 24

_NAME = re.compile(r"[a-z][a-z0-9_]*")
# A key may have slashes in it, and a port be followed by a path with an @; signed URLs end in one.
_SECRET = re.compile(
    r"(?<=://)[^/@]*:(?!\d+/).*(?=@)"
    r"|(?<=[?&])[^=&?/]*(?:sig|signature|token|secret|password|key|credential)=[^&]+",
    re.IGNORECASE,
)
_OPTIONS_OF_READER: Mapping[str, tuple[str, ...]] = {
    "json": ("records", "mapping", "only"),
    "csv": ("delimiter", "quote", "header"),
    "parquet": (),
    "avro": (),
    "lines": ("pattern",),
    "w3c": ("delimiter",),
}


class SourcesError(Exception):
    """Sources or staging twins that cannot be used; the message lists every problem found."""


@dataclass(frozen=True)
class Column:
    """A column of a raw table, spelled as the vendor spells it."""

    name: str
    data_type: str


@dataclass(frozen=True)
class Format:
    """A physical format in which a kind is exported: which reader reads it, and how."""

    name: str
    reader: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RawTable:
    """Where records of one kind are put, and the loader's specification of that kind.

    `path_columns` are filled by the groups of `path_pattern` in the file's path. A kind may have
    further tables, each for the files that have all the fields it is `recognised_by`.
    """

    kind: str
    name: str
    columns: tuple[Column, ...]
    formats: tuple[Format, ...]
    mapped: bool
    on_redelivery: str
    session_ids_from: str
    path_pattern: str | None = None
    path_columns: tuple[Column, ...] = ()
    recognised_by: frozenset[str] = frozenset()
    further: tuple["RawTable", ...] = ()

    @property
    def all_of_kind(self) -> tuple["RawTable", ...]:
        """Return the table and the further ones of its kind."""
        return (self, *self.further)

    def values_in(self, path: str) -> dict[str, str | None]:
        """Return what the path of a file says of every record in it, by column."""
        found = None if self.path_pattern is None else re.search(self.path_pattern, path)
        return {column.name: found and found[column.name] for column in self.path_columns}

    def format_named(self, name: str) -> Format:
        """Return the format of that name."""
        return next(each for each in self.formats if each.name == name)


@dataclass(frozen=True)
class Source:
    """One configured source: where its exports are and how to take them."""

    name: str
    kind: str
    path: str
    project_dir: Path
    timezone: str = "UTC"
    user_namespace: str = "default"
    session_ids_from: str = "tracker"
    on_redelivery: str = "append"
    format: str | None = None
    mapping: Mapping[str, str] = field(default_factory=dict)
    records: str | None = None
    only: Mapping[str, Any] = field(default_factory=dict)
    own_hosts: tuple[str, ...] = ()
    earliest_date: date = EARLIEST_DATE
    settle_seconds: float = 0
    freshness_hours: int | None = None
    max_rejected_share: float = MAX_REJECTED_SHARE

    @property
    def is_in_store(self) -> bool:
        """Tell whether the files are objects of a store, and the path their URL."""
        return "://" in self.path

    @property
    def absolute_path(self) -> str:
        """Return the folder or glob as an absolute path; the URL where it is in a store."""
        if self.is_in_store:
            return self.path
        return str(self.project_dir / self.path)


def read_raw_tables(staging_dir: Path) -> dict[str, RawTable]:
    """Return the raw table of every kind that has a staging twin, with further ones, by kind."""
    tables: dict[str, RawTable] = {}
    further: dict[str, list[RawTable]] = {}
    problems: list[str] = []
    for path in sorted(staging_dir.glob("*/*.yml")):
        for declared in _declared_tables(path, problems):
            table = _raw_table(path, declared, problems)
            if table is None:
                continue
            if table.recognised_by:
                further.setdefault(table.kind, []).append(table)
                continue
            if table.kind in tables:
                problems.append(
                    f"{path}: the kind {table.kind!r} has a second raw table {table.name!r} that "
                    "takes every file; expected loader.recognised_by in all of them but one"
                )
            tables[table.kind] = table
    for kind, others in further.items():
        _add_further(tables, kind, tuple(others), problems)
    if not tables and not problems:
        problems.append(f"{staging_dir}: no staging twin found; expected <kind>/stg_<kind>__*.yml")
    _raise(problems)
    return tables


def read_sources(path: Path, raw_tables: Mapping[str, RawTable]) -> list[Source]:
    """Return the configured sources in the order of the file."""
    document = _read_yaml(path)
    declared = document.get("sources") if isinstance(document, dict) else None
    if not isinstance(declared, list):
        raise SourcesError(f"{path}: expected a list under the key 'sources', found {declared!r}")
    problems = [
        f"{path}: unknown key {key!r}; expected only 'sources'"
        for key in document
        if key != "sources"
    ]
    sources: list[Source] = []
    for number, entry in enumerate(declared, start=1):
        source = _source(path, number, entry, raw_tables, problems)
        if source is None:
            continue
        if any(other.name == source.name for other in sources):
            problems.append(
                f"{path}: source {source.name!r} is configured twice; expected unique names"
            )
        sources.append(source)
    _raise(problems)
    return sources


# ---------------------------------------------------------------- staging twins


def _add_further(
    tables: dict[str, RawTable], kind: str, further: tuple[RawTable, ...], problems: list[str]
) -> None:
    """Hand the kind's table its further ones, which must suit it."""
    table = tables.get(kind)
    if table is None:
        names = _words(other.name for other in further)
        problems.append(
            f"the kind {kind!r} has only tables with loader.recognised_by ({names}); expected one "
            "without, for all other files"
        )
        return
    formats = [fmt.name for fmt in table.formats]
    for other in further:
        if [fmt.name for fmt in other.formats] != formats:
            problems.append(
                f"table {other.name!r} has the formats {_words(f.name for f in other.formats)}; "
                f"expected those of {table.name!r}: {_words(formats)}"
            )
        if table.mapped or other.mapped:
            problems.append(
                f"the kind {kind!r} is mapped and has a further table {other.name!r}; expected one"
            )
    tables[kind] = replace(table, further=further)


def _declared_tables(path: Path, problems: list[str]) -> Iterator[dict[str, Any]]:
    document = _read_yaml(path)
    for source in (document or {}).get("sources") or []:
        for table in source.get("tables") or []:
            if _loader_of(table) is not None:
                if source.get("schema", source.get("name")) != "raw":
                    problems.append(
                        f"{path}: table {table.get('name')!r} is in schema "
                        f"{source.get('schema')!r}; expected 'raw'"
                    )
                yield table


def _loader_of(table: Mapping[str, Any]) -> dict[str, Any] | None:
    return ((table.get("config") or {}).get("meta") or {}).get("loader")


def _raw_table(path: Path, declared: Mapping[str, Any], problems: list[str]) -> RawTable | None:
    loader = _loader_of(declared) or {}
    where = f"{path}: table {declared.get('name')!r}"
    before = len(problems)
    expected = (
        "kind", "on_redelivery", "session_ids_from", "formats", "mapped", "path_pattern",
        "recognised_by",
    )  # fmt: skip
    for key in loader:
        if key not in expected:
            problems.append(f"{where} has loader.{key}; expected only {_words(expected)}")
    if not _NAME.fullmatch(str(loader.get("kind"))):
        problems.append(f"{where} has loader.kind = {loader.get('kind')!r}; expected a short name")
    if not _NAME.fullmatch(str(declared.get("name"))):
        problems.append(f"{where}; expected a name like 'shop_events'")
    _expect_one_of(
        where, "loader.on_redelivery", loader.get("on_redelivery"), ON_REDELIVERY, problems
    )
    _expect_one_of(
        where, "loader.session_ids_from", loader.get("session_ids_from"), SESSION_IDS_FROM, problems
    )
    columns = tuple(
        Column(str(column.get("name")), str(column.get("data_type")))
        for column in declared.get("columns") or []
    )
    if not columns:
        problems.append(f"{where} declares no columns; expected at least one")
    for column in declared.get("columns") or []:
        if not column.get("data_type"):
            problems.append(f"{where}: column {column.get('name')!r} has no data_type")
    from_path: frozenset[str] = frozenset()
    if "path_pattern" in loader:
        from_path = _groups(f"{where} has loader.path_pattern", loader["path_pattern"], problems)
        _check_names(f"{where}: loader.path_pattern", from_path, columns, problems)
    recognised_by = loader.get("recognised_by", [])
    _check_recognised_by(where, recognised_by, columns, from_path, problems)
    formats = tuple(
        fmt
        for name, declaration in (loader.get("formats") or {}).items()
        if (fmt := _format(where, name, declaration, columns, problems)) is not None
    )
    if not formats:
        problems.append(f"{where} has no loader.formats; expected at least one")
    if len(problems) > before:
        return None
    return RawTable(
        kind=loader["kind"],
        name=declared["name"],
        columns=tuple(column for column in columns if column.name not in from_path),
        formats=formats,
        mapped=bool(loader.get("mapped", False)),
        on_redelivery=loader["on_redelivery"],
        session_ids_from=loader["session_ids_from"],
        path_pattern=loader.get("path_pattern"),
        path_columns=tuple(column for column in columns if column.name in from_path),
        recognised_by=frozenset(recognised_by),
    )


def _check_recognised_by(
    where: str,
    fields: Any,
    columns: tuple[Column, ...],
    from_path: frozenset[str],
    problems: list[str],
) -> None:
    in_records = [column.name for column in columns if column.name not in from_path]
    if not isinstance(fields, list):
        problems.append(f"{where} has loader.recognised_by = {fields!r}; expected a list of fields")
        return
    for name in fields:
        if name not in in_records:
            problems.append(
                f"{where} has loader.recognised_by {name!r}; expected one of {_words(in_records)}"
            )


def _format(
    where: str,
    name: str,
    declaration: Any,
    columns: tuple[Column, ...],
    problems: list[str],
) -> Format | None:
    at = f"{where}: loader.formats.{name}"
    options = dict(declaration) if isinstance(declaration, dict) else {}
    reader = options.pop("reader", None)
    if reader not in READERS:
        problems.append(f"{at}.reader = {reader!r}; expected one of {_words(READERS)}")
        return None
    for option in options:
        if option not in _OPTIONS_OF_READER[reader]:
            problems.append(
                f"{at}.{option} is unknown; the reader {reader!r} takes "
                f"{_words(_OPTIONS_OF_READER[reader]) or 'no options'}"
            )
    if reader == "lines":
        groups = _groups(f"{at}.pattern", options.get("pattern"), problems)
        _check_names(f"{at}.pattern", groups, columns, problems)
    _check_nesting(at, options, columns, problems)
    for option in ("delimiter", "quote"):
        value = options.get(option)
        if value is not None and (not isinstance(value, str) or len(value) > 1):
            problems.append(f"{at}.{option} = {value!r}; expected a single character")
    return Format(name, reader, options)


def _check_nesting(
    at: str, options: Mapping[str, Any], columns: tuple[Column, ...], problems: list[str]
) -> None:
    for option in ("records", "mapping", "only"):
        is_good, expected = _CHECKS[option]
        if option in options and not is_good(options[option]):
            problems.append(f"{at}.{option} = {options[option]!r}; expected {expected}")
            return
    if "mapping" in options:
        _check_mapping(f"{at}.mapping", options["mapping"], columns, options, problems)
    wrong = [column.name for column in columns if column.data_type.lower() not in _NESTED_TYPES]
    if ("records" in options or "only" in options) and wrong:
        problems.append(
            f"{at} reads records inside lines, but {_words(wrong)} is of another type; "
            f"expected {' or '.join(_NESTED_TYPES)}"
        )


def _check_mapping(
    at: str,
    mapping: Mapping[str, str],
    columns: tuple[Column, ...],
    options: Mapping[str, Any],
    problems: list[str],
) -> None:
    """Tell of columns that are not there, and of origins that lie outside of every line."""
    targets = [column.name for column in columns]
    depth = options["records"].removesuffix("[]").count("[].") + 1 if "records" in options else 0
    for target, origin in mapping.items():
        if target not in targets:
            problems.append(
                f"{at} maps the unknown column {target!r}; expected one of {_words(targets)}"
            )
        level = len(origin) - len(origin.lstrip("^"))
        if level and not re.fullmatch(r"\^+\.[^.].*", origin):
            problems.append(
                f"{at} maps {target!r} to {origin!r}; expected a field, as in '^.session'"
            )
        elif level > depth:
            problems.append(
                f"{at} maps {target!r} to {origin!r}, a field of what encloses the record; "
                + (f"{'^' * depth!r} is the whole line" if depth else "that needs 'records'")
            )


def _groups(at: str, pattern: Any, problems: list[str]) -> frozenset[str]:
    """Return the names of the pattern's groups, all of which must have one."""
    try:
        compiled = re.compile(pattern)
    except (re.error, TypeError) as error:
        problems.append(f"{at} = {pattern!r}, which is no regular expression: {error}")
        return frozenset()
    if not compiled.groupindex or compiled.groups != len(compiled.groupindex):
        problems.append(
            f"{at} has no or unnamed groups; expected every group as (?P<column>…) or (?:…)"
        )
    return frozenset(compiled.groupindex)


def _check_names(
    at: str, groups: frozenset[str], columns: tuple[Column, ...], problems: list[str]
) -> None:
    types = {column.name: column.data_type for column in columns}
    for group in sorted(groups):
        if group not in types:
            problems.append(f"{at} names {group!r}, which is no column of the table")
        elif types[group] != "varchar":
            problems.append(f"{at} names {group!r}, a column of type {types[group]}; only varchar")


# ---------------------------------------------------------------- sources.yml


def _source(
    path: Path,
    number: int,
    entry: Any,
    raw_tables: Mapping[str, RawTable],
    problems: list[str],
) -> Source | None:
    if not isinstance(entry, dict):
        problems.append(
            f"{path}: source number {number} is {entry!r}; expected name, kind and path"
        )
        return None
    where = f"{path}: source {entry.get('name') or f'number {number}'!r}"
    before = len(problems)
    for key in entry:
        if key not in _CHECKS:
            problems.append(f"{where} has the unknown key {key!r}; expected {_words(_CHECKS)}")
    for key in ("name", "kind", "path"):
        if key not in entry:
            problems.append(f"{where} has no {key!r}")
    path_given = entry.get("path")
    if isinstance(path_given, str) and _SECRET.search(path_given):
        problems.append(
            f"{where} has path = {_SECRET.sub('…', path_given)!r} with a password; "
            "expected none: credentials come from the environment (docs/sources.md, Object stores)"
        )
    for key, (is_good, expected) in _CHECKS.items():
        if key in entry and not is_good(entry[key]):
            problems.append(f"{where} has {key} = {entry[key]!r}; expected {expected}")
    table = raw_tables.get(entry.get("kind")) if isinstance(entry.get("kind"), str) else None
    if table is None and isinstance(entry.get("kind"), str):
        problems.append(
            f"{where} has kind = {entry['kind']!r}; expected one of {_words(sorted(raw_tables))}"
        )
    if table is not None:
        _check_against_kind(where, entry, table, problems)
    if len(problems) > before or table is None:
        return None
    return Source(
        name=entry["name"],
        kind=entry["kind"],
        path=entry["path"],
        project_dir=path.resolve().parent,
        timezone=entry.get("timezone", "UTC"),
        user_namespace=entry.get("user_namespace", "default"),
        session_ids_from=entry.get("session_ids_from", table.session_ids_from),
        on_redelivery=entry.get("on_redelivery", table.on_redelivery),
        format=entry.get("format"),
        mapping=dict(entry.get("mapping") or {}),
        records=entry.get("records"),
        only=dict(entry.get("only") or {}),
        own_hosts=tuple(entry.get("own_hosts") or ()),
        earliest_date=entry.get("earliest_date", EARLIEST_DATE),
        settle_seconds=entry.get("settle_seconds", 0),
        freshness_hours=entry.get("freshness_hours"),
        max_rejected_share=entry.get("max_rejected_share", MAX_REJECTED_SHARE),
    )


def _check_against_kind(
    where: str, entry: Mapping[str, Any], table: RawTable, problems: list[str]
) -> None:
    formats = [each.name for each in table.formats]
    if "format" in entry and entry["format"] not in formats:
        problems.append(
            f"{where} has format = {entry['format']!r}; the kind {table.kind!r} has "
            f"{_words(formats)}"
        )
    for key in ("mapping", "records", "only"):
        if key in entry and not table.mapped:
            problems.append(
                f"{where} has {key!r}, but the kind {table.kind!r} takes none: "
                "its columns are the vendor's"
            )
    if table.mapped and all(
        _CHECKS[key][0](entry[key]) for key in ("mapping", "records") if key in entry
    ):
        chosen = next((each for each in table.formats if each.name == entry.get("format")), None)
        options = {**(chosen.options if chosen is not None else {}), **entry}
        _check_mapping(where, entry.get("mapping", {}), table.columns, options, problems)
        if chosen is not None and chosen.reader != "json":
            problems += [
                f"{where} has {key!r}, which its format {chosen.name!r} cannot have: "
                "only JSON has records inside lines"
                for key in ("records", "only")
                if key in entry
            ]


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_zone(value: Any) -> bool:
    # The machine's own zone has no name that DuckDB knows.
    if not _is_text(value) or value not in available_timezones() - {"localtime"}:
        return False
    return ZoneInfo(value) is not None


def _is_mapping(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(key, str) and _is_text(origin) for key, origin in value.items()
    )


def _is_records(value: Any) -> bool:
    """Tell whether the value is a path such as `visits[].hits`, with no empty key in it."""
    return _is_text(value) and all(
        key and "[" not in key and "]" not in key
        for step in value.removesuffix("[]").split("[].")
        for key in step.split(".")
    )


def _is_only(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(key, str)
        and (_is_text(allowed) or (isinstance(allowed, list) and all(map(_is_text, allowed))))
        for key, allowed in value.items()
    )


def _is_number(value: Any, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most


_CHECKS: Mapping[str, tuple[Any, str]] = {
    "name": (
        lambda value: isinstance(value, str) and _NAME.fullmatch(value) is not None,
        "a lower-case name such as 'shop_web'",
    ),
    "kind": (_is_text, "a kind"),
    "path": (
        lambda value: _is_text(value) and "::" not in value and "\0" not in value,
        "a folder, a glob, or one URL such as s3://bucket/exports/",
    ),
    "timezone": (_is_zone, "an IANA time zone such as 'Europe/Berlin'"),
    "user_namespace": (_is_text, "a name"),
    "session_ids_from": (lambda value: value in SESSION_IDS_FROM, "tracker or inactivity"),
    "on_redelivery": (lambda value: value in ON_REDELIVERY, "append or replace"),
    "format": (_is_text, "the name of one of the kind's formats"),
    "mapping": (_is_mapping, "column: field pairs, both text"),
    "records": (_is_records, "the path of an array inside each line, such as 'visits[].hits'"),
    "only": (_is_only, "field: value pairs, or field: [values], all text"),
    "own_hosts": (
        lambda value: isinstance(value, list) and all(map(_is_text, value)),
        "a list of host names",
    ),
    "earliest_date": (
        lambda value: isinstance(value, date) and not isinstance(value, datetime),
        "a day such as 2000-01-01, without quotes",
    ),
    "settle_seconds": (
        lambda value: _is_number(value, _MOST_SECONDS),
        f"a number of seconds, from 0 to {_MOST_SECONDS}",
    ),
    "freshness_hours": (
        lambda value: isinstance(value, int) and _is_number(value, _MOST_HOURS) and value > 0,
        f"a whole number of hours, from 1 to {_MOST_HOURS}",
    ),
    "max_rejected_share": (
        lambda value: _is_number(value, 1),
        "a share from 0 to 1, such as 0.05",
    ),
}


# ---------------------------------------------------------------- shared


# In C where PyYAML was built with it: reading all twins takes 0.1 s then, not a second.
class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """Refuses a key that is given twice, of which YAML would take the last."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._checked: set[yaml.MappingNode] = set()

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        # Merged keys (`<<`) stand in the node afterwards, beside its own that replace them.
        if node not in self._checked:
            self._checked.add(node)
            self._check_keys(node)
        super().flatten_mapping(node)

    def _check_keys(self, node: yaml.MappingNode) -> None:
        seen = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if (key.tag, key.value) in seen:
                line = key.start_mark.line + 1
                raise yaml.YAMLError(f"line {line}: the key {key.value!r} is given twice")
            seen.add((key.tag, key.value))


def _read_yaml(path: Path) -> Any:
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except OSError as error:
        raise SourcesError(f"{path}: cannot be read: {error.strerror}") from error
    # A date that no calendar has is a ValueError, as text that is not UTF-8 is.
    except (yaml.YAMLError, ValueError) as error:
        raise SourcesError(f"{path}: is not valid YAML: {error}") from error


def _expect_one_of(
    where: str, key: str, value: Any, expected: tuple[str, ...], problems: list[str]
) -> None:
    if value not in expected:
        problems.append(f"{where} has {key} = {value!r}; expected one of {_words(expected)}")


def _words(names: Any) -> str:
    return ", ".join(map(str, names))


def _raise(problems: list[str]) -> None:
    if problems:
        raise SourcesError("\n".join(problems))
