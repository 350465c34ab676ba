"""How to say what happened: text for the terminal. Imports no Dagster."""

import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path

import click

from orchestration.captured_events import EventCheck, Finding
from orchestration.comparing import Example
from orchestration.dbt import DbtRun
from orchestration.loading import FileOutcome
from orchestration.operations import SourceLoad, SourceReplay
from orchestration.progress import size
from orchestration.publishing import Publication, previous_path
from orchestration.settings import Settings
from orchestration.status import SourceStatus, Status, Totals
from orchestration.verifying import Verification

_SHOWN_REFUSALS = 5
_SHOWN_FAILURES = 5
_SHOWN_REJECTIONS = 20
_SHOWN_CHARACTERS = 80
_SHOWN_NUMBERS = 5
_SHOWN_VALUES = 4


def one_line(message: object) -> str:
    """Return a message, or an error's message, on a single line."""
    return " ".join(str(message).split()) or type(message).__name__


def path(path: Path) -> str:
    """Return a path as seen from where the command was given, if it lies below."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def source_load(done: SourceLoad) -> str:
    """Return a line on what loading one source did, and one for each file that was refused."""
    summary = done.summary
    if summary.problem and not summary.files:
        what = "nothing loaded"
    elif not summary.files:
        what = f"no file found under {done.source.path}"
    elif not summary.count("loaded"):
        what = "nothing loaded" if summary.count("refused") else "nothing new"
    else:
        what = f"{_count(summary.count('loaded'), 'file')}, {_count(summary.read, 'record')}"
        what += f", {summary.rejected:,} rejected" if summary.rejected else ""
    if summary.count("repeated"):
        what += f", {_count(summary.count('repeated'), 'file')} delivered before"
    if summary.count("not_ready"):
        what += f", {_count(summary.count('not_ready'), 'file')} still being written"
    lines = [f"  {done.source.name:<20} {what} ({done.seconds:.1f} s)"]
    if summary.problem:
        lines.append(click.style(f"    {one_line(summary.problem)}", fg="red"))
    refused = [
        file for file in summary.files if file.status == "refused" or file.has_too_many_rejections
    ]
    lines += [_refusal(file) for file in refused[:_SHOWN_REFUSALS]]
    if len(refused) > _SHOWN_REFUSALS:
        lines.append(f"    and {len(refused) - _SHOWN_REFUSALS} more, listed in quality.load_files")
    if summary.read_otherwise:
        options = {name for file in summary.read_otherwise for name in file.changed_options}
        lines.append(
            "    " + read_otherwise(done.source.name, len(summary.read_otherwise), options)
        )
    if done.unfilled:
        lines.append(click.style(f"    {unfilled(done.unfilled)}", fg="yellow"))
    return "\n".join(lines)


def unfilled(mapped: Mapping[str, str]) -> str:
    """Return which mapped fields no record has."""
    pairs = ", ".join(f"{column}: {origin}" for column, origin in mapped.items())
    return f"no record has what is mapped here, is it spelt right in sources.yml? {pairs}"


def _refusal(file: FileOutcome) -> str:
    line = f"{file.path}: {file.reason}: {one_line(file.detail)}"
    if not file.has_too_many_rejections:
        return f"    refused: {line}"
    still = "still " if file.status == "unchanged" else ""
    return click.style(f"    {still}refused: {line}", fg="red")


def unreachable(loads: Iterable[SourceLoad]) -> str:
    """Return which sources' stores could not be read, and why."""
    found = [(done.source.name, done.summary.problem) for done in loads if done.summary.problem]
    return "; ".join(f"{name}: {one_line(problem)}" for name, problem in found)


def over_the_limit(loads: Iterable[SourceLoad]) -> str:
    """Return what to do about the files of which too much is rejected."""
    found = {done.source.name: len(done.summary.over_the_limit) for done in loads}
    files = ", ".join(
        f"{_count(count, 'file')} of {name}" for name, count in found.items() if count
    )
    return (
        f"too many records are rejected of {files}, so nothing of it is loaded; mend the export or "
        "how sources.yml reads it (is its kind right?), or let it pass with a higher "
        "max_rejected_share there"
    )


def read_otherwise(source_name: str, count: int, options: Iterable[str]) -> str:
    """Return that files stand as they were read by other options, and how to read them anew."""
    # Another kind always has other formats and columns.
    names = "kind" if "kind" in (found := set(options)) else " and ".join(sorted(found))
    return (
        f"{_count(count, 'file')} of {source_name} {'was' if count == 1 else 'were'} read with "
        f"other {names}; to read anew: clickstream load --again {source_name}"
    )


