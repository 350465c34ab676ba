"""ClickHouse's answers, by `chdb`: ClickHouse in this process, its tables in a folder."""

import shutil

from chdb.session import Session

from benchmarks.engines.asking import SQL, Request, read_request, take_time
from benchmarks.quoting import literal

ENGINE = "clickhouse"


def main() -> None:
    """Answer the question of the command line."""
    request = read_request()
    if request.question == "store":
        shutil.rmtree(request.store(ENGINE), ignore_errors=True)
    session = Session(str(request.store(ENGINE)))
    threads = request.threads
    session.query(f"set max_threads = {threads}, max_insert_threads = {threads}")
    if request.question == "store":
        # Without a limit: it inserts ten million events in no less than three gigabytes.
        _store(session, request)
    else:
        session.query(f"set max_memory_usage = {request.memory_mb * 1_000_000}")
        _answer(session, request)


def _store(session: Session, request: Request) -> None:
    session.query("create database events_of_a_shop")
    session.query("use events_of_a_shop")
    session.query((SQL / ENGINE / "events.sql").read_text())

    def fill() -> None:
        # Here a backslash begins an escape.
        events = literal(request.events).replace("\\", "\\\\")
        session.query(f"insert into events select * from file({events}, Parquet)")
        session.query("optimize table events final")

    take_time(request, fill, times=1)
    # What the retention is asked of.
    session.query(
        "create table sessions engine = MergeTree order by (device_id, started_at) as "
        + (SQL / ENGINE / "sessions.sql").read_text()
    )


def _answer(session: Session, request: Request) -> None:
    session.query("use events_of_a_shop")
    session.query("select count() from events")
    question = (SQL / ENGINE / f"{request.question}.sql").read_text()
    take_time(
        request,
        lambda: session.query(f"create table answer engine = Memory as {question}"),
        before=lambda: session.query("drop table if exists answer"),
    )
    answer = session.query("select * from answer", "Parquet").bytes()
    request.answer(ENGINE).write_bytes(answer)
    session.query("drop table answer")


if __name__ == "__main__":
    main()
