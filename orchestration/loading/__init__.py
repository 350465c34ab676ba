"""How to load: export files into raw DuckDB tables, with ledger and quarantine."""

from orchestration.loading.ledger import files_read_otherwise
from orchestration.loading.load import LoadSummary, load_source
from orchestration.loading.one_file import FileOutcome
from orchestration.loading.raw_tables import create_raw_tables, unfilled_mappings
from orchestration.loading.reasons import REFUSAL_REASONS, REJECTION_REASONS
from orchestration.loading.replay import FileReplay, replay_source
from orchestration.loading.telling import Progress
from orchestration.loading.warehouse import LoadingStopped, open_warehouse

__all__ = [
    "REFUSAL_REASONS",
    "REJECTION_REASONS",
    "FileOutcome",
    "FileReplay",
    "LoadSummary",
    "LoadingStopped",
    "Progress",
    "create_raw_tables",
    "files_read_otherwise",
    "load_source",
    "open_warehouse",
    "replay_source",
    "unfilled_mappings",
]
