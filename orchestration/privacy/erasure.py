"""Erasing people: the steps, their order, going on after an interruption, and the one place that certifies.

Belongs here: taking a request, doing its steps once each, and refusing to certify what is not proven. Does not belong here:
any step's work (see the module named after it).

Order: tombstones first, so that nobody comes back while the rest is done; the truths (ledger, landing) next; then what is
derived from them; then the bytes; then the proof. Each step can be done twice. The ledger knows which were done; the
working folder (`open_request.py`) knows to whom.
"""

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from orchestration.config import PROJECT_ROOT
from orchestration.ledger.audit import head
from orchestration.ledger.redaction import compact, delete_personal_rows, succeed_models
from orchestration.ledger.requests import (
    COMPLETE,
    Kind,
    PrivacyRequest,
    counted,
    open_request,
    read_requests,
    record_step,
)
from orchestration.ledger.store import Ledger, current_actor
from orchestration.privacy import model_redaction, warehouse_erasure
from orchestration.privacy.certificate import Certificate, certificate_path, write_certificate
from orchestration.privacy.closure import STANDARD, Closure, Selector, find_closure, load_closure
from orchestration.privacy.errors import (
    AlreadyErasedError,
    ErasureError,
    PrivacyError,
    ResidueError,
    UnknownPersonError,
)
from orchestration.privacy.holdings import Holding, count_holdings, ledger_places
from orchestration.privacy.landing_erasure import Journal, erase_landing
from orchestration.privacy.landing_rows import disk_error
from orchestration.privacy.namesakes import Namesakes, find_namesakes
from orchestration.privacy.open_request import OpenRequest, privacy_folder
from orchestration.privacy.pseudonyms import TokenKey, token, token_key
from orchestration.privacy.reading_positions import move_positions_back
from orchestration.privacy.relations import RECORDS
from orchestration.privacy.sample_truth import erase_sample_truth, sample_truth_files
from orchestration.privacy.scan import scan
from orchestration.privacy.secret import load_secret, secret_path
from orchestration.privacy.suppression import PURPOSE, Gatekeeper, bury
from orchestration.privacy.text_stores import blank_files, blank_sqlite, clear_dbt
from orchestration.privacy.traces import Traces, collect_traces
from orchestration.warehouse import let_go, rewrite

if TYPE_CHECKING:
    from orchestration.project import Project


@dataclass(frozen=True)
class Removed:
    """What publishing must know of an erasure: whose rows are gone, and which tables were computed anew."""

    closure: Closure
    rebuilt: tuple[str, ...]
    """`schema.table` of each."""


Republish = Callable[["Project", Removed], None]
"""Takes the people out of the published files and the report. Takes the run's lock itself."""
OnStep = Callable[[str], None]

# Cheap, and what the last search found may since have been mended by hand.
_AGAIN = ("files", "rewrite")
STEPS = (
    "tombstones",
    "ledger",
    "landing",
    "warehouse",
    "models",
    "aggregates",
    "files",
    "rewrite",
    "publish",
    "verify",
)


@dataclass(frozen=True)
class Plan:
    """What an erasure would remove."""

    people: int
    customers: int
    records: int
    holdings: tuple[Holding, ...]
    values: int
    """Distinctive values that would be searched afterwards."""
    rebuilt: tuple[str, ...]


@dataclass(frozen=True)
class Done:
    """An erasure that is certified."""

    request_id: str
    certificate: Path
    holdings: tuple[Holding, ...]
    removed: Mapping[str, int]


def plan(project: "Project", selectors: Sequence[Selector]) -> Plan:
    """What `erase` would remove; nothing is changed, and nothing is written down.

    Raises:
        PrivacyError: the people cannot be found, or not without guessing.
        WarehouseLockedError: a run is going on.
    """
    with project.exclusive(), project.warehouse() as con:
        closure = _find(project, con, selectors)
        holdings = count_holdings(con, Ledger.of(project.settings), closure)
        traces = collect_traces(con, closure.customers)
        rebuilt = warehouse_erasure.aggregates(project, con)
    return Plan(
        len(closure.people),
        len(closure.customers),
        len(closure.records),
        tuple(holdings),
        len(traces.values),
        tuple(rebuilt),
    )