def source_replay(done: SourceReplay) -> str:
    """Return a line on what came of a source's rejected records, and one for each that was left."""
    if not done.files:
        return f"  {done.source.name:<20} nothing rejected ({done.seconds:.1f} s)"
    lines = [
        f"  {done.source.name:<20} {done.replayed:,} of {_count(done.tried, 'rejected record')} "
        f"loaded now, {done.still_rejected:,} still rejected ({done.seconds:.1f} s)"
    ]
    for file in done.files:
        if file.failure:
            lines.append(click.style(f"    failed: {file.path}: {file.failure}", fg="red"))
        for why, numbers in file.left.items():
            shown = ", ".join(map(str, numbers[:_SHOWN_NUMBERS]))
            more = ", …" if len(numbers) > _SHOWN_NUMBERS else ""
            records = f"{_count(len(numbers), 'record')} of {file.path} (row {shown}{more})"
            lines.append(f"    cannot be replayed: {records}: {why}")
    return "\n".join(lines)


def build(result: DbtRun) -> str:
    """Return a line on a build that went well."""
    counts = Counter(result_.unique_id.split(".")[0] for result_ in result.results)
    line = (
        f"  {_count(counts['seed'], 'seed')}, {_count(counts['model'], 'model')}, "
        f"{_count(counts['test'], 'test')} passed ({result.seconds:.1f} s)"
    )
    warned = ", ".join(result_.name for result_ in result.warned)
    return line + (f"\n  warned: {warned}" if warned else "")


def failed_build(settings: Settings, result: DbtRun) -> str:
    """Return a line on a build that failed: at what, and where to read more."""
    failed = [result_ for result_ in result.failed if result_.status != "skipped"]
    names = ", ".join(result_.name for result_ in failed[:_SHOWN_FAILURES])
    more = len(failed) - _SHOWN_FAILURES
    where = path(settings.dbt_run_dir / "dbt.log")
    if not failed and result.exit_code < 0:
        return (
            f"dbt was killed by signal {-result.exit_code}; where nobody did that, memory ran "
            f"out: lower CLICKSTREAM_MEMORY_LIMIT ({settings.memory_limit}); see {where}"
        )
    if not failed:
        return f"dbt ended with exit code {result.exit_code} before it built anything; see {where}"
    return (
        f"the build failed at {names}{f' and {more} more' if more > 0 else ''}; see {where}; "
        "what was published before stays as it was"
    )


def publication(publication: Publication) -> str:
    """Return a line on a published copy."""
    rows = sum(table.rows for table in publication.tables)
    return (
        f"  {_count(len(publication.tables), 'table')}, {_count(rows, 'row')}, "
        f"{size(publication.size_bytes)} in {path(publication.path)}"
    )


def run_summary(
    loads: Sequence[SourceLoad],
    publication: Publication,
    totals: Totals,
    seconds: Mapping[str, float],
) -> str:
    """Return what a whole run did and what the marts hold now."""
    statuses = Counter(file.status for done in loads for file in done.summary.files)
    lines = [
        ("files, this run", f"{statuses['loaded']:,} loaded, {statuses['refused']:,} refused"),
        ("files, so far", f"{totals.files:,} loaded, {totals.files_refused:,} refused"),
        ("records, so far", f"{totals.read:,} read"),
        ("", f"= {totals.accepted:,} accepted + {totals.rejected:,} rejected"),
        ("", f"+ {totals.duplicate:,} duplicate + {totals.superseded:,} superseded"),
    ]
    for name in ("events", "sessions", "persons", "conversions"):
        rows = publication.rows(name)
        if rows is not None:
            lines.append((name, f"{rows:,}"))
    times = [f"{step} {spent:.1f}" for step, spent in seconds.items()]
    lines.append(("seconds", f"{', '.join(times)}; {sum(seconds.values()):.1f} in all"))
    return _pairs(lines)


def next_steps(publication: Publication) -> str:
    """Return where somebody goes on after a run."""
    program = path(Path(sys.argv[0]).absolute())
    lines = [
        ("in a BI tool", f"open {path(publication.path)}, read-only"),
        ("query the marts", f'{program} query "from marts.funnel_steps"'),
        ("what was rejected", f'{program} query "from quality.rejected_records"'),
        ("how things stand", f"{program} status"),
        ("the asset graph", "make ui"),
    ]
    return _pairs(lines)


def status(settings: Settings, status: Status, now: datetime) -> str:
    """Return how things stand, in three paragraphs: sources, build, publication."""
    utc = now.replace(tzinfo=None)
    return "\n\n".join(
        (
            _sources_paragraph(settings, status, utc),
            _build_paragraph(status),
            _publication_paragraph(settings, status, utc),
        )
    )


