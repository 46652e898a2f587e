"""The commands `kindred review` and `kindred explain`: names, options, keys and exit codes. No logic."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from orchestration.config import Settings
    from orchestration.identity.reviewing import Desk, OpenPair


def review(
    decide: Annotated[
        tuple[str, str, str] | None,
        typer.Option(
            metavar="RECORD_A RECORD_B same|different|unsure", help="Decide one pair without asking; needs --reason."
        ),
    ] = None,
    undo: Annotated[int | None, typer.Option(metavar="ID", help="Take a judgement back, by its number.")] = None,
    reason: Annotated[
        str | None, typer.Option(help="Why; kept in the ledger. Name no person: erasure does not look into reasons.")
    ] = None,
    list_: Annotated[
        bool, typer.Option("--list", help="Show the queue and the living judgements, and ask nothing.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many pairs.")] = 20,
) -> None:
    """Decide pairs of records: one person or not. Works through the queue, most telling pair first; scores are hidden.

    Keys: m same person, d different, u unsure, k skip, s show the score, z take the last one back, q quit. Decisions go to
    the ledger and take effect with the next `kindred run`.
    """
    from orchestration.display.review import show_decided, show_queue, show_undone
    from orchestration.identity.reviewing import ANSWERS

    if (decide is not None) + (undo is not None) + list_ > 1:
        raise typer.BadParameter("choose one of --decide, --undo and --list")
    if decide is not None:
        record_a, record_b, answer = decide
        if answer not in ANSWERS:
            raise typer.BadParameter(f"{answer!r} is none of {', '.join(ANSWERS)}", param_hint="--decide")
        if not (reason or "").strip():
            raise typer.BadParameter("say why with --reason", param_hint="--decide")
        show_decided(_desk("judgement.decide").decide(record_a, record_b, ANSWERS[answer], reason))
    elif undo is not None:
        show_undone(_desk("judgement.undo").undo(undo, reason))
    elif list_:
        desk = _desk("identity.show")
        show_queue(desk.queue(limit), desk.judgements())
    else:
        _ask(_desk("judgement.decide"), limit)


def explain(
    ids: Annotated[
        list[str],
        typer.Argument(
            metavar="RECORD_A RECORD_B | CUSTOMER", help="Two records, or one customer (or a record of it)."
        ),
    ],
    html: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Write the explanation of a pair as a page.")
    ] = None,
) -> None:
    """Explain why two records are, or are not, one customer; or why each record of a customer belongs to it."""
    from orchestration.config import load_settings
    from orchestration.display.review import show_customer, show_pair
    from orchestration.identity.explain import explain_pair
    from orchestration.identity.explain_customer import explain_customer
    from orchestration.identity.explain_page import write_page
    from orchestration.linkage.errors import LinkageError
    from orchestration.linkage.registry import current_model
    from orchestration.privacy.access import require
    from orchestration.project import load_project

    if len(ids) > 2 or (len(ids) == 1 and html):
        raise typer.BadParameter("name two records, or one customer; --html goes with two records")
    settings = load_settings()
    require(settings, "identity.show")
    _must_exist(settings)
    with load_project().warehouse() as con:
        if len(ids) == 1:
            show_customer(explain_customer(con, ids[0]))
            return
        model = current_model(settings.models)
        if model is None:
            raise LinkageError("there is no linkage model yet: `kindred run` trains the first one")
        explanation = explain_pair(con, model, *ids)
    show_pair(explanation)
    if html:
        from orchestration.display.console import show_path

        write_page(explanation, html)
        show_path("Page", html)


def _desk(permission: str) -> "Desk":
    from orchestration.config import load_settings
    from orchestration.identity.reviewing import Desk
    from orchestration.ledger.store import Ledger
    from orchestration.privacy.access import require
    from orchestration.project import load_project

    settings = load_settings()
    actor = require(settings, permission)
    if permission != "judgement.undo":
        _must_exist(settings)
    return Desk(load_project().warehouse, Ledger.of(settings), actor)


def _must_exist(settings: "Settings") -> None:
    """Looking must not leave an empty warehouse behind."""
    from orchestration.identity.errors import IdentityError

    if not settings.warehouse.exists():
        raise IdentityError("there is no warehouse yet: `kindred run` makes it, and with it customers to look at")


def _ask(desk: "Desk", limit: int) -> None:
    """The keys. End of input quits, so that a script can answer."""
    from orchestration.display.review import say, show_open_pair, show_score, show_session
    from orchestration.errors import KindredError

    waiting: list[OpenPair] = list(desk.queue(limit))
    behind: list[tuple[OpenPair, int | None]] = []
    """Pairs that are done, each with the number of its judgement, or None where it was skipped."""
    answers = {"m": "must_link", "d": "cannot_link", "u": "unsure"}
    shown = False
    while waiting:
        pair = waiting[0]
        if not shown:
            show_open_pair(
                pair, desk.values(pair.record_id_l, pair.record_id_r), len(behind) + 1, len(behind) + len(waiting)
            )
            shown = True
        key = _read("[m]same [d]ifferent [u]nsure s[k]ip [s]core [z]undo [q]uit")
        try:
            if key in answers:
                why = _read("Why? (Enter for none)")
                made = desk.decide(pair.record_id_l, pair.record_id_r, answers[key], why or None)  # type: ignore[arg-type]
                behind.append((waiting.pop(0), made.judgement_id))
                shown = False
            elif key == "k":
                behind.append((waiting.pop(0), None))
                shown = False
            elif key == "s":
                show_score(pair)
            elif key == "z" and behind:
                last, number = behind.pop()
                if number is not None:
                    desk.undo(number, "taken back in the same review")
                waiting.insert(0, last)
                shown = False
            elif key in ("q", None):
                break
            else:
                say("There is nothing to take back." if key == "z" else "Press one of m, d, u, k, s, z, q.")
        except KindredError as error:
            say(str(error))
    show_session([number for _, number in behind if number is not None], len(waiting))


def _read(question: str) -> str | None:
    """An answer in lower case, or None at the end of the input."""
    typer.echo(f"{question} ", nl=False)
    try:
        return input().strip() if question.startswith("Why") else input().strip().lower()
    except EOFError:
        typer.echo()
        return None
