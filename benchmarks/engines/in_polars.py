"""Polars' answers, from Parquet files of its own making."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import polars
from polars import DataFrame, Expr, LazyFrame, col

from benchmarks.engines.asking import Request, read_request, take_time

ENGINE = "polars"
PAUSE = timedelta(minutes=30)
DAY_US = 24 * 3600 * 1_000_000
STEPS = ("view_item", "add_to_cart", "begin_checkout", "purchase")
WINDOW = timedelta(hours=336)


def main() -> None:
    """Answer the question of the command line."""
    request = read_request()
    if polars.thread_pool_size() != request.threads:
        raise SystemExit(f"expected POLARS_MAX_THREADS={request.threads} in the environment")
    folder = request.store(ENGINE)
    folder.mkdir(exist_ok=True)
    if request.question == "store":
        _store(request, folder)
        return
    answers: list[DataFrame] = []
    question = QUESTIONS[request.question]
    take_time(
        request,
        lambda: answers.append(question(folder)),
        before=answers.clear,
    )
    answers[-1].write_parquet(request.answer(ENGINE))


def _store(request: Request, folder: Path) -> None:
    by_device = polars.scan_parquet(request.events).sort("device_id", "occurred_at", "event_id")
    take_time(request, lambda: by_device.sink_parquet(folder / "events.parquet"), times=1)
    # What the retention is asked of.
    _sessions(folder).write_parquet(folder / "sessions.parquet")


def _sessions(folder: Path) -> DataFrame:
    return (
        _events(folder)
        .with_columns(begins=_begins_span(), before=col("occurred_at").shift())
        .with_row_index("place")
        .select("place", "event_id", "device_id", "person_id", "occurred_at", "begins", "before")
        .collect(engine="streaming")
        .pipe(_summed_up)
        .select("session_id", "device_id", "person_id", "started_at", "ended_at", "event_count")
    )


def _sessions_by_rule(folder: Path) -> DataFrame:
    """A pause ends a session, then a change from one known user to another, then every 24 hours."""
    change_of_user = (col("user_id") != col("known_user").shift()) & (
        col("known_place").shift() >= col("span_place")
    )
    microseconds = (col("occurred_at") - col("stretch_started_at")).dt.total_microseconds()
    return (
        _events(folder)
        .with_columns(begins_span=_begins_span(), before=col("occurred_at").shift())
        .with_row_index("place")
        .with_columns(
            span_place=_latest("place", col("begins_span")),
            known_user=col("user_id").forward_fill(),
            known_place=_latest("place", col("user_id").is_not_null()),
        )
        .with_columns(begins_stretch=col("begins_span") | change_of_user.fill_null(False))
        .with_columns(stretch_started_at=_latest("occurred_at", col("begins_stretch")))
        # the event at the very distance still belongs before the cut
        .with_columns(piece=(microseconds - 1).clip(0) // DAY_US)
        .with_columns(
            begins=(col("begins_stretch") | (col("piece") != col("piece").shift())).fill_null(True)
        )
        .select("place", "event_id", "device_id", "occurred_at", "begins", "before")
        .collect(engine="streaming")
        .pipe(_summed_up)
        .select("session_id", "device_id", "started_at", "ended_at", "event_count")
    )


def _funnel(folder: Path) -> DataFrame:
    """From every step back to the latest start from which it can be reached."""
    steps = (
        _events(folder)
        .filter(col("event_name").is_in(STEPS))
        .select("person_id", "event_name", "occurred_at")
        .collect(engine="streaming")
        .sort("occurred_at")
    )
    reached = steps.filter(col("event_name") == STEPS[0]).select(
        "person_id", "occurred_at", started_at="occurred_at"
    )
    furthest = [_persons(reached, 1)]
    for number, name in enumerate(STEPS[1:], start=2):
        reached = (
            steps.filter(col("event_name") == name)
            .select("person_id", "occurred_at")
            .join_asof(reached, on="occurred_at", by="person_id", check_sortedness=False)
            .filter(col("occurred_at") - col("started_at") <= WINDOW)
        )
        furthest.append(_persons(reached, number))
    return polars.concat(furthest).group_by("person_id").agg(col("furthest_step").max())


def _retention(folder: Path) -> DataFrame:
    week = col("started_at").dt.truncate("1w")
    return (
        polars.scan_parquet(folder / "sessions.parquet")
        .group_by("person_id")
        .agg(cohort_week=week.min(), week=week.unique())
        .explode("week")
        .group_by("cohort_week", "week")
        .agg(persons=polars.len())
        .collect(engine="streaming")
    )


def _events(folder: Path) -> LazyFrame:
    return polars.scan_parquet(folder / "events.parquet")


def _begins_span() -> Expr:
    """Whether a pause, or another device, comes before the event; the events are in order."""
    is_another = col("device_id").ne_missing(col("device_id").shift())
    return (is_another | (col("occurred_at") - col("occurred_at").shift() > PAUSE)).fill_null(True)


def _latest(value: str, when: Expr) -> Expr:
    return polars.when(when).then(col(value)).forward_fill()


def _summed_up(events: DataFrame) -> DataFrame:
    """Return the sessions: each reaches from its first event to before the next one's."""
    count, last = events.height, events["occurred_at"].last()
    return events.filter("begins").with_columns(
        session_id="event_id",
        started_at="occurred_at",
        ended_at=col("before").shift(-1, fill_value=last),
        event_count=col("place").shift(-1, fill_value=count).cast(polars.Int64) - col("place"),
    )


def _persons(reached: DataFrame, step: int) -> DataFrame:
    return reached.select(col("person_id").unique()).with_columns(furthest_step=polars.lit(step))


QUESTIONS: dict[str, Callable[[Path], DataFrame]] = {
    "sessions": _sessions,
    "sessions_by_rule": _sessions_by_rule,
    "funnel": _funnel,
    "retention": _retention,
}


if __name__ == "__main__":
    main()
