"""Corrections of rows in quarantine, as a person gives them.

Belongs here: the correction as a value, and reading a file of them. Does not belong here: whether a row can take one
(see `replay`).
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestration.quality.decided import Place
from orchestration.quality.errors import QuarantineError

# In a file of corrections: the value is to be no value at all. An empty cell leaves the value as it is.
NO_VALUE = r"\N"
_PLACE_COLUMNS = ("file", "row_number")


@dataclass(frozen=True)
class Correction:
    """What a row should have held: column to the text as the source writes it, None for no value."""

    place: Place
    values: Mapping[str, str | None]
    complete: bool = False
    """Whether columns that are not named hold no value: the whole row was given."""


def read_corrections(path: Path) -> list[Correction]:
    r"""Read a file of corrections: CSV with `file`, `row_number` and any of the table's columns.

    An empty cell leaves the value as it is, `\N` means no value. For a malformed line, of which nothing could be read,
    an empty cell is no value.

    Raises QuarantineError for a file that is not so.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, restkey="")
        header = reader.fieldnames or []
        lacking = [name for name in _PLACE_COLUMNS if name not in header]
        if lacking or len(set(header)) < len(header) or len(header) < 3:
            raise QuarantineError(
                f"{path.name}: the first line has to name file, row_number and the columns to correct, each once; "
                f"found: {', '.join(header) or 'nothing'}"
            )
        corrections = [_correction(path, number, line) for number, line in enumerate(reader, start=2)]
    repeated = _repeated([correction.place for correction in corrections])
    if repeated:
        raise QuarantineError(f"{path.name}: {repeated.file} row {repeated.row} stands twice; keep one line for it")
    return corrections


def _correction(path: Path, number: int, line: Mapping[str, Any]) -> Correction:
    if "" in line or None in line.values():
        raise QuarantineError(f"{path.name} line {number}: it has not as many values as the first line has columns")
    if not line["row_number"].strip().isdigit():
        raise QuarantineError(f"{path.name} line {number}: row_number {line['row_number']!r} is no row number")
    given = {name: value for name, value in line.items() if name not in _PLACE_COLUMNS}
    values = {name: None if value == NO_VALUE else value for name, value in given.items() if value != ""}
    return Correction(Place(line["file"].strip(), int(line["row_number"])), values, complete=True)


def _repeated(places: Sequence[Place]) -> Place | None:
    return next((place for number, place in enumerate(places) if place in places[:number]), None)
