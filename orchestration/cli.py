"""The `clickstream` command: load, build, publish, and how things stand. Imports no Dagster."""

import io
import os
import sys
import sysconfig
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import NoReturn

import click
import duckdb

from orchestration import (
    captured_events,
    dbt,
    locking,
    operations,
    progress,
    publishing,
    reporting,
    verifying,
)
from orchestration.loading import LoadingStopped
from orchestration.settings import Settings, SettingsError, read_settings
from orchestration.sources import SourcesError
from orchestration.status import read_status, read_totals

_FAILURES = (
    dbt.DbtError,
    duckdb.Error,
    LoadingStopped,
    locking.WarehouseBusy,
    publishing.PublishRefused,
    verifying.CannotVerify,
    OSError,
)
_MISTAKES = (
    SettingsError,
    SourcesError,
    operations.UnknownSource,
    operations.UnknownReason,
    captured_events.CannotCheck,
)


# `dagster dev` recommends its successor, a project generator with a layout of its own.
_DAGSTER_WARNINGS = "ignore:Function `dev_command` is superseded"


class CommandFailed(click.ClickException):
    """A command that could not do its work: exit code 1."""

    exit_code = 1


class Misconfigured(click.ClickException):
    """A command that was asked for something that cannot be: exit code 2."""

    exit_code = 2


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Run a command with the settings, and turn what goes wrong into one line and an exit code."""

    @click.option("--debug", is_flag=True, help="Show the traceback of an error.")
    @wraps(function)
    def run(debug: bool, **arguments: object) -> None:
        try:
            function(read_settings(), **arguments)
        except click.ClickException:
            raise
        except _MISTAKES as error:
            if debug:
                raise
            raise Misconfigured(str(error)) from error
        except _FAILURES as error:
            if debug:
                raise
            raise CommandFailed(reporting.one_line(error)) from error

    return run


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Clickstream exports in, analytics marts out.

    Exit codes: 0 all went well, 1 something failed, 2 wrong usage or configuration.
    """
    # What a run writes holds raw records: it is for its owner's eyes, except the published copy.
    os.umask(0o077)
    # A file may have a name that the terminal has no characters for.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@main.command()
@command
def prepare(settings: Settings) -> None:
    """Create the empty warehouse, so that dbt can build before anything was loaded."""
    with operations.warehouse_lock(settings, "clickstream prepare", say=click.echo):
        configuration = operations.prepare(settings)
    click.echo(
        f"{reporting.path(settings.warehouse_path)}: raw tables of "
        f"{len(configuration.raw_tables)} kinds; {len(configuration.sources)} sources configured"
    )


@main.command()
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
@click.option("--again", is_flag=True, help="Read anew all files of the named sources.")
@command
def load(settings: Settings, sources: tuple[str, ...], again: bool) -> None:
    """Load what is new in the configured sources, or in those named."""
    if again and not sources:
        raise Misconfigured("--again needs the sources to read anew: clickstream load --again shop")
    with operations.warehouse_lock(settings, "clickstream load", say=click.echo):
        loads = _load(settings, sources, again=again)
    _fail_at_the_end(loads)


@main.command()
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
@click.option("--reason", "reasons", multiple=True, help="Only what was rejected for this reason.")
@command
def replay(settings: Settings, sources: tuple[str, ...], reasons: tuple[str, ...]) -> None:
    """Put rejected records through the loader again, after a fix."""
    with operations.warehouse_lock(settings, "clickstream replay", say=click.echo):
        _heading("replay")
        replays = operations.replay(
            settings,
            sources,
            reasons,
            on_source=lambda done: click.echo(reporting.source_replay(done)),
        )
    if any(done.replayed for done in replays):
        click.echo("  clickstream build makes events of what is loaded now")
    failed = [file.path for done in replays for file in done.failed]
    if failed:
        raise CommandFailed(f"the replay of {', '.join(failed)} was undone; see above")


@main.command()
@click.option("--full-refresh", is_flag=True, help="Build every incremental model anew.")
@click.option("-s", "--select", metavar="SELECTION", help="Build only these (dbt's selection).")
@command
def build(settings: Settings, full_refresh: bool, select: str | None) -> None:
    """Build and test the marts with dbt."""
    with operations.warehouse_lock(settings, "clickstream build", say=click.echo):
        operations.prepare(settings)
        _heading("build")
        _report_build(
            settings, operations.build(settings, full_refresh=full_refresh, select=select)
        )


@main.command()
@command
def publish(settings: Settings) -> None:
    """Publish the marts, if the last build was whole and passed."""
    with operations.warehouse_lock(settings, "clickstream publish", say=click.echo):
        _publish(settings)


@main.command()
@click.option("--full-refresh", is_flag=True, help="Build every incremental model anew.")
@command
def run(settings: Settings, full_refresh: bool) -> None:
    """Load, build and publish, then say what came of it."""
    seconds = {}
    with operations.warehouse_lock(settings, "clickstream run", say=click.echo):
        started = time.monotonic()
        loads = _load(settings, ())
        seconds["load"] = time.monotonic() - started
        seconds["build"] = _build_quietly(settings, full_refresh=full_refresh).seconds
        started = time.monotonic()
        publication = _publish(settings)
        seconds["publish"] = time.monotonic() - started
    totals = read_totals(publication.path)
    _heading("summary")
    click.echo(reporting.run_summary(loads, publication, totals, seconds))
    _heading("where to look next")
    click.echo(reporting.next_steps(publication))
    _fail_at_the_end(loads)


@main.command()
@command
def status(settings: Settings) -> None:
    """Say what was loaded, built and published, and who is at work."""
    click.echo(reporting.status(settings, read_status(settings), datetime.now(UTC)))


