"""Running the dbt project in this process.

Belongs here: what dbt needs from the environment, parsing when something changed, and one invocation as a stream of
events. Does not belong here: Dagster (see `defs`) and SQL (see dbt_project/).

In-process rather than as a subprocess because a run invokes dbt four times and each start costs seconds, and because the
warehouse file must be free of other connections while dbt writes, which one process can see to.
"""

import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from orchestration.config import PROJECT_ROOT, Settings
from orchestration.errors import KindredError
from orchestration.sources.contract import Contract
from orchestration.sources.dbt_sources import dbt_vars, write_sources
from orchestration.warehouse import let_go

Event = dict[str, Any]
_TOLD = frozenset({"LogSeedResult", "LogModelResult", "LogSnapshotResult", "LogTestResult", "PrintEvent"})
_PROJECT_FILES = ("*.sql", "*.yml", "*.csv")
_PARSED_FILES = ("partial_parse.msgpack", "semantic_manifest.json", "manifest.json")
_KEPT_PARSES = 8


class TransformError(KindredError):
    """dbt failed; the message carries what dbt said."""


@dataclass(frozen=True)
class Transform:
    """The dbt project with the settings and contracts of one data folder."""

    settings: Settings
    contracts: tuple[Contract, ...]

    @property
    def target(self) -> Path:
        """Where dbt writes its artefacts for this data folder."""
        return self.settings.dbt / "target"

    @cached_property
    def manifest(self) -> Mapping[str, Any]:
        """dbt's manifest, parsed anew when the project, the contracts or the active sources changed."""
        self.prepare()
        manifest: Mapping[str, Any] = json.loads((self.target / "manifest.json").read_text(encoding="utf-8"))
        return manifest

    def start_parsing(self) -> None:
        """Begin to parse in a process of its own, if stale, while this one does something else; `prepare` waits for it.

        A whole parse takes five seconds on one core, as long as importing Dagster and Great Expectations does. What goes
        wrong there is found again, and told, by `prepare`.
        """
        _ = self._parsing_beside

    @cached_property
    def _parsing_beside(self) -> "tuple[str, subprocess.Popen[bytes]] | None":
        """The process that parses, with the fingerprint of what it parses; None when nothing was stale."""
        write_sources(self.contracts, self.settings.dbt / "generated")
        if self.is_parsed:
            return None
        if self._took_over():
            return None
        self._stamp.unlink(missing_ok=True)
        dbt = Path(sys.executable).parent / "dbt"
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        environment = {**os.environ, **self._environment()}
        process = subprocess.Popen([str(dbt), "parse", *self._flags()], env=environment, **quiet)  # type: ignore[call-overload]
        return self._fingerprint(), process

    def prepare(self) -> Path:
        """Write the generated sources and parse if stale. Returns the path of manifest.json."""
        write_sources(self.contracts, self.settings.dbt / "generated")
        if begun := self.__dict__.get("_parsing_beside"):
            fingerprint, process = begun
            if process.wait() == 0 and not self._stamp.exists() and fingerprint == self._fingerprint():
                self._keep(fingerprint)
        if not self.is_parsed and not self._took_over():
            self._stamp.unlink(missing_ok=True)
            _ = self._parsed
            self._keep(self._fingerprint())
        return self.target / "manifest.json"

    def _keep(self, fingerprint: str) -> None:
        """Note what was parsed, and leave it to other data folders: but for the place of the generated file it is the same."""
        self._stamp.write_text(fingerprint)
        with suppress(OSError):  # The project may be for reading only; then each data folder parses for itself.
            _copy_parsed(self.target, self._shared / fingerprint)
            for old in sorted(self._shared.iterdir(), key=lambda path: path.stat().st_mtime)[:-_KEPT_PARSES]:
                shutil.rmtree(old, ignore_errors=True)

    def _took_over(self) -> bool:
        """Take what another data folder parsed of the same project with the same contracts. False when there is none."""
        fingerprint = self._fingerprint()
        try:
            _copy_parsed(self._shared / fingerprint, self.target)
        except OSError:
            return False
        self._stamp.write_text(fingerprint)
        return True

    @property
    def _shared(self) -> Path:
        return self.settings.dbt_project / "target" / "parsed"

    @property
    def _stamp(self) -> Path:
        return self.target / "manifest.fingerprint"

    @property
    def is_parsed(self) -> bool:
        """Whether manifest.json is of the project as it now is."""
        manifest = self.target / "manifest.json"
        return manifest.exists() and self._stamp.exists() and self._stamp.read_text() == self._fingerprint()

    @cached_property
    def _parsed(self) -> Any:
        """dbt's own manifest object. Handing it to every invocation saves reading and writing it each time."""
        from dbt.cli.main import dbtRunner

        os.environ.update(self._environment())
        write_sources(self.contracts, self.settings.dbt / "generated")
        if self.is_parsed and (kept := self._kept_manifest()) is not None:
            return kept
        result = dbtRunner().invoke(["parse", *self._flags()])
        if not result.success:
            raise TransformError(f"dbt parse failed: {result.exception}")
        return result.result

    def _kept_manifest(self) -> Any:
        """The manifest as dbt keeps it for parsing less: reading it takes a quarter of the time in which dbt finds that
        nothing has changed. None when there is none."""
        from dbt.contracts.graph.manifest import Manifest

        path = self.target / "partial_parse.msgpack"
        if not path.exists():
            return None
        manifest = Manifest.from_msgpack(path.read_bytes())
        manifest.build_flat_graph()
        return manifest

    def run(self, command: str, arguments: Sequence[str]) -> Iterator[Event]:
        """Run one dbt command and yield, as they come, its events (`info` and `data`) of results, warnings and errors.

        Raises:
            TransformError: after the last event, when dbt failed; failing tests count as failed.
            PurposeViolationError: before a build, when a model would use data past what its purpose asks for.
        """
        from dbt.cli.main import dbtRunner
        from dbt_common.events.functions import msg_to_dict

        if command in ("build", "run"):
            _ = self._purposes_hold
        events: SimpleQueue[Event | None] = SimpleQueue()
        manifest = self._parsed
        if self.settings.encrypt_working_files:
            # dbt attaches an encrypted file to a database of its own; a plain one it opens as this process has it open.
            let_go(self.settings.warehouse)

        def hear(event: Any) -> None:
            # dbt tells of thirty events for each result; turning each into a dictionary costs more than the SQL.
            if event.info.name in _TOLD or event.info.level in ("warn", "error"):
                events.put(msg_to_dict(event))

        def invoke() -> Any:
            try:
                runner = dbtRunner(manifest=manifest, callbacks=[hear])
                return runner.invoke([*command.split(), *self._flags(), *arguments])
            finally:
                events.put(None)
                _release_warehouse()

        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="dbt") as pool:
            future = pool.submit(invoke)
            failures = []
            while (event := events.get()) is not None:
                if event["info"]["level"] == "error":
                    failures.append(str(event["info"]["msg"]).strip())
                yield event
            result = future.result()
        if not result.success:
            said = "\n".join(dict.fromkeys(failures)) or str(result.exception)
            raise TransformError(f"dbt {command} failed: {said}")

    @cached_property
    def _purposes_hold(self) -> bool:
        """Raises PurposeViolationError before anything is built that would use data past what its purpose asks for."""
        from orchestration.privacy.purpose_check import check_purposes

        check_purposes(self.manifest, self.contracts)
        return True

    def build_docs(self) -> Path:
        """Write dbt's documentation as one self-contained page. Needs the warehouse's tables. Returns its path."""
        for _ in self.run("docs generate", ["--static"]):
            pass
        return self.target / "static_index.html"

    def _flags(self) -> list[str]:
        project = str(self.settings.dbt_project)
        return [
            "--quiet", "--log-level", "none", "--log-level-file", "warn", "--no-use-colors",
            "--project-dir", project, "--profiles-dir", project,
            "--target", "duckdb_encrypted" if self.settings.encrypt_working_files else "duckdb",
            "--vars", json.dumps(dbt_vars(self.contracts)),
        ]  # fmt: skip

    def _environment(self) -> dict[str, str]:
        return {
            "KINDRED_WAREHOUSE": str(self.settings.warehouse),
            "KINDRED_DBT_GENERATED": str(self.settings.dbt / "generated"),
            "DBT_TARGET_PATH": str(self.target),
            "DBT_LOG_PATH": str(self.settings.dbt / "logs"),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            "DO_NOT_TRACK": "1",
        }

    def _fingerprint(self) -> str:
        versions = [importlib.metadata.version(name) for name in ("dbt-core", "dbt-duckdb")]
        names = [self.settings.warehouse.name, *versions, *self._flags()]
        digest = hashlib.sha256(json.dumps(names).encode())
        for folder in (self.settings.dbt_project, self.settings.dbt / "generated"):
            found = sorted(path.relative_to(folder) for pattern in _PROJECT_FILES for path in folder.rglob(pattern))
            for path in found:
                if path.parts[0] != "target":
                    digest.update(f"{path}\n".encode())
                    digest.update((folder / path).read_bytes())
        digest.update(str(PROJECT_ROOT).encode())
        return digest.hexdigest()


def _copy_parsed(source: Path, target: Path) -> None:
    """Copy what a parse left, each file whole or not at all. Raises OSError."""
    target.mkdir(parents=True, exist_ok=True)
    for name in _PARSED_FILES:
        beside = target / f".{name}.{os.getpid()}"
        try:
            shutil.copyfile(source / name, beside)
            beside.replace(target / name)
        finally:
            beside.unlink(missing_ok=True)


def _release_warehouse() -> None:
    """Close dbt-duckdb's connection, which it keeps for the life of the process and with it the file's lock."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    DuckDBConnectionManager.close_all_connections()
