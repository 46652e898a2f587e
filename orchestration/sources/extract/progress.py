"""What an extraction that was cut off keeps for its next attempt: a small file in the partial folder.

Belongs here: remembering steps, and forgetting them when the contract or the window has changed. Does not belong here:
what a step is (each connector says that).
"""

import json
import shutil
from pathlib import Path
from typing import Any

from orchestration.encrypted_files import DamagedFileError
from orchestration.sources.extract.state import write_json
from orchestration.sources.landed import read_bytes

_FILE = "_progress.json"


class Progress:
    """A mapping of names to JSON values that survives the process. Valid for one key; another key begins anew."""

    def __init__(self, folder: Path, key: str, steps: dict[str, Any]) -> None:
        self._path = folder / _FILE
        self._key = key
        self._steps = steps

    @classmethod
    def open(cls, folder: Path, key: str) -> "Progress":
        """The progress of an earlier attempt under the same key; otherwise the folder is emptied."""
        path = folder / _FILE
        try:
            content = json.loads(read_bytes(path))
            if content["key"] == key:
                return cls(folder, key, dict(content["steps"]))
        except (OSError, ValueError, KeyError, TypeError, DamagedFileError):
            pass
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return cls(folder, key, {})

    def get(self, name: str) -> Any:
        """The step's value, or None."""
        return self._steps.get(name)

    def set(self, name: str, value: Any) -> None:
        """Remember a step. What the step describes must be on disk before."""
        self._steps[name] = value
        write_json(self._path, {"key": self._key, "steps": self._steps})

    def forget(self, name: str) -> None:
        """Forget a step, so that it is done anew."""
        self._steps.pop(name, None)
        write_json(self._path, {"key": self._key, "steps": self._steps})

    @staticmethod
    def remove(folder: Path) -> None:
        """Drop the file: the extraction is complete."""
        (folder / _FILE).unlink(missing_ok=True)
