"""The working folder of a request that is not complete: what is needed to go on after an interruption.

Belongs here: keeping the closure and the values to search for until the erasure is certified, and destroying them then.
Does not belong here: the request's record in the ledger, which names nobody.

Between the first deletion and the certificate these files are all that is left to say who is being erased. They are
readable by their owner only, are overwritten before they are deleted, and the certificate is given only when they are gone.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from orchestration.config import Settings
from orchestration.privacy.closure import Closure, Person, Place
from orchestration.privacy.holdings import Holding
from orchestration.privacy.traces import Traces


def privacy_folder(settings: Settings) -> Path:
    """Certificates and open requests."""
    return settings.data / "privacy"


@dataclass(frozen=True)
class OpenRequest:
    """One request's folder."""

    folder: Path

    @classmethod
    def of(cls, settings: Settings, request_id: str) -> "OpenRequest":
        """The folder of a request."""
        return cls(privacy_folder(settings) / "open" / request_id)

    @property
    def request_id(self) -> str:
        """As in the ledger."""
        return self.folder.name

    @property
    def journal(self) -> Path:
        """Where the rewritten landing files are noted."""
        return self.folder / "landing.json"

    def keep(
        self, closure: Closure, traces: Traces, values: Mapping[str, set[str]], holdings: Sequence[Holding]
    ) -> None:
        """Write everything down before anything is deleted."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for folder in (self.folder.parent.parent, self.folder.parent, self.folder):
            folder.chmod(0o700)
        self._write("closure.json", _closure_json(closure))
        self._write("traces.json", {"values": sorted(traces.values), "shared": traces.shared})
        self._write("model_values.json", {name: sorted(found) for name, found in values.items()})
        self._write("holdings.json", [[item.store, item.name, item.rows] for item in holdings])

    @property
    def closure(self) -> Closure:
        """What belongs to the people."""
        return _closure_of(self._read("closure.json"))

    @property
    def traces(self) -> Traces:
        """What is searched for."""
        content = self._read("traces.json")
        return Traces(frozenset(content["values"]), content["shared"])

    @property
    def model_values(self) -> dict[str, set[str]]:
        """The people's values as models list them."""
        return {name: set(values) for name, values in self._read("model_values.json").items()}

    @property
    def holdings(self) -> list[Holding]:
        """What was found, by store."""
        return [Holding(*item) for item in self._read("holdings.json")]

    def destroy(self) -> None:
        """Overwrite and delete the folder."""
        for path in sorted(self.folder.glob("*")):
            with path.open("r+b") as file:
                file.write(b"\0" * path.stat().st_size)
                file.flush()
                os.fsync(file.fileno())
            path.unlink()
        if self.folder.exists():
            self.folder.rmdir()

    def _write(self, name: str, content: Any) -> None:
        path = self.folder / name
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump(content, file, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())

    def _read(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text(encoding="utf-8"))


def _closure_json(closure: Closure) -> dict[str, Any]:
    return {
        "people": [
            {
                "number": person.number,
                "customers": person.customers,
                "records": person.records,
                "visitors": person.visitors,
                "stitched": person.stitched,
                "places": [[p.table, p.load_date.isoformat(), p.file, p.row] for p in person.places],
            }
            for person in closure.people
        ],
        "events": closure.events,
    }


def _closure_of(content: Mapping[str, Any]) -> Closure:
    return Closure(
        tuple(
            Person(
                item["number"],
                tuple(item["customers"]),
                tuple(item["records"]),
                tuple(item["visitors"]),
                tuple(Place(table, date.fromisoformat(day), file, row) for table, day, file, row in item["places"]),
                tuple(item["stitched"]),
            )
            for item in content["people"]
        ),
        tuple((key, number) for key, number in content["events"]),
    )
