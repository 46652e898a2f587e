"""Reading whom a request names from a file.

Belongs here: the file's form and its errors. Does not belong here: finding the people (`closure.py`).
"""

import csv
from pathlib import Path

from orchestration.privacy.closure import Selector
from orchestration.privacy.errors import PrivacyError

KINDS = ("email", "customer", "record")


def read_selectors(path: Path) -> list[Selector]:
    """One person for each row of a CSV with columns among email, customer and record; each row fills exactly one.

    Raises PrivacyError naming the file and the row.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            known = [name for name in rows.fieldnames or [] if name in KINDS]
            if not known:
                raise PrivacyError(f"{path.name}: its header has none of the columns {', '.join(KINDS)}")
            found = []
            for number, row in enumerate(rows, 2):
                given = [(name, (row[name] or "").strip()) for name in known if (row[name] or "").strip()]
                if len(given) != 1:
                    raise PrivacyError(
                        f"{path.name} row {number}: {len(given)} of {', '.join(known)} are filled; exactly one is needed"
                    )
                found.append(Selector(given[0][0], given[0][1]))  # type: ignore[arg-type]
    except UnicodeDecodeError as error:
        raise PrivacyError(f"{path.name} is not UTF-8: {error}") from error
    if not found:
        raise PrivacyError(f"{path.name} names nobody")
    return found
