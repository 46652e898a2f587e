"""The format of encrypted files: any content comes back, from any place; whatever is not as it was written is refused."""

import io
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.encrypted_files import (
    SIGNATURE,
    TAG_BYTES,
    DamagedFileError,
    EncryptedReader,
    EncryptingWriter,
    WrongKeyError,
    is_encrypted,
)

KEY = "a key of the tests, of more than thirty-two characters"
CHUNK = 64
HEADER = 75
QUICK = settings(max_examples=60, deadline=None, derandomize=True)


def written(path: Path, *parts: bytes, chunk_bytes: int = CHUNK) -> Path:
    with EncryptingWriter(path, KEY, chunk_bytes=chunk_bytes) as file:
        for part in parts:
            file.write(part)
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("encrypted") / "people.csv"


@QUICK
@given(st.lists(st.binary(max_size=3 * CHUNK), max_size=6), st.integers(1, 3 * CHUNK))
def test_any_content_written_in_any_parts_comes_back(place: Path, parts: list[bytes], chunk_bytes: int) -> None:
    content = b"".join(parts)
    written(place, *parts, chunk_bytes=chunk_bytes)
    with EncryptedReader(place, KEY) as file:
        assert file.size == len(content)
        assert file.read() == content
        assert file.read() == b""
    assert is_encrypted(place)


@QUICK
@given(
    st.binary(max_size=5 * CHUNK),
    st.lists(
        st.one_of(
            st.tuples(st.just("read"), st.integers(0, 4 * CHUNK)),
            st.tuples(st.just("readinto"), st.integers(0, 4 * CHUNK)),
            st.tuples(st.just("seek"), st.integers(0, 6 * CHUNK)),
            st.tuples(st.just("back"), st.integers(0, 5 * CHUNK)),
            st.tuples(st.just("readline"), st.just(0)),
        ),
        max_size=12,
    ),
)
def test_seeking_and_reading_is_as_in_the_plain_file(place: Path, content: bytes, steps: list[tuple[str, int]]) -> None:
    written(place, content)
    plain = io.BytesIO(content)
    with EncryptedReader(place, KEY) as file:
        for step, number in steps:
            if step == "seek":
                assert file.seek(number) == plain.seek(number)
            elif step == "back":
                number = min(number, len(content))
                assert file.seek(-number, os.SEEK_END) == plain.seek(-number, os.SEEK_END)
            elif step == "readinto":
                mine, theirs = bytearray(number), bytearray(number)
                assert file.readinto(mine) == plain.readinto(theirs)
                assert mine == theirs
            else:
                assert getattr(file, step)(*([number] if step == "read" else [])) == getattr(plain, step)(
                    *([number] if step == "read" else [])
                )
            assert file.tell() == plain.tell()


@QUICK
@given(st.binary(min_size=1, max_size=4 * CHUNK), st.data())
def test_any_changed_or_missing_or_added_byte_is_refused(place: Path, content: bytes, data: st.DataObject) -> None:
    whole = written(place, content).read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    how = data.draw(st.sampled_from(["changed", "cut", "left out", "added"]))
    if how == "changed":
        broken = whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
    elif how == "cut":
        broken = whole[:at]
    elif how == "left out":
        broken = whole[:at] + whole[at + 1 :]
    else:
        broken = whole[:at] + data.draw(st.binary(min_size=1, max_size=2 * CHUNK)) + whole[at:]
    place.write_bytes(broken)
    with pytest.raises((DamagedFileError, WrongKeyError)) as refused, EncryptedReader(place, KEY) as file:
        file.read()
    assert "people.csv" in str(refused.value)


@pytest.mark.parametrize("order", [[1, 0, 2], [0, 2, 1], [0, 1, 1, 2], [0, 2], [0, 1], [2]])
def test_chunks_that_are_swapped_repeated_or_gone_are_refused(place: Path, order: list[int]) -> None:
    whole = written(place, bytes(3 * CHUNK)).read_bytes()
    chunks = [whole[HEADER + i * (CHUNK + TAG_BYTES) :][: CHUNK + TAG_BYTES] for i in range(3)]
    assert b"".join([whole[:HEADER], *chunks]) == whole
    place.write_bytes(b"".join([whole[:HEADER], *(chunks[i] for i in order)]))
    with pytest.raises(DamagedFileError, match="ask its sender for it again"), EncryptedReader(place, KEY) as file:
        file.read()


def test_chunks_of_another_file_of_the_same_key_are_refused(place: Path) -> None:
    first = written(place, bytes(2 * CHUNK)).read_bytes()
    second = written(place, bytes(2 * CHUNK)).read_bytes()
    assert first[HEADER:] != second[HEADER:], "equal contents are not equal files"
    place.write_bytes(first[:HEADER] + second[HEADER:])
    with pytest.raises(DamagedFileError), EncryptedReader(place, KEY):
        pass


def test_a_wrong_key_is_told_from_damage_and_the_way_out_is_named(place: Path) -> None:
    written(place, b"somebody")
    with pytest.raises(WrongKeyError, match=r"people\.csv was encrypted with another key.*KINDRED_ENCRYPTION_KEY"):
        EncryptedReader(place, KEY[::-1])


def test_a_file_whose_writing_broke_off_is_refused_and_so_is_one_that_was_forgotten(place: Path) -> None:
    with pytest.raises(RuntimeError), EncryptingWriter(place, KEY, chunk_bytes=CHUNK) as file:
        file.write(bytes(3 * CHUNK))
        raise RuntimeError
    with pytest.raises(DamagedFileError):
        EncryptedReader(place, KEY)
    forgotten = EncryptingWriter(place, KEY, chunk_bytes=CHUNK)
    forgotten.write(bytes(3 * CHUNK))
    del forgotten
    with pytest.raises(DamagedFileError):
        EncryptedReader(place, KEY)


def test_the_file_is_its_owners_and_shows_nothing_of_its_content(place: Path) -> None:
    place.unlink(missing_ok=True)
    whole = written(place, b"anna.mueller@example.org," * 10_000).read_bytes()
    assert place.stat().st_mode & 0o777 == 0o600
    assert b"mueller" not in whole
    assert whole.startswith(SIGNATURE)


def test_no_text_begins_as_an_encrypted_file() -> None:
    with pytest.raises(UnicodeDecodeError):
        SIGNATURE.decode("utf-8")


def test_a_large_file_needs_a_few_chunks_of_memory(place: Path) -> None:
    import tracemalloc

    part = os.urandom(1 << 20)
    tracemalloc.start()
    written(place, *[part] * 48, chunk_bytes=1 << 16)
    with EncryptedReader(place, KEY) as file:
        while file.read(1 << 20):
            pass
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 12 << 20
