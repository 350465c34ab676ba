create table events (
    event_id String,
    source_name LowCardinality(String),
    device_id String,
    user_id Nullable(String),
    person_id String,
    occurred_at DateTime64(6, 'UTC'),
    event_name LowCardinality(String),
    page_path String
)
engine = MergeTree
order by (device_id, occurred_at, event_id)