def erase(
    project: "Project", selectors: Sequence[Selector], republish: Republish, on_step: OnStep = lambda _: None
) -> Done:
    """Erase the people named, from everywhere below the data folder, and certify it.

    Raises:
        PrivacyError: the people cannot be found, were erased before, or an earlier erasure is not complete.
        ErasureError: a step could not be done; the request stays open and nothing is certified.
        WarehouseLockedError: a run is going on.
        LedgerError: the ledger cannot be written; nothing was removed then.
    """
    refuse_while_open(project)
    with project.exclusive():
        request = _prepare(project, selectors)
    return carry_out(project, request, republish, on_step)


def refuse_while_open(project: "Project") -> None:
    """Raises PrivacyError while an earlier request is not complete: two at once would undo each other's accounts."""
    waiting = _open_requests(project)
    if waiting:
        raise PrivacyError(
            f"the request {waiting[0].request_id} is not complete. Finish it first: `kindred erase --resume`."
        )


def resume(project: "Project", republish: Republish, on_step: OnStep = lambda _: None) -> list[Done]:
    """Go on with every erasure that is not complete, oldest first. Raises as `erase` does."""
    return [
        carry_out(project, OpenRequest.of(project.settings, request.request_id), republish, on_step)
        for request in _open_requests(project)
    ]


def _open_requests(project: "Project") -> list[PrivacyRequest]:
    requests = read_requests(Ledger.of(project.settings))
    return [item for item in requests if item.kind in ("erasure", "retention") and item.completed_at is None]


def _find(project: "Project", con: duckdb.DuckDBPyConnection, selectors: Sequence[Selector]) -> Closure:
    try:
        return find_closure(con, project.contracts, selectors)
    except UnknownPersonError as error:
        before = _erased_before(project, selectors)
        if before is None:
            raise
        where = certificate_path(project.settings, before.request_id)
        raise AlreadyErasedError(
            f"this person was erased on {before.completed_at:%Y-%m-%d %H:%M} UTC (request {before.request_id}); nothing is "
            f"held any more. The certificate: {where}"
        ) from error


def _erased_before(project: "Project", selectors: Sequence[Selector]) -> PrivacyRequest | None:
    requests = [item for item in read_requests(Ledger.of(project.settings), "erasure") if item.completed_at]
    if not requests:
        return None
    key = token_key(load_secret(project.settings), PURPOSE)
    given = {_selector_hash(selector.kind, selector.value, key) for selector in selectors}
    return next((item for item in reversed(requests) if given & set(item.selectors)), None)


def _selector_hash(kind: str, value: str, key: TokenKey) -> str:
    text = value.strip().lower() if kind == "email" else value.strip()
    return str(token(f"{kind}|{text}", "selector", key))


def _prepare(project: "Project", selectors: Sequence[Selector]) -> OpenRequest:
    """Find everything, write it down, and open the request in the ledger: the last moment at which nothing is lost."""
    settings, ledger = project.settings, Ledger.of(project.settings)
    key = token_key(load_secret(settings), PURPOSE)
    with project.warehouse() as con:
        closure = _find(project, con, selectors)
        request = OpenRequest.of(settings, f"erasure-{datetime.now(UTC):%Y%m%d}-{uuid.uuid4().hex[:8]}")
        prepare_request(project, con, request, closure)
        emails = con.execute(
            f"select distinct email from {STANDARD} semi join {RECORDS} using (record_id) where email is not null"
        ).fetchall()
    known = [("email", email) for (email,) in emails]
    known += [("customer", value) for value in closure.customers] + [("record", value) for value in closure.records]
    known += [(selector.kind, selector.value) for selector in selectors]
    hashes = sorted({_selector_hash(kind, value, key) for kind, value in known})
    register(ledger, request, "erasure", len(closure.people), hashes)
    return request


