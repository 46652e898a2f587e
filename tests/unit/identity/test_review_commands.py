"""`kindred review` and `kindred explain` on a small resolved warehouse, fed as a person types."""

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import pytest
import typer
from identity_people import DAY, resolve
from identity_people import make as make_people
from typer.testing import CliRunner

from orchestration.commands.review import explain, review
from orchestration.errors import KindredError
from orchestration.identity.explain import explain_pair
from orchestration.ledger.judgements import in_force, living, note_uses, read_judgements
from orchestration.ledger.store import Ledger
from orchestration.linkage import LinkageModel
from orchestration.linkage.registry import current_model

APP = typer.Typer()
APP.command("review")(review)
APP.command("explain")(explain)


@dataclass(frozen=True)
class Said:
    """What a command printed, and how it ended; an error for people is printed, too."""

    code: int
    output: str


@dataclass(frozen=True)
class Office:
    """A data folder of one's own."""

    data: Path
    model: LinkageModel

    def __call__(self, *arguments: str, keys: Sequence[str] = ()) -> Said:
        done = CliRunner().invoke(APP, list(arguments), input="".join(f"{key}\n" for key in keys))
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            assert isinstance(done.exception, KindredError), done.exception
            return Said(1, f"{done.output}{done.exception}")
        return Said(done.exit_code, done.output)

    @property
    def ledger(self) -> Ledger:
        return Ledger(f"sqlite:///{self.data / 'ledger' / 'ledger.sqlite'}")

    def verdicts(self) -> dict[tuple[str, str], str]:
        return {entry.pair: entry.verdict for entry in living(read_judgements(self.ledger))}

    def connect(self) -> duckdb.DuckDBPyConnection:
        return duckdb.connect(str(self.data / "warehouse" / "kindred.duckdb"), config={"threads": 1})

    def run(self, day: date) -> None:
        """A run with the ledger's judgements, as the pipeline does it."""
        entries = in_force(read_judgements(self.ledger), day)
        note_uses(self.ledger, entries, day)
        with self.connect() as con:
            resolve(con, self.model, entries, day)

    def customers(self) -> dict[str, str]:
        with self.connect() as con:
            return dict(con.execute("select record_id, customer_id from resolution.memberships").fetchall())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, LinkageModel]:
    data = tmp_path_factory.mktemp("people") / "data"
    return data, make_people(data)


