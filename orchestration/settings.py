"""Where everything is and how much it may use. The only reader of the environment."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import duckdb

PROJECT_DIR = Path(__file__).resolve().parent.parent

DEFAULT_MEMORY_LIMIT = "2GB"
DEFAULT_THREADS = 2

_MEMORY_LIMIT = re.compile(r"\d+(\.\d+)? ?([KMGT]i?B)", re.IGNORECASE)


class SettingsError(Exception):
    """A setting that cannot be used; the message names it, what was found and what is expected."""


@dataclass(frozen=True)
class Settings:
    """Every place and limit that the project uses; all paths are absolute."""

    project_dir: Path
    data_dir: Path
    warehouse_path: Path
    published_path: Path
    landing_dir: Path
    temp_dir: Path
    dagster_home: Path
    sources_path: Path
    dbt_project_dir: Path
    profiles_dir: Path
    memory_limit: str
    threads: int

    @property
    def staging_dir(self) -> Path:
        """Return the folder of the staging twins, which the loader reads as its specification."""
        return self.dbt_project_dir / "models" / "staging"

    @property
    def lock_path(self) -> Path:
        """Return the file that says who is writing the warehouse."""
        return self.data_dir / "warehouse.lock"

    @property
    def manifest_dir(self) -> Path:
        """Return the folder in which a parse leaves the dbt manifest."""
        return self.data_dir / "dbt" / "manifest"

    @property
    def dbt_run_dir(self) -> Path:
        """Return the folder in which a dbt run leaves its log, results and compiled SQL."""
        return self.data_dir / "dbt" / "run"

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables that make any child process use exactly these settings."""
        return {
            "DAGSTER_HOME": str(self.dagster_home),
            **self.dbt_environment,
        }

    @property
    def dbt_environment(self) -> dict[str, str]:
        """Return the variables that make dbt use exactly these settings."""
        return {
            "CLICKSTREAM_DATA_DIR": str(self.data_dir),
            "CLICKSTREAM_SOURCES": str(self.sources_path),
            "CLICKSTREAM_MEMORY_LIMIT": self.memory_limit,
            "CLICKSTREAM_BLOCK_MEMORY": _block_memory(self.memory_limit),
            "CLICKSTREAM_THREADS": str(self.threads),
            "DO_NOT_TRACK": "1",
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        }

    def with_data_dir(self, data_dir: Path) -> "Settings":
        """Return the same settings with everything that is written below another folder."""
        return replace(self, **_places_in(data_dir))

    def make_directories(self) -> None:
        """Create the data folders; what holds raw records is for its owner's eyes alone."""
        _make_directory(self.data_dir, 0o711)
        _make_directory(self.published_path.parent, 0o755)
        for private in (self.landing_dir, self.temp_dir, self.dagster_home, self.data_dir / "dbt"):
            _make_directory(private, 0o700)


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Return the settings that the environment gives, with a default for each that it does not."""
    env = os.environ if environment is None else environment
    return Settings(
        project_dir=PROJECT_DIR,
        **_places_in(_path(env, "CLICKSTREAM_DATA_DIR", PROJECT_DIR / "data")),
        sources_path=_path(env, "CLICKSTREAM_SOURCES", PROJECT_DIR / "sources.yml"),
        dbt_project_dir=PROJECT_DIR / "dbt_project",
        profiles_dir=PROJECT_DIR,
        memory_limit=_memory_limit(env),
        threads=_threads(env),
    )


def _places_in(data_dir: Path) -> dict[str, Path]:
    return {
        "data_dir": data_dir,
        "warehouse_path": data_dir / "warehouse.duckdb",
        # Not marts.duckdb: a tool names the database after its file, and with a schema of the same
        # name "marts.sessions" would be ambiguous.
        "published_path": data_dir / "published" / "clickstream.duckdb",
        "landing_dir": data_dir / "landing",
        "temp_dir": data_dir / "tmp",
        "dagster_home": data_dir / "dagster",
    }


def _make_directory(path: Path, mode: int) -> None:
    if not path.is_dir():
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)


def _path(env: Mapping[str, str], name: str, default: Path) -> Path:
    value = env.get(name, "").strip()
    try:
        return Path(value).expanduser().resolve() if value else default
    except (RuntimeError, OSError) as error:
        raise SettingsError(f"{name} is {value!r}, which names no place: {error}") from error


def _memory_limit(env: Mapping[str, str]) -> str:
    value = env.get("CLICKSTREAM_MEMORY_LIMIT", "").strip() or DEFAULT_MEMORY_LIMIT
    if not _MEMORY_LIMIT.fullmatch(value):
        raise SettingsError(
            f"CLICKSTREAM_MEMORY_LIMIT is {value!r}; expected a size such as 2GB or 512MB"
        )
    return value


@cache
def _block_memory(memory_limit: str) -> str:
    """Return how much memory DuckDB may keep for its blocks: the whole limit, else none.

    DuckDB does not start where it is more than its own share of the machine, or of the container.
    """
    wanted = {"memory_limit": memory_limit, "block_allocator_memory": memory_limit}
    try:
        duckdb.connect(config=wanted).close()
    except duckdb.Error:
        return "0B"
    return memory_limit


def _threads(env: Mapping[str, str]) -> int:
    value = env.get("CLICKSTREAM_THREADS", "").strip() or str(DEFAULT_THREADS)
    if not value.isascii() or not value.isdigit() or int(value) < 1:
        raise SettingsError(
            f"CLICKSTREAM_THREADS is {value!r}; expected a whole number of at least 1"
        )
    return int(value)