def verification(done: Verification) -> str:
    """Return how each table that increments gave compares with the one that was built anew."""
    rows = [(table.name, f"{table.rows:,}", f"{table.differences:,}") for table in done.tables]
    lines = [
        f"  {line}" for line in _table(("table", "rows", "differ"), rows, left={0}).splitlines()
    ]
    for table in done.differing:
        shown = f"{table.name}: {difference(table.example)}"
        lines.append(click.style(f"  {shown}", fg="red"))
    total = sum(table.rows for table in done.tables)
    lines.append(
        f"  compared {_count(len(done.tables), 'table')}, {_count(total, 'row')}: "
        f"{_count(len(done.differing), 'table')} differ{'s' if len(done.differing) == 1 else ''} "
        f"({done.seconds:.1f} s in all)"
    )
    return "\n".join(lines)


def failed_verification(done: Verification) -> str:
    """Return which tables differ, and what to do until that is mended."""
    names = ", ".join(table.name for table in done.differing)
    return (
        f"increments give something else than a build anew in {names}: a model is at fault; until "
        "it is mended, clickstream run --full-refresh gives true tables"
    )


def difference(example: Example) -> str:
    """Return what one row is by increments, and what it is anew."""
    row = example.found or example.expected
    which = f"{example.key} = {_value(row[example.key])}"
    if not example.columns:
        where = "anew" if example.found is None else "by increments"
        others = [name for name in row if name != example.key and row[name] is not None]
        shown = ", ".join(f"{name} = {_value(row[name])}" for name in others[:_SHOWN_VALUES])
        return f"the row {which} ({shown}) is there only {where}"
    shown = "; ".join(
        f"{name} is {_value(example.found[name])} by increments, "
        f"{_value(example.expected[name])} anew"
        for name in example.columns[:_SHOWN_VALUES]
    )
    more = len(example.columns) - _SHOWN_VALUES
    return f"{which}: {shown}{f'; and {more} more columns' if more > 0 else ''}"


def _value(value: object) -> str:
    return "null" if value is None else _shortened(str(value))


def event_check(check: EventCheck) -> str:
    """Return how captured events break the tracking plan: each event with what is wrong with it."""
    lines = []
    for file in check.refused:
        lines.append(f"{file.path}: {file.reason or file.status}: {one_line(file.detail or '')}")
    for event, findings in groupby(check.findings, key=lambda each: each.event_name):
        found = list(findings)
        lines.append(_event_heading(event, found[0]))
        lines += [f"  {line}" for finding in found for line in _finding(finding)]
    if check.rejected:
        lines.append("rejected records, which are no events")
        lines += [
            f"  {record.path}, record {record.row_number}: {record.reason}"
            + (f": {_shortened(record.detail)}" if record.detail else "")
            for record in check.rejected[:_SHOWN_REJECTIONS]
        ]
        if len(check.rejected) > _SHOWN_REJECTIONS:
            lines.append(f"  and {len(check.rejected) - _SHOWN_REJECTIONS:,} more")
    what = f"{_count(check.events, 'event')} of {_count(len(check.files), 'file')}"
    if check.passed:
        lines.append(f"{what}: all as planned")
    elif not lines:
        lines.append(f"{what}: there is nothing to check")
    else:
        lines += [
            "",
            f"{what}: {_count(len(check.findings), 'violation')} of the tracking plan, "
            f"{_count(len(check.rejected), 'rejected record')}",
            "Mend what is sent; or, where it is right, the plan: planned_events.csv and "
            "planned_properties.csv in seeds/definitions.",
        ]
    return "\n".join(lines)


