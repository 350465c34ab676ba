"""Folders that cannot be listed, also for tests that run as root, whom no right stops."""

import errno
import os
from typing import Any

import pytest

DENIED = PermissionError(errno.EACCES, "Permission denied")


def lock_folders(patch: pytest.MonkeyPatch, name: str, error: OSError = DENIED) -> None:
    """Let folders whose names begin with `name` not be listed."""
    scandir = os.scandir

    def denied(path: Any = ".") -> Any:
        is_path = isinstance(path, str | os.PathLike)
        if is_path and os.path.basename(os.path.normpath(path)).startswith(name):
            raise type(error)(error.errno, error.strerror, path)
        return scandir(path)

    patch.setattr(os, "scandir", denied)
