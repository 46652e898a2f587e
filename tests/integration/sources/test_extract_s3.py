"""A real S3 server: the day's prefix, a bucket that only grows, compressed files, and refusals."""

import gzip
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import requests

from orchestration.sources.extract.errors import AccessError, AnswerError, UnreachableError
from tests.integration.sources.asked import DAYS, Asked, column, table
from tests.integration.sources.servers_for_tests import free_port, running_s3

FIFTH, SIXTH, _ = DAYS
PEOPLE = [column("id", "integer", primaryKey=True), column("name")]


class Bucket:
    """A bucket of the server, emptied for each test."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client = boto3.client(
            "s3", endpoint_url=url, aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1"
        )

    def put(self, key: str, content: bytes | str) -> None:
        self.client.put_object(
            Bucket="exports", Key=key, Body=content.encode() if isinstance(content, str) else content
        )


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with running_s3() as url:
        yield url


@pytest.fixture
def bucket(s3: str) -> Bucket:
    requests.post(f"{s3}/moto-api/reset", timeout=10)
    bucket = Bucket(s3)
    bucket.client.create_bucket(Bucket="exports")
    return bucket


@pytest.fixture
def source(bucket: Bucket, tmp_path: Path) -> Callable[..., Asked]:
    def make(location: str, format: str = "csv", glob: str = "people*.csv", **custom: Any) -> Asked:
        keys = {"accessKeyVariable": "VENDOR_KEY", "secretKeyVariable": "VENDOR_SECRET"}
        server = {
            "type": "s3", "location": location, "endpointUrl": bucket.url, "format": format,
            "customProperties": {**keys, **custom},
        }  # fmt: skip
        asked = Asked(tmp_path, server, [table(physical=glob, columns=PEOPLE)])
        asked.environment |= {"VENDOR_KEY": "key", "VENDOR_SECRET": "secret"}
        return asked

    return make


def rows(people: Asked, day: date) -> list[tuple]:
    con = duckdb.connect()
    people.load(con, day)
    return con.execute("select id, name, _file, _row from raw.vendor__people order by all").fetchall()


def test_the_prefix_of_the_day_is_taken_with_many_files_plain_and_compressed(
    bucket: Bucket, source: Callable[..., Asked]
) -> None:
    zstd = pa.compress(b"id,name\n4,d\n", codec="zstd", asbytes=True)
    bucket.put("daily/2026/01/05/people_1.csv", "id,name\n1,a\n2,b\n")
    bucket.put("daily/2026/01/05/people_2.csv.gz", gzip.compress(b"id,name\n3,c\n"))
    bucket.put("daily/2026/01/05/people_3.csv.zst", zstd)
    bucket.put("daily/2026/01/05/readme.txt", "not ours")
    bucket.put("daily/2026/01/06/people_1.csv", "id,name\n9,z\n")
    people = source("s3://exports/daily/{date:%Y/%m/%d}/")
    landed = people.land(FIFTH)
    assert landed.files == ("people_1.csv", "people_2.csv.gz", "people_3.csv.zst")
    assert [(row[0], row[1]) for row in rows(people, FIFTH)] == [(1, "a"), (2, "b"), (3, "c"), (4, "d")]
    before = people.files(FIFTH)
    bucket.put("daily/2026/01/05/people_1.csv", "id,name\n1,changed\n")
    assert not people.land(FIFTH).extracted
    assert people.files(FIFTH) == before
    people.land(FIFTH, again=True)
    assert rows(people, FIFTH)[0][1] == "changed"


def test_parquet_and_nested_json_lines_come_as_they_are(bucket: Bucket, source: Callable[..., Asked]) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"id": [1], "name": ["a"]}), sink)
    bucket.put("p/2026-01-05/people.parquet", sink.getvalue().to_pybytes())
    people = source("s3://exports/p/{date}", "parquet", "people.parquet")
    people.land(FIFTH)
    assert rows(people, FIFTH) == [(1, "a", f"vendor/{FIFTH}/people.parquet", 1)]
    nested = [
        column("id", "integer", primaryKey=True),
        column("name", physicalName="who.name"),
        column("tags", "array"),
    ]
    described = table(physical="people.jsonl", columns=nested)
    server = {
        "type": "s3", "location": "s3://exports/j/{date}", "endpointUrl": bucket.url, "format": "jsonl",
        "customProperties": {"accessKeyVariable": "VENDOR_KEY", "secretKeyVariable": "VENDOR_SECRET"},
    }  # fmt: skip
    people.write(server, [described])
    bucket.put("j/2026-01-06/people.jsonl.gz", gzip.compress(b'{"id": 1, "who": {"name": "a"}, "tags": ["x"]}\n'))
    people.land(SIXTH)
    con = duckdb.connect()
    people.load(con, SIXTH)
    assert con.execute("select id, name, tags->>0 from raw.vendor__people").fetchall() == [(1, "a", "x")]


def test_a_bucket_that_only_grows_gives_each_day_what_is_new(bucket: Bucket, source: Callable[..., Asked]) -> None:
    now = datetime.now(UTC)
    today = now.date()
    tomorrow, later = today + timedelta(days=1), today + timedelta(days=2)
    bucket.put("inbox/people_a.csv", "id,name\n1,a\n")
    bucket.put("inbox/people_b.csv", "id,name\n2,b\n")
    people = source("s3://exports/inbox")
    assert people.land(today - timedelta(days=3), now=now).note == "nothing is there for this day yet"
    assert people.land(today, now=now).files == ("people_a.csv", "people_b.csv")
    before = people.files(today)
    bucket.put("inbox/people_c.csv", "id,name\n3,c\n")
    assert people.land(tomorrow, now=now).files == ("people_c.csv",)
    bucket.put("inbox/people_a.csv", "id,name\n1,again\n")
    assert people.land(later, now=now + timedelta(days=1)).files == ("people_a.csv",)
    assert not people.land(later + timedelta(days=1), now=now + timedelta(days=2)).extracted
    # Of what the first day took, one object has since changed and belongs to the later day now.
    people.land(tomorrow, again=True, now=now)
    assert people.land(tomorrow, now=now).files == ("people_c.csv",)
    assert people.files(today) == before


def test_a_day_taken_again_leaves_later_objects_to_the_later_day(bucket: Bucket, source: Callable[..., Asked]) -> None:
    now = datetime.now(UTC)
    today = now.date()
    bucket.put("inbox/people_a.csv", "id,name\n1,a\n")
    people = source("s3://exports/inbox/")
    people.land(today, now=now)
    before = people.files(today)
    bucket.put("inbox/people_b.csv", "id,name\n2,b\n")
    people.land(today + timedelta(days=1), now=now)
    people.land(today, again=True, now=now)
    assert people.files(today) == before


def test_a_day_is_taken_only_when_its_marker_lies_there(bucket: Bucket, source: Callable[..., Asked]) -> None:
    bucket.put("d/2026-01-05/people.csv", "id,name\n1,a\n")
    people = source("s3://exports/d/{date}/", marker="_DONE")
    assert not people.land(FIFTH).extracted
    assert not people.folder(FIFTH).exists()
    bucket.put("d/2026-01-05/_DONE", "")
    assert people.land(FIFTH).files == ("people.csv",)


def test_folders_below_the_prefix_are_kept(bucket: Bucket, source: Callable[..., Asked]) -> None:
    bucket.put("d/2026-01-05/eu/people.csv", "id,name\n1,a\n")
    bucket.put("d/2026-01-05/us/people.csv", "id,name\n2,b\n")
    people = source("s3://exports/d/{date}/", glob="*/people.csv")
    people.land(FIFTH)
    assert [row[2] for row in rows(people, FIFTH)] == [f"vendor/{FIFTH}/{part}/people.csv" for part in ("eu", "us")]


def test_a_name_that_leads_out_of_landing_is_refused(bucket: Bucket, source: Callable[..., Asked]) -> None:
    from orchestration.sources.extract.files import _safe

    with pytest.raises(AnswerError, match="cannot be a path in landing"):
        _safe("a/../../people.csv", "vendor")


def test_copies_of_an_attempt_that_broke_off_are_kept(
    bucket: Bucket, source: Callable[..., Asked], monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestration.sources.extract.bucket import BucketPlace

    for name in "abc":
        bucket.put(f"d/2026-01-05/people_{name}.csv", f"id,name\n1,{name}\n")
    people, copied, copy = source("s3://exports/d/{date}/"), [], BucketPlace.copy

    def breaks_at_c(self: Any, file: Any, target: Path) -> None:
        copied.append(file.name)
        if file.name == "people_c.csv" and copied.count(file.name) == 1:
            target.write_text("half")
            raise UnreachableError("broke off")
        copy(self, file, target)

    monkeypatch.setattr(BucketPlace, "copy", breaks_at_c)
    with pytest.raises(UnreachableError):
        people.land(FIFTH)
    assert not people.folder(FIFTH).exists()
    people.land(FIFTH)
    assert copied == ["people_a.csv", "people_b.csv", "people_c.csv", "people_c.csv"]
    assert people.files(FIFTH)["people_c.csv"] == b"id,name\n1,c\n"


def test_refusals_say_what_to_do(bucket: Bucket, source: Callable[..., Asked], monkeypatch: pytest.MonkeyPatch) -> None:
    people = source("s3://nowhere/{date}/")
    with pytest.raises(AnswerError, match="there is no such bucket"):
        people.land(FIFTH)
    people.environment.pop("VENDOR_SECRET")
    with pytest.raises(AccessError, match=r"VENDOR_SECRET.*is not set"):
        people.land(FIFTH)
    people.environment["VENDOR_SECRET"] = "x"
    away = people.path.read_text().replace(bucket.url, f"http://127.0.0.1:{free_port()}")
    people.path.write_text(away)
    monkeypatch.setattr("orchestration.sources.extract.bucket.ATTEMPTS", 1)
    with pytest.raises(UnreachableError, match="vendor: s3://nowhere/2026-01-05/ cannot be listed"):
        people.land(FIFTH)
