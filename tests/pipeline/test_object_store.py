"""A real S3 server: its objects are loaded once, and what is wrong with it is said."""

import gzip
import io
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import fastavro
import pytest
import zstandard

from orchestration.loading.stores import StoredObject
from orchestration.sources import Format
from tests.unit.test_loading import TYPED, Shop

WEED = Path(sys.executable).with_name("weed")
BUCKET = "exports"
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}

pytestmark = pytest.mark.skipif(not WEED.exists(), reason="the S3 server weed is not installed")


@dataclass(frozen=True)
class Server:
    """An S3 server, and a client of it that owns its one bucket."""

    endpoint: str
    client: Any

    def put(self, key: str, content: bytes) -> None:
        self.client.pipe_file(f"{BUCKET}/{key}", content)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("weed")
    identity = {
        "name": "test",
        "credentials": [{"accessKey": "key", "secretKey": "secret"}],
        "actions": ["Admin", "Read", "Write", "List"],
    }
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    s3, master, volume, filer = free_ports(4)
    command = [
        *(str(WEED), "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"),
        *("-filer", "-s3", f"-s3.config={folder / 's3.json'}", "-s3.iam=false"),
        *(f"-s3.port={s3}", f"-master.port={master}", f"-volume.port={volume}"),
        *(f"-filer.port={filer}", "-s3.port.iceberg=0", "-s3.port.lance=0"),
        *("-master.telemetry=false", "-master.volumeSizeLimitMB=64", "-volume.max=8"),
    ]
    with (folder / "weed.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        endpoint = f"http://127.0.0.1:{s3}"
        yield Server(endpoint, client_when_ready(process, endpoint))
    finally:
        # What it holds is thrown away, so it need not end in order, which takes it long.
        process.kill()
        process.wait()
        shutil.rmtree(folder)


def free_ports(count: int) -> list[int]:
    """Return ports that are free, as are those 10,000 above, which the server uses as well."""
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(20_000, 30_000)
        if port not in found and all(map(is_free, (port, port + 10_000))):
            found.append(port)
    return found


def is_free(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) != 0


def client_when_ready(process: subprocess.Popen[bytes], endpoint: str) -> Any:
    import s3fs

    client = s3fs.S3FileSystem(
        key="key", secret="secret", endpoint_url=endpoint, use_listings_cache=False
    )
    deadline = time.monotonic() + 60
    while True:
        assert process.poll() is None, "the server has ended"
        try:
            with socket.create_connection(("127.0.0.1", int(endpoint.rpartition(":")[2])), 1):
                pass
            if not client.exists(BUCKET):
                client.mkdir(BUCKET)
            client.pipe_file(f"{BUCKET}/ready", b"1")
            return client
        except OSError:
            assert time.monotonic() < deadline, "the server takes no objects"
            time.sleep(0.2)


@pytest.fixture
def shop(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Shop]:
    """Give a shop whose exports lie under a prefix of its own."""
    for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL": server.endpoint}.items():
        monkeypatch.setenv(name, value)
    table = replace(TYPED, formats=(*TYPED.formats, Format("avro", "avro")))
    here = Shop(tmp_path, table)
    here.source = replace(here.source, path=f"s3://{BUCKET}/{request.node.name}/")
    yield here
    here.connection.close()


def avro(records: list[dict[str, Any]]) -> bytes:
    file = io.BytesIO()
    fields = [{"name": "id", "type": "string"}]
    fastavro.writer(file, {"type": "record", "name": "r", "fields": fields}, records)
    return file.getvalue()


def parquet(folder: Path, query: str) -> bytes:
    duckdb.sql(query).write_parquet(str(folder / "made.parquet"))
    return (folder / "made.parquet").read_bytes()


def test_a_prefix_of_many_kinds_of_files_is_loaded_once(
    server: Server, shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = shop.source.path.removeprefix(f"s3://{BUCKET}/")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.csv", "id,n\nzip-a,1\n")
        archive.writestr("b.jsonl.gz", gzip.compress(b'{"id": "zip-b"}\n'))
    # More than is read from the store at a time.
    many = b"".join(b'{"id": "%d", "n": %d}\n' % (n, n) for n in range(400_000))
    assert len(many) > 9 << 20
    for key, content in {
        "a.jsonl": b'{"id": "plain"}\n',
        "b.jsonl.gz": gzip.compress(b'{"id": "gzip"}\n'),
        "c.jsonl.zst": zstandard.compress(b'{"id": "zstd"}\n'),
        "d.zip": packed.getvalue(),
        "e.parquet": parquet(tmp_path, "select 'parquet' as id"),
        "f.avro": avro([{"id": "avro"}]),
        "day=1/empty.jsonl": b"",
        "g.gz": b"\x1f\x8bbroken",
        "many.jsonl": many,
        "_SUCCESS": b"",
    }.items():
        server.put(f"{prefix}{key}", content)
    summary = shop.load()
    assert summary.problem is None
    assert [(file.path.rpartition("/")[2], file.status) for file in summary.files] == [
        ("a.jsonl", "loaded"),
        ("b.jsonl.gz", "loaded"),
        ("c.jsonl.zst", "loaded"),
        ("d.zip", "loaded"),
        ("empty.jsonl", "loaded"),
        ("e.parquet", "loaded"),
        ("f.avro", "loaded"),
        ("g.gz", "refused"),
        ("many.jsonl", "loaded"),
    ]
    assert summary.files[0].path == f"{shop.source.path}a.jsonl"
    assert shop.query(
        "select id from raw.typed_events where n is null or id = 'zip-a' order by 1"
    ) == [(each,) for each in ("avro", "gzip", "parquet", "plain", "zip-a", "zip-b", "zstd")]
    assert shop.query(
        "select count(*), sum(n) from raw.typed_events where id not in ('zip-a')"
    ) == [(400_006, sum(range(400_000)))]
    monkeypatch.setattr(StoredObject, "chunks", None)
    again = shop.load()
    assert {file.status for file in again.files} == {"unchanged"}


def test_an_object_that_is_replaced_is_loaded_again(server: Server, shop: Shop) -> None:
    key = shop.source.path.removeprefix(f"s3://{BUCKET}/") + "a.jsonl"
    for id_ in ("1", "2"):
        server.put(key, b'{"id": "%s"}\n' % id_.encode())
        assert [file.status for file in shop.load().files] == ["loaded"]
    assert shop.rows("id", order="id") == [("1",), ("2",)]
    assert shop.query("select count(distinct etag), count(*) from raw.load_files") == [(2, 2)]


def test_a_glob_chooses_objects(server: Server, shop: Shop) -> None:
    prefix = shop.source.path.removeprefix(f"s3://{BUCKET}/")
    for key in ("1/a.jsonl", "1/a.csv", "2/a.jsonl"):
        server.put(f"{prefix}{key}", b'{"id": "1"}\n')
    shop.source = replace(shop.source, path=f"{shop.source.path}*/*.jsonl")
    assert len(shop.load().files) == 2


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "check the credentials in the environment"),
        ({"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}, "check the credentials"),
        ({"path": "s3://no-such-bucket/x/"}, "check `path` in sources.yml"),
        ({"path": "s3://no-such-bucket/x/*.json"}, "check `path` in sources.yml"),
    ],
)
def test_what_keeps_the_store_from_being_read_is_said(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, change: dict[str, str | None], told: str
) -> None:
    for name, value in change.items():
        if name == "path":
            shop.source = replace(shop.source, path=value)
        elif value is None:
            monkeypatch.delenv(name)
        else:
            monkeypatch.setenv(name, value)
    summary = shop.load()
    assert summary.files == ()
    assert summary.problem is not None
    assert summary.problem.startswith(f"{shop.source.path} cannot be read: ")
    assert told in summary.problem
