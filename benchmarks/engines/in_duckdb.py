"""Our answers: DuckDB with the SQL of our models, and with no more than a question needs.

python -m benchmarks.engines.in_duckdb QUESTION FOLDER
"""

import duckdb

from benchmarks.engines.asking import SQL, Request, read_request, take_time
from benchmarks.quoting import literal

ENGINE = "duckdb"


def main() -> None:
    """Answer the question of the command line."""
    request = read_request()
    folder = request.store(ENGINE)
    # The models know their database by the name of this file.
    warehouse = folder / "warehouse.duckdb"
    if request.question == "store":
        folder.mkdir(exist_ok=True)
        warehouse.unlink(missing_ok=True)
    config = {"threads": str(request.threads), "memory_limit": f"{request.memory_mb}MB"}
    with duckdb.connect(str(warehouse), config=config) as connection:
        connection.execute("set TimeZone = 'UTC'")
        if request.question == "store":
            _store(connection, request)
        else:
            _answer(connection, request)


def _store(connection: duckdb.DuckDBPyConnection, request: Request) -> None:
    def fill() -> None:
        connection.execute(
            f"create table events as from {literal(request.events)} "
            "order by device_id, occurred_at, event_id"
        )
        connection.execute("checkpoint")

    take_time(request, fill, times=1)
    # What the retention and our models are asked of.
    connection.execute(f"create table sessions as {_sql('sessions')}")
    connection.execute((request.folder / "models" / "inputs.sql").read_text())


def _answer(connection: duckdb.DuckDBPyConnection, request: Request) -> None:
    connection.execute("select count(*) from events")
    built = request.folder / "models" / f"{request.question}.sql"
    building = built.read_text() if built.exists() else ""

    def ask() -> None:
        if building:
            connection.execute(building)
        connection.execute(f"create or replace temp table answer as {_sql(request.question)}")

    take_time(request, ask)
    connection.execute(f"copy answer to {literal(request.answer(ENGINE))} (format parquet)")


def _sql(name: str) -> str:
    return (SQL / ENGINE / f"{name}.sql").read_text()


if __name__ == "__main__":
    main()