@main.command()
@click.argument("sql")
@command
def query(settings: Settings, sql: str) -> None:
    """Ask the published marts a question, such as "from marts.sessions limit 5"."""
    click.echo(publishing.query(settings, sql))


@main.command("check-events")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--kind", metavar="KIND", help="Which of the kinds in docs/sources.md they are.")
@click.option("--source", "source_name", metavar="NAME", help="… or which source of sources.yml.")
@click.option("--unused", is_flag=True, help="Report expected events that are not in the files.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@command
def check_events(
    settings: Settings,
    files: tuple[Path, ...],
    kind: str | None,
    source_name: str | None,
    unused: bool,
    as_json: bool,
) -> None:
    """Check captured events against the tracking plan, away from the warehouse.

    Exit codes: 0 all as planned, 1 some are not, 2 wrong usage.
    """
    if (kind is None) == (source_name is None):
        raise click.UsageError("say what the files are: either --kind or --source")
    check = captured_events.check_events(
        settings, files, kind=kind, source_name=source_name, with_unused=unused
    )
    click.echo(reporting.event_check_json(check) if as_json else reporting.event_check(check))
    if not check.passed:
        raise SystemExit(1)


@main.command()
@click.option(
    "--records",
    type=click.IntRange(min=1),
    default=verifying.DEFAULT_RECORDS,
    show_default=True,
    help="About so many of the newest records.",
)
@command
def verify(settings: Settings, records: int) -> None:
    """Check on your own data that increments give what a full refresh gives.

    Copies the newest files away from the warehouse, builds them there by increments, the newest
    first, and then anew, and compares every table row for row.
    """
    _heading("verify")
    with progress.counter(sys.stdout) as count:

        def say(text: str) -> None:
            count(None)
            click.echo(f"  {text}")

        def on_line(line: str) -> None:
            if made := progress.of_dbt_line(line):
                count(made)

        done = verifying.verify(
            settings, "clickstream verify", records=records, say=say, on_line=on_line
        )
    click.echo(reporting.verification(done))
    if not done.passed:
        raise CommandFailed(reporting.failed_verification(done))


@main.command()
@click.option("--port", default=3000, show_default=True, help="Port on 127.0.0.1.")
@command
def ui(settings: Settings, port: int) -> None:
    """Show the asset graph in Dagster, on this machine only, until Ctrl-C."""
    # Here, since it imports Dagster, which takes longer than all that the other commands do.
    from orchestration import dagster_home

    settings.make_directories()
    lock = locking.hold(
        settings.dagster_home / "ui.lock", "clickstream ui", what="Dagster", wait_seconds=0
    )
    with lock as descriptor:
        with operations.warehouse_lock(settings, "clickstream ui", say=click.echo):
            operations.prepare(settings)
        dbt.ensure_manifest(settings)
        dagster_home.write_configuration(settings)
        dagster_home.end_orphaned_runs(settings)
        click.echo(f"http://127.0.0.1:{port} shows the graph; Ctrl-C ends it")
        _become_dagster(settings, port, descriptor)


def _load(
    settings: Settings, names: tuple[str, ...], *, again: bool = False
) -> tuple[operations.SourceLoad, ...]:
    _heading("load")
    with progress.counter(sys.stdout) as count:

        def on_source(done: operations.SourceLoad) -> None:
            count(None)
            click.echo(reporting.source_load(done))

        return operations.load(
            settings,
            names,
            again=again,
            on_progress=lambda made: count(progress.of_load(made)),
            on_source=on_source,
        )


def _fail_at_the_end(loads: Sequence[operations.SourceLoad]) -> None:
    """Fail, now that all else is done, where a store is out of reach or a file over its limit."""
    problems = []
    if any(done.summary.problem for done in loads):
        problems.append(reporting.unreachable(loads))
    if any(done.summary.over_the_limit for done in loads):
        problems.append(reporting.over_the_limit(loads))
    if problems:
        raise CommandFailed("; ".join(problems))


def _build_quietly(settings: Settings, *, full_refresh: bool) -> dbt.DbtRun:
    """Build with nothing but a counter on the screen, and dbt's own words where it fails."""
    _heading("build")
    lines: list[str] = []
    with progress.counter(sys.stdout) as count:

        def on_line(line: str) -> None:
            lines.append(line)
            if made := progress.of_dbt_line(line):
                count(made)

        result = operations.build(settings, full_refresh=full_refresh, on_line=on_line)
    if not result.succeeded:
        click.echo("\n".join(progress.ending_of(lines)))
    return _report_build(settings, result)


def _report_build(settings: Settings, result: dbt.DbtRun) -> dbt.DbtRun:
    if not result.succeeded:
        raise CommandFailed(reporting.failed_build(settings, result))
    click.echo(reporting.build(result))
    return result


def _publish(settings: Settings) -> publishing.Publication:
    _heading("publish")
    publication = publishing.publish(settings)
    click.echo(reporting.publication(publication))
    return publication


def _heading(text: str) -> None:
    click.echo()
    click.secho(text, bold=True)


def _become_dagster(settings: Settings, port: int, lock: int) -> NoReturn:
    """Go on as Dagster in this very process, so that the lock lasts exactly as long as it does."""
    os.set_inheritable(lock, True)
    os.chdir(settings.project_dir)
    dagster = str(Path(sysconfig.get_path("scripts")) / "dagster")
    arguments = ["dev", "--module-name", "orchestration.definitions"]
    address = ["--host", "127.0.0.1", "--port", str(port)]
    environment = {"PYTHONWARNINGS": _DAGSTER_WARNINGS} | os.environ | settings.environment
    os.execve(dagster, [dagster, *arguments, *address], environment)
