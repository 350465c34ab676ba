"""Why a record or a file was not loaded: the closed lists of reasons. Pure."""

from collections.abc import Iterator
from contextlib import contextmanager

REJECTION_REASONS: dict[str, str] = {
    "invalid_utf8": "The bytes of the record are not valid UTF-8; they are kept as base64.",
    "control_character": "The record holds a NUL byte, which no text column can keep.",
    "invalid_json": "The record is not JSON by the standard (RFC 8259).",
    "not_an_object": "The record is valid JSON but no object, so it has no fields.",
    "duplicate_key": "A field stands twice in the record, and parsers disagree which one counts.",
    "too_deep": "The record nests deeper than 1,000 levels.",
    "record_too_large": "The record is longer than 16 MiB.",
    "truncated_record": "The last record breaks off and no line end follows: the file was cut.",
    "wrong_type": "A field's value cannot be read as the type that its column has.",
    "missing_records": (
        "The array that holds the records (`records` of the source or of its format) "
        "is not there, or is empty."
    ),
    "wrong_column_count": "The record has more or fewer columns than the header or the format.",
    "missing_header": "No `#Fields:` line stands before the record to say what its columns are.",
    "malformed_quote": "A quoted value of the record goes on after its closing quote.",
    "line_not_matched": "The line does not have the shape of the format's pattern.",
}

REFUSAL_REASONS: dict[str, str] = {
    "not_regular_file": "It is a link, a pipe, a socket or a device; only regular files are read.",
    "unreadable": "The operating system refuses to read it; it is tried again at every load.",
    "unsupported_encoding": "It is UTF-16 or UTF-32; convert it to UTF-8.",
    "unsupported_container": "It is, or holds, an archive that is not unpacked; repack it.",
    "html_page": "It is a web page, probably an error or a login page saved as data.",
    "gzip_truncated": "The gzip stream ends too early.",
    "gzip_corrupt": "The gzip stream is damaged: its checksum, length or coding is wrong.",
    "gzip_trailing_garbage": "Other bytes follow the end of the gzip stream.",
    "zstd_truncated": "The zstd stream ends too early.",
    "zstd_corrupt": "The zstd stream is damaged: its checksum or coding is wrong.",
    "zstd_trailing_garbage": "Other bytes follow the end of the zstd stream.",
    "zip_corrupt": "The zip is damaged or cut short, or other bytes stand before or after it.",
    "zip_encrypted": "A member of the zip has a password.",
    "double_compressed": "It is compressed twice; unpack it once.",
    "decompression_limit": "It unpacks to more than 200 times its size, as a bomb would, or needs "
    "more than 128 MiB to be unpacked.",
    "invalid_json": "It is one JSON document, not lines, and that document is broken.",
    "missing_required_column": "Its header names none of the columns that the source needs.",
    "duplicate_header": "Its header names a column twice.",
    "unterminated_quote": "A quoted value never ends, so record boundaries are unknown.",
    "parquet_invalid": "It cannot be read as Parquet.",
    "avro_invalid": "It cannot be read as Avro: cut short, damaged, or of an unusable schema.",
    "format_not_accepted": "Its physical format is none that its source takes.",
    "too_many_rejections": "More of its records are rejected than `max_rejected_share` allows.",
    "out_of_memory": "It needs more memory than the limit allows; it is tried again.",
    "internal_error": "The loader met something unforeseen (see detail); it is tried again.",
}

RETRIED_REASONS = frozenset({"unreadable", "out_of_memory", "internal_error"})
"""Refusals whose cause may lie outside the file, so that the same file is tried at every load."""


class FileRefused(Exception):
    """A whole file that cannot be loaded, with the reason and what was found."""

    def __init__(self, reason: str, detail: str) -> None:
        """Keep the reason, one of REFUSAL_REASONS, and the detail."""
        # What it tells of a file may hold half a character, which no column can keep.
        self.detail = detail.encode("utf-8", "backslashreplace").decode()
        self.reason = reason
        super().__init__(f"{reason}: {self.detail}")


@contextmanager
def naming(member: str | None) -> Iterator[None]:
    """Say of a refusal in which member of a zip its cause lies."""
    try:
        yield
    except FileRefused as refusal:
        if member is None:
            raise
        detail = f"its member {member!r}: {refusal.detail}"
        raise FileRefused(refusal.reason, detail) from refusal