def prepare_request(
    project: "Project",
    con: duckdb.DuckDBPyConnection,
    request: OpenRequest,
    closure: Closure,
    traces: Traces | None = None,
) -> None:
    """Write down what a request needs to go on after an interruption. Raises ErasureError when the disk is full.

    Args:
        traces: what is searched for afterwards, when it is not all that the closure's rows say.
    """
    models = model_redaction.kept_models(project.settings.models)
    features = model_redaction.listed_features(models)
    con.execute(
        f"create or replace temp table erased_standard as from {STANDARD} semi join {RECORDS} using (record_id)"
    )
    values = model_redaction.person_values(con, "erased_standard", features) if features else {}
    con.execute("drop table erased_standard")
    holdings = count_holdings(con, Ledger.of(project.settings), closure)
    try:
        request.keep(closure, collect_traces(con, closure.customers) if traces is None else traces, values, holdings)
    except OSError as error:
        request.destroy()
        raise disk_error(error, "the request") from error


def register(ledger: Ledger, request: OpenRequest, kind: Kind, people: int, hashes: Sequence[str]) -> None:
    """Open the request in the ledger. Raises LedgerError, and keeps nothing then."""
    action = "erasure.request" if kind == "erasure" else "retention.request"
    try:
        open_request(ledger, request.request_id, kind, current_actor(), people, hashes, action=action)
    except BaseException:
        request.destroy()
        raise


def searched(project: "Project", traces: Traces) -> Traces:
    """What is looked for: nothing that also stands in the code, where it would be found for ever."""
    settings = project.settings
    return traces.without_words_of(
        [settings.dbt_project, settings.contracts, PROJECT_ROOT / "orchestration", PROJECT_ROOT / "expectations"]
    )


def carry_out(project: "Project", request: OpenRequest, republish: Republish, on_step: OnStep) -> Done:
    """Do the steps of a request that are not done, prove them, and certify. Raises as `erase` does."""
    ledger = Ledger.of(project.settings)
    state = next(item for item in read_requests(ledger) if item.request_id == request.request_id)
    if not (request.folder / "closure.json").exists():
        return _finish(project, request, state, ledger)
    work = _Work(project, request, ledger, request.closure, searched(project, request.traces), state.kind)
    try:
        with project.exclusive():
            for step in STEPS[: STEPS.index("publish")]:
                if step not in state.steps or step in _AGAIN:
                    on_step(step)
                    details = _added(state.steps.get(step, {}), work.do(step))
                    record_step(ledger, request.request_id, step, details)
        on_step("publish")
        republish(project, Removed(work.closure, work.rebuilt))
        if state.kind == "retention":
            # Everything was derived anew from what is left: what that replaced is still in the file's free blocks.
            with project.exclusive():
                rewrite(project.settings.warehouse)
        on_step("verify")
        with project.exclusive():
            return work.certify()
    except duckdb.Error as error:
        raise _of_duckdb(error) from error
    except OSError as error:
        raise disk_error(error, "a file of the data folder") from error


