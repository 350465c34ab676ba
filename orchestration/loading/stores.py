"""Objects of a store (S3, GCS, Azure, …): listed, described and read through fsspec.

Credentials and endpoints come from the environment, each client's own way; nothing here knows
them. Every client raises errors of its own kinds, so all of them are taken for the store's answer.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import fsspec
from fsspec.core import has_magic, url_to_fs

from orchestration.loading.reasons import FileRefused
from orchestration.loading.warehouse import LoadingStopped

_CHUNK_BYTES = 8 << 20
# How the clients spell what all of them say of an object.
_ETAGS = ("ETag", "etag")
_TIMES = ("LastModified", "last_modified", "mtime", "updated", "created")


class StoreUnreachable(LoadingStopped):
    """A store that does not answer as it should; the message says which, why and what to do."""


@dataclass(frozen=True)
class StoredObject:
    """An object as its store describes it; `etag` is null where the store gives none."""

    url: str
    size_bytes: int
    modified_at: datetime
    etag: str | None
    key: str = field(repr=False)
    filesystem: Any = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        """Return the last part of the key."""
        return self.key.rpartition("/")[2]

    def is_same_as(self, other: "StoredObject | None") -> bool:
        """Tell whether the other is this object with this content.

        Some stores list times to the millisecond and describe single objects to the second: where
        there are tags, they decide.
        """
        if other is None or self.size_bytes != other.size_bytes:
            return False
        if self.etag is not None and other.etag is not None:
            return self.etag == other.etag
        return self.modified_at == other.modified_at

    def chunks(self) -> Iterator[bytes]:
        """Yield the content; refuse the object where the store does not hand it over."""
        try:
            with self.filesystem.open(self.key, "rb", cache_type="none") as file:
                while chunk := file.read(_CHUNK_BYTES):
                    yield chunk
        except GeneratorExit:
            raise
        except Exception as error:
            raise FileRefused("unreadable", _told(error)) from error

    def described_anew(self) -> "StoredObject | None":
        """Return the object as the store describes it now, None where it is gone."""
        try:
            return _described(self.filesystem, self.key, self.filesystem.info(self.key), self.url)
        except FileNotFoundError:
            return None
        except PermissionError as error:
            raise FileRefused("unreadable", _told(error)) from error
        except Exception as error:
            raise _unreachable(self.url, error) from error


def list_objects(url: str) -> list[StoredObject]:
    """Return the objects under the URL, a prefix, a glob or one object."""
    protocol = url.partition("://")[0]
    try:
        # What was listed before may be out of date.
        filesystem, key = url_to_fs(url, use_listings_cache=False, skip_instance_cache=True)
        return [
            _described(filesystem, name, info, f"{protocol}://{name.lstrip('/')}")
            for name, info in _found(filesystem, key).items()
            if info["type"] == "file" and not name.endswith("/")
        ]
    except Exception as error:
        raise _unreachable(url, error) from error


def _found(filesystem: fsspec.AbstractFileSystem, key: str) -> dict[str, dict[str, Any]]:
    if not has_magic(key):
        return filesystem.find(key, detail=True)
    matched = filesystem.glob(key, detail=True)
    if not matched:
        # Where there is no bucket, a glob only finds nothing; a list says so.
        with suppress(PermissionError):
            filesystem.ls(key.lstrip("/").partition("/")[0], detail=False)
    found = {}
    for name, info in matched.items():
        is_folder = info["type"] == "directory"
        found.update(filesystem.find(name, detail=True) if is_folder else {name: info})
    return found


def _described(
    filesystem: fsspec.AbstractFileSystem, key: str, info: dict[str, Any], url: str
) -> StoredObject:
    etag = next((info[name] for name in _ETAGS if info.get(name)), None)
    return StoredObject(
        url=url,
        size_bytes=info["size"],
        modified_at=_moment(next((info[name] for name in _TIMES if info.get(name)), None)),
        etag=None if etag is None else str(etag).strip('"'),
        key=key,
        filesystem=filesystem,
    )


def _moment(told: Any) -> datetime:
    """Return the time in UTC; 1970 where the store tells none."""
    if isinstance(told, str):
        told = datetime.fromisoformat(told)
    if not isinstance(told, datetime):
        told = datetime.fromtimestamp(told or 0, UTC)
    return told.astimezone(UTC).replace(tzinfo=None) if told.tzinfo else told


def _unreachable(url: str, error: Exception) -> StoreUnreachable:
    if isinstance(error, ImportError):
        advice = "install this project with its extra for the store: s3, gcs or azure"
    elif isinstance(error, ValueError) and "Protocol not known" in str(error):
        advice = "check `path` in sources.yml: s3://, gs:// and abfs:// are known"
    elif isinstance(error, FileNotFoundError):
        advice = "check `path` in sources.yml, and the endpoint in the environment"
    elif isinstance(error, PermissionError) or "redential" in f"{type(error).__name__}{error}":
        advice = "check the credentials in the environment (docs/sources.md, Object stores)"
    else:
        advice = "check the network, and the endpoint in the environment; then load again"
    return StoreUnreachable(f"{url} cannot be read: {_told(error)}; {advice}")


def _told(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, OSError) and text else f"{type(error).__name__}: {text}"