@pytest.fixture
def office(made: tuple[Path, LinkageModel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    shutil.copytree(made[0], tmp_path / "data")
    monkeypatch.setenv("KINDRED_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("KINDRED_USER", "eva")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("KINDRED_ROLE", raising=False)
    monkeypatch.delenv("KINDRED_LEDGER_URL", raising=False)
    monkeypatch.setattr("orchestration.display.console.console.width", 200, raising=False)
    yield Office(tmp_path / "data", made[1])


def first_pairs(office: Office, count: int) -> list[tuple[str, str]]:
    with office.connect() as con:
        return con.execute(
            f"select record_id_l, record_id_r from resolution.review_queue order by rank limit {count}"
        ).fetchall()


def test_keys_decide_skip_take_back_and_quit(office: Office) -> None:
    one, two, three = first_pairs(office, 3)
    said = office("review", keys=["m", "same voice", "d", "", "z", "u", "", "k", "q"])
    assert said.code == 0, said.output
    assert office.verdicts() == {one: "must_link", two: "unsure"}
    entries = read_judgements(office.ledger)
    assert [(entry.verdict, entry.reason, entry.decided_by) for entry in entries] == [
        ("must_link", "same voice", "eva"),
        ("cannot_link", None, "eva"),
        ("undone", "taken back in the same review", "eva"),
        ("unsure", None, "eva"),
    ]
    assert all(entry.customer_id_l for entry in entries if entry.undoes is None)
    assert "2 decided (judgements 1, 4)" in said.output
    assert "next `kindred run`" in said.output
    assert first_pairs(office, 3) == [one, two, three], "the warehouse is only read"
    again = office("review", keys=["q"])
    assert three[0] in again.output.split("[m]")[0], "judged pairs are not asked again"


def test_scores_are_hidden_until_asked_for(office: Office) -> None:
    quiet = office("review", keys=["k", "q"]).output
    assert not re.search(r"\d%|bits", quiet)
    asked = office("review", keys=["s", "q"]).output
    assert re.search(r"The model says .*bits\)", asked)


def test_unknown_keys_and_the_end_of_the_input_do_no_harm(office: Office) -> None:
    said = office("review", keys=["x", "z"])
    assert said.code == 0
    assert "Press one of m, d, u, k, s, z, q." in said.output
    assert "There is nothing to take back." in said.output
    assert office.verdicts() == {}


def test_pairs_are_decided_without_asking_and_listed_and_taken_back(office: Office) -> None:
    said = office("review", "--decide", "shop:1", "crm:0", "different", "--reason", "asked both")
    assert said.code == 0, said.output
    assert office.verdicts() == {("crm:0", "shop:1"): "cannot_link"}
    listed = office("review", "--list").output
    assert "asked both" in listed
    assert office("review", "--undo", "1").code == 0
    assert office.verdicts() == {}
    assert "undone already" in office("review", "--undo", "1").output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--decide", "crm:0", "shop:1", "perhaps", "--reason", "x"), "perhaps"),
        (("--decide", "crm:0", "shop:1", "same"), "--reason"),
        (("--decide", "crm:0", "crm:999", "same", "--reason", "x"), "nearest are: crm:9"),
        (("--list", "--undo", "1"), "choose one"),
        (("--undo", "7"), "nothing has been judged"),
    ],
)
def test_what_cannot_be_taken_is_refused(office: Office, arguments: tuple[str, ...], message: str) -> None:
    said = office("review", *arguments)
    assert said.code != 0
    assert message in said.output
    assert office.verdicts() == {}


def test_a_contradiction_is_refused_and_named(office: Office) -> None:
    for one, other in (("crm:0", "shop:1"), ("shop:1", "crm:2")):
        assert office("review", "--decide", one, other, "same", "--reason", "x").code == 0
    said = office("review", "--decide", "crm:0", "crm:2", "different", "--reason", "x")
    assert said.code == 1
    assert "judgement 1" in said.output
    assert "judgement 2" in said.output
    assert len(office.verdicts()) == 2
    office("review", "--decide", "crm:0", "crm:2", "unsure", "--reason", "x")
    office("review", "--undo", "2")
    office("review", "--decide", "crm:0", "crm:2", "different", "--reason", "x")
    said = office("review", "--undo", "4")
    assert said.code == 1
    assert "contradict" in said.output or "cannot be judged" in said.output


def test_judgements_take_effect_survive_rebuilding_and_tell_their_cause(office: Office) -> None:
    before = office.customers()
    assert before["crm:0"] == before["shop:0"]
    assert before["crm:1"] != before["crm:2"]
    office("review", "--decide", "crm:0", "shop:0", "different", "--reason", "x")
    office("review", "--decide", "crm:1", "crm:2", "same", "--reason", "x")
    office.run(date(2026, 1, 6))
    now = office.customers()
    assert now["crm:0"] != now["shop:0"]
    assert now["crm:1"] == now["crm:2"] == now["shop:1"] == now["shop:2"]
    tables = ("memberships", "id_events", "customer_ids", "review_queue")
    with office.connect() as con:
        causes = con.execute(
            "select kind, cause from resolution.id_events where kind <> 'minted' order by all"
        ).fetchall()
        assert causes == [("merged", "judgement"), ("split", "judgement")]
        lived = state_of(con, tables)
        for table in con.execute("select table_name from duckdb_tables() where schema_name = 'resolution'").fetchall():
            if table[0] not in ("edges",):
                con.execute(f"drop table resolution.{table[0]}")
    for day in (DAY, date(2026, 1, 6)):
        office.run(day)
    with office.connect() as con:
        assert state_of(con, tables) == lived, "deleted and replayed, with the judgements of the ledger"


def state_of(con: duckdb.DuckDBPyConnection, tables: Sequence[str]) -> list[list[tuple]]:
    return [con.execute(f"select * from resolution.{name} order by all").fetchall() for name in tables]


def test_a_pair_is_explained_step_by_step(office: Office) -> None:
    said = office("explain", "shop:3", "crm:3")
    assert said.code == 0, said.output
    for words in ("before any evidence", "given name: same", "email: same", "in all", "They are one customer, cus_"):
        assert words in said.output


def test_the_steps_add_up_with_and_without_an_edge(office: Office) -> None:
    with office.connect() as con:
        edges = set(con.execute("select record_id_l, record_id_r from resolution.edges").fetchall())
        assert ("crm:3", "shop:3") in edges
        assert ("crm:3", "shop:44") not in edges
        for left, right in (("crm:3", "shop:3"), ("crm:3", "shop:44"), ("crm:0", "support:1")):
            told = explain_pair(con, office.model, right, left)
            whole = told.prior + sum(each.bits for each in told.evidence) + told.correction
            assert whole == pytest.approx(told.weight, abs=1e-4)
            assert (told.record_id_l, told.record_id_r) == (left, right)
        con.execute("create table kept as select * from resolution.edges")
        con.execute("delete from resolution.edges")
        scored_anew = explain_pair(con, office.model, "crm:3", "shop:3")
        con.execute("insert into resolution.edges select * from kept")
        assert scored_anew == explain_pair(con, office.model, "crm:3", "shop:3")


def test_the_page_is_whole_and_safe(office: Office, tmp_path: Path) -> None:
    page = tmp_path / "pages" / "pair.html"
    said = office("explain", "support:1", "support:2", "--html", str(page))
    assert said.code == 0, said.output
    text = page.read_text()
    assert "<svg" in text
    assert "threshold" in text
    assert "<b>Zo" not in text
    assert not re.search(r"(src|href)=|https?://|@import|<script", text)


def test_a_customer_is_explained_by_its_id_and_by_a_record(office: Office) -> None:
    customer = office.customers()["crm:5"]
    said = office("explain", customer)
    assert said.code == 0, said.output
    for words in (customer, "shop:5", "Weakest link: crm:5 and shop:5", "would part from the other 1", "minted"):
        assert words in said.output
    assert office("explain", "crm:5").output == said.output
    alone = office("explain", "support:2").output
    assert "one record: nothing can split it" in alone


def test_a_retired_id_says_where_it_leads_and_an_unknown_one_what_is_near(office: Office) -> None:
    before = office.customers()
    office("review", "--decide", "crm:1", "crm:2", "same", "--reason", "x")
    office.run(date(2026, 1, 6))
    living_id = office.customers()["crm:1"]
    retired = next(before[record] for record in ("crm:1", "crm:2") if before[record] != living_id)
    said = office("explain", retired)
    assert said.code == 1
    assert f"merged into another on 2026-01-06 (cause: judgement). It leads to {living_id}" in said.output
    said = office("explain", living_id[:-1] + "x")
    assert said.code == 1
    assert living_id in said.output


def test_without_a_warehouse_nothing_is_made(office: Office) -> None:
    shutil.rmtree(office.data / "warehouse")
    for command in (("review", "--list"), ("explain", "crm:1", "crm:2"), ("review",)):
        said = office(*command)
        assert said.code == 1
        assert "kindred run" in said.output
    assert not (office.data / "warehouse").exists()


def test_roles_are_asked(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINDRED_ROLE", "analyst")
    for command in (("review",), ("explain", "crm:1"), ("review", "--undo", "1"), ("review", "--list")):
        assert "may not do" in office(*command).output


def test_the_model_of_the_folder_is_the_one_in_use(office: Office) -> None:
    model = current_model(office.data / "models")
    assert model is not None
    assert model.version == office.model.version
