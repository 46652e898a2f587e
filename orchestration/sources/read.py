"""Reading one delivered file into text rows, with the place of each row and of each line that cannot be read.

Belongs here: choosing the reader of the contract's format. Does not belong here: the readers (`read_csv`,
`read_json_lines`, `read_parquet`), types (see `typed`) and judging values (see the quality gates).
"""

from orchestration.encrypted_files import UnreadableEncryptionError
from orchestration.sources.errors import DeliveryError, DriftError, MissingFileError, UnreadableFileError
from orchestration.sources.landed import size_of
from orchestration.sources.names import literal, quote
from orchestration.sources.read_csv import read_csv
from orchestration.sources.read_json_lines import read_json_lines
from orchestration.sources.read_parquet import read_parquet
from orchestration.sources.reading import Delivered, FileRows, MalformedLine

__all__ = [
    "Delivered",
    "DeliveryError",
    "DriftError",
    "FileRows",
    "MalformedLine",
    "MissingFileError",
    "UnreadableFileError",
    "literal",
    "quote",
    "read_file",
]

_READERS = {"csv": read_csv, "jsonl": read_json_lines, "parquet": read_parquet}


def read_file(file: Delivered) -> FileRows:
    """Append a file's rows to its target: the contract's columns, then `_row` and `_file`.

    CSV and JSON Lines give text columns, Parquet keeps its own types. The target is created by the first file, and has
    the unknown columns of all files that the rules let land.

    Raises:
        UnreadableFileError: empty, truncated, or not in the contract's format or encoding; encrypted, and there is no key
            for it or it is damaged.
        DriftError: columns are missing or unknown to the contract.
    """
    try:
        if size_of(file.path) == 0:
            raise UnreadableFileError(
                f"{file.label} is empty (0 bytes): the delivery broke off. Ask {file.contract.owner} to send it again; "
                "a day without changes is a file with its header only."
            )
        return _READERS[file.server.format](file)
    except UnreadableEncryptionError as error:
        raise UnreadableFileError(str(error)) from error