def _added(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """Counts of a step that was done again: what it found each time. The size before stays that of the first time."""
    return {
        name: before[name]
        if name == "bytes_before" and before
        else value + before.get(name, 0)
        if isinstance(value, int) and name != "bytes_after"
        else value
        for name, value in now.items()
    }


def _of_duckdb(error: duckdb.Error) -> ErasureError:
    text = str(error).splitlines()[0]
    if "No space left" in text or "File too large" in text or "Could not write" in text:
        return disk_error(OSError(28, "No space left on device"), "the warehouse")
    return ErasureError(
        f"the warehouse could not be changed: {text}. The request stays open and nothing is certified; mend that and run "
        "`kindred erase --resume`."
    )


def _finish(project: "Project", request: OpenRequest, state: PrivacyRequest, ledger: Ledger) -> Done:
    """A request that was certified, but stopped before the ledger was told."""
    path = certificate_path(project.settings, request.request_id)
    if "verify" not in state.steps or not path.exists():
        raise ErasureError(
            f"the working folder {request.folder} of the open request is gone, so nobody can say what is still to be erased. "
            "Restore it from a backup, or erase the person again by --email, --customer or --record and note why."
        )
    _complete(ledger, request, state.kind, state.steps["verify"])
    return Done(request.request_id, path, (), {})


def _complete(ledger: Ledger, request: OpenRequest, kind: str, details: Mapping[str, Any]) -> None:
    action = "erasure.complete" if kind == "erasure" else "retention.remove"
    record_step(ledger, request.request_id, COMPLETE, details, actor=current_actor(), action=action)


@dataclass
class _Work:
    """One request's steps. Each answers counts for the ledger and can be done again."""

    project: "Project"
    request: OpenRequest
    ledger: Ledger
    closure: Closure
    traces: Traces
    kind: Kind

    @property
    def rebuilt(self) -> tuple[str, ...]:
        """The tables that were computed anew, as the ledger has it."""
        state = next(item for item in read_requests(self.ledger) if item.request_id == self.request.request_id)
        return tuple(state.steps["aggregates"]["rebuilt"])

    def do(self, step: str) -> dict[str, Any]:
        """Do one step."""
        if step == "tombstones" and self.kind == "retention":
            # Whoever is forgotten because time is up may come back: they have not asked to stay away.
            return {"hashes": 0}
        steps: dict[str, Callable[[], dict[str, Any]]] = {
            "tombstones": self._tombstones,
            "ledger": self._ledger,
            "landing": self._landing,
            "warehouse": self._warehouse,
            "models": self._models,
            "aggregates": self._aggregates,
            "files": self._files,
            "rewrite": self._rewrite,
        }
        return steps[step]()

    def _tombstones(self) -> dict[str, Any]:
        with self.project.warehouse() as con:
            load_closure(con, self.closure)
            secret = load_secret(self.project.settings)
            return {"hashes": bury(con, self.ledger, self.closure, self.request.request_id, secret)}

    def _ledger(self) -> dict[str, Any]:
        gone = delete_personal_rows(
            self.ledger, self.closure.records, self.closure.customers, ledger_places(self.closure)
        )
        return {"removed": gone}

    def _landing(self) -> dict[str, Any]:
        keeper = Gatekeeper(
            self.ledger, self.project.contracts, lambda: load_secret(self.project.settings), self.request.request_id
        )
        with self.project.warehouse() as con:
            files = erase_landing(self.project, con, self.closure, keeper, Journal(self.request.journal))
        return {"files": len(files), "removed": {item.file: len(item.rows) for item in files}}

    def _warehouse(self) -> dict[str, Any]:
        with self.project.warehouse() as con:
            load_closure(con, self.closure)
            files = Journal(self.request.journal).files
            rebuilt = warehouse_erasure.aggregates(self.project, con)
            if self.kind == "retention":
                rebuilt = warehouse_erasure.derived(con)
            anew = [*rebuilt, *warehouse_erasure.linkage_state(con)]
            removed = warehouse_erasure.erase_warehouse(
                self.project, con, self.request.request_id, files, anew, self.traces
            )
        return {"removed": removed, "rebuilt": anew}

    def _models(self) -> dict[str, Any]:
        folder, erased = self.project.settings.models, self.request.model_values
        model_redaction.drop_unreadable(folder)
        models = model_redaction.kept_models(folder)
        listed = {
            feature
            for model in models.values()
            for feature, values in model.classes.classes.items()
            if erased.get(feature, set()) & values.keys()
        }
        if not listed:
            return {"succession": {}}
        with self.project.warehouse() as con:
            held = model_redaction.person_values(con, STANDARD, listed)
            succession = model_redaction.redact_models(folder, erased, held)
            warehouse_erasure.rename_model(con, succession)
        succeed_models(self.ledger, succession, current_actor())
        return {"succession": succession}

    def _aggregates(self) -> dict[str, Any]:
        if self.kind == "retention":
            # People stay of whom only some rows went: a whole run derives them anew.
            return {"rebuilt": ["everything behind raw"]}
        with self.project.warehouse() as con:
            load_closure(con, self.closure)
            rebuilt = warehouse_erasure.aggregates(self.project, con)
            rebuilt |= warehouse_erasure.broken_households(self.project, con)
        if rebuilt:
            for _ in self.project.transform.run("run", ["--select", *rebuilt.values()]):
                pass
        moved = []
        if warehouse_erasure.HOUSEHOLDS in rebuilt:
            with self.project.warehouse() as con:
                moved = warehouse_erasure.move_households(con)
        return {"rebuilt": [*rebuilt, *moved]}

    def _files(self) -> dict[str, Any]:
        settings = self.project.settings
        counts = {
            "dbt logs and results": clear_dbt(settings.dbt),
            "sample truth": erase_sample_truth(settings, self.closure, self.traces),
            "positions of reading": self._positions(),
        }
        databases = sorted(settings.dagster_home.rglob("*.db")) if settings.dagster_home.exists() else []
        counts["dagster storage"] = sum(blank_sqlite(path, self.traces) for path in databases)
        for name, folder in (
            ("dagster logs", settings.dagster_home),
            ("dbt artefacts", settings.dbt),
            ("data docs", settings.quality),
            ("report", settings.published),
        ):
            texts = [
                path
                for path in sorted(folder.rglob("*"))
                if path.is_file() and ".db" not in path.name and path.suffix != ".duckdb"
            ]
            counts[name] = blank_files(texts, self.traces)
        return counts

    def _positions(self) -> int:
        rewritten = {item.table for item in Journal(self.request.journal).files}
        with self.project.warehouse() as con:
            return move_positions_back(con, self.project.tables, self.project.settings.landing, self.traces, rewritten)

    def _rewrite(self) -> dict[str, Any]:
        path = self.project.settings.warehouse
        before = path.stat().st_size
        rewrite(path)
        compact(self.ledger)
        return {"bytes_before": before, "bytes_after": path.stat().st_size}

    def _namesakes(self, values: Collection[str]) -> Namesakes:
        with self.project.warehouse() as con:
            found = find_namesakes(con, values, sample_truth_files(self.project.settings))
        # The search goes on to read the file.
        let_go(self.project.settings.warehouse)
        return found

    def certify(self) -> Done:
        """Prove that nothing is left and nobody else was touched; only then write the certificate."""
        settings = self.project.settings
        with self.project.warehouse() as con:
            load_closure(con, self.closure)
            proofs = warehouse_erasure.prove_others(con, self.request.request_id)
        let_go(settings.warehouse)
        kept = [privacy_folder(settings), secret_path(settings).parent, settings.warehouse.with_suffix(".run.lock")]
        result = scan(
            settings.data,
            self.traces,
            leave_out=kept,
            ended_ids=self.closure.customers,
            namesakes=self._namesakes,
        )
        if result.findings:
            shown = "; ".join(str(item) for item in result.findings[:10])
            raise ResidueError(
                f"{len(result.findings)} places still hold something of the person: {shown}. No certificate is given and the "
                "request stays open. Files that no active contract describes must be removed by hand; then run "
                "`kindred erase --resume`."
            )
        state = next(item for item in read_requests(self.ledger) if item.request_id == self.request.request_id)
        steps = state.steps
        removed = {f"landing {file}": count for file, count in steps["landing"]["removed"].items()}
        removed |= {f"warehouse {table}": count for table, count in steps["warehouse"]["removed"].items()}
        removed |= {f"ledger {table}": count for table, count in steps["ledger"]["removed"].items()}
        holdings = self.request.holdings
        certificate = Certificate(
            request_id=self.request.request_id,
            kind=state.kind,
            requested_at=state.requested_at,
            completed_at=datetime.now(UTC).replace(tzinfo=None),
            people=state.people,
            holdings=holdings,
            removed=removed,
            stores={
                **{name: int(count) for name, count in steps["files"].items()},
                "linkage models": len(steps["models"]["succession"]),
            },
            others=proofs,
            rebuilt=steps["warehouse"]["rebuilt"],
            published=sorted(path.name for path in settings.published.glob("*") if path.is_file()),
            scan=result,
            shared_values=self.traces.shared,
            tombstone_hashes=steps["tombstones"]["hashes"],
            audit_head=head(self.ledger).hash,
        )
        path = write_certificate(settings, certificate)
        summary = {"certificate": certificate.content()["sha256"], counted(state.kind): state.people}
        record_step(self.ledger, self.request.request_id, "verify", summary)
        self.request.destroy()
        _complete(self.ledger, self.request, state.kind, summary)
        return Done(self.request.request_id, path, tuple(holdings), removed)