def event_check_json(check: EventCheck) -> str:
    """Return the same for programs."""
    document = {
        "passed": check.passed,
        "events": check.events,
        "files": [
            {
                "path": file.path,
                "status": file.status,
                "reason": file.reason,
                "detail": file.detail,
                "records_read": file.read,
                "records_rejected": file.rejected,
            }
            for file in check.files
        ],
        "violations": [asdict(finding) for finding in check.findings],
        "rejected": [asdict(record) for record in check.rejected],
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def _event_heading(event_name: str | None, finding: Finding) -> str:
    if event_name is None:
        return "other events"
    heading = _shortened(event_name)
    if finding.source_event_name not in (None, event_name):
        heading += f" (sent as {_shortened(finding.source_event_name)})"
    return heading + (f", owner: {finding.owner}" if finding.owner else "")


def _finding(finding: Finding) -> list[str]:
    events = _count(finding.records_affected, "event")
    times = f"in {finding.records_affected:,} of {finding.records_seen:,}"
    sent = f"is {finding.sent_type} {_shortened(finding.example_value or '')} {times}"
    names = (finding.source_property_names or "").replace(", ", " or ")
    if finding.similar_property_name is not None:
        names += f", found {_shortened(finding.similar_property_name)}"
    what = {
        "unknown_event": f"is not in the tracking plan ({events})",
        "near_duplicate_event": f"is not in the tracking plan ({events}); "
        f"did you mean {finding.expected}?",
        "unused_event": "is expected and was never sent",
        "missing_property": f"missing {times}; expected {finding.expected}, sent as {names}",
        "wrong_type": f"{sent}; expected {finding.expected}",
        "unexpected_value": f"{sent}; expected {finding.expected}",
        "unplanned_property": f"is not in the tracking plan, {times}",
    }[finding.violation]
    if finding.property_name is not None:
        what = f"{_shortened(finding.property_name)}: {what}"
    lines = [f"{finding.violation:<21} {what}"]
    if finding.path is not None:
        lines.append(f"{'':<21} first in {finding.path}, record {finding.row_number}")
    return lines


def _shortened(text: str) -> str:
    line = one_line(text) if text.strip() else repr(text)
    shown = "".join(each if each.isprintable() else "\ufffd" for each in line)
    return shown if len(shown) <= _SHOWN_CHARACTERS else shown[: _SHOWN_CHARACTERS - 1] + "…"


def _sources_paragraph(settings: Settings, status: Status, now: datetime) -> str:
    if status.holder:
        return f"warehouse busy: {status.holder}; sources and build are shown when it has ended"
    if status.warehouse is None:
        return f"{path(settings.warehouse_path)} does not exist yet; run: clickstream run"
    header = ("source", "kind", "files", "refused", "read", "loaded", "rejected", "last load")
    rows = [_source_row(source, now) for source in status.warehouse.sources]
    table = _table(header, rows, left={0, 1, len(header) - 1})
    remarks = [
        read_otherwise(name, len(files), {option for names in files.values() for option in names})
        for name, files in status.warehouse.read_otherwise.items()
        if files
    ]
    return "\n".join([table, *remarks])


def _source_row(source: SourceStatus, now: datetime) -> tuple[str, ...]:
    last = _ago(source.last_loaded_at, now) if source.last_loaded_at else "never"
    if source.is_stale(now):
        last += f" (stale: expected every {source.freshness_hours} h)"
    return (
        source.name,
        source.kind,
        f"{source.files:,}",
        f"{source.files_refused:,}",
        f"{source.records_read:,}",
        f"{source.records_loaded:,}",
        f"{source.records_rejected:,}",
        last,
    )


def _build_paragraph(status: Status) -> str:
    if status.warehouse is None:
        return "last build: unknown while it is busy" if status.holder else "last build: none yet"
    build = status.warehouse.build
    if build is None:
        return "last build: none; run: clickstream build"
    if build.obstacle:
        return f"last build: {build.obstacle}"
    warned = f", {_count(build.warned_count, 'warning')}" if build.warned_count else ""
    return f"last build: passed, {build.recorded_at:%Y-%m-%d %H:%M} UTC{warned}"


def _publication_paragraph(settings: Settings, status: Status, now: datetime) -> str:
    published = status.publication
    if published is None:
        return f"published: nothing yet at {path(settings.published_path)}"
    lines = [
        f"published: {_ago(published.published_at, now)}, "
        f"{_count(len(published.tables), 'table')}, {size(published.size_bytes)} "
        f"in {path(published.path)}"
    ]
    if published.data_through_at:
        lines.append(f"  newest event {published.data_through_at:%Y-%m-%d %H:%M} UTC")
    if previous_path(published.path).exists():
        lines.append(f"  the copy before it: {path(previous_path(published.path))}")
    return "\n".join(lines)


def _pairs(pairs: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"  {name:<20} {value}".rstrip() for name, value in pairs)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], *, left: set[int]) -> str:
    """Return rows under a header, the columns `left` to the left, numbers to the right."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    lines = [
        "  ".join(
            cell.ljust(width) if i in left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (header, *rows)
    ]
    return "\n".join(lines)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _ago(moment: datetime, now: datetime) -> str:
    age = max(now - moment, timedelta())
    minutes = int(age.total_seconds() // 60)
    if minutes < 1:
        return "just now"
    if minutes < 120:
        return f"{minutes} min ago"
    if minutes < 48 * 60:
        return f"{minutes // 60} h ago"
    return f"{minutes // (24 * 60)} days ago"
