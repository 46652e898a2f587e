"""What `kindred review` and `kindred explain` show. Layout and words only."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from orchestration.display.console import console, plain_table

if TYPE_CHECKING:
    from orchestration.identity.explain import PairExplanation
    from orchestration.identity.explain_customer import CustomerExplanation
    from orchestration.identity.reviewing import OpenPair
    from orchestration.identity.trees import Link
    from orchestration.ledger.judgements import Judgement

_WORDS = {"must_link": "the same person", "cannot_link": "different people", "unsure": "unsure"}
_NEXT = "It takes effect with the next `kindred run`."


def say(text: str) -> None:
    """One line for the person at the keyboard."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def show_queue(queue: "Sequence[OpenPair]", judgements: "Sequence[Judgement]") -> None:
    """The next pairs without their scores, and what was judged."""
    if queue:
        table = plain_table("rank", "record", "record", "why it is asked", "effect")
        for pair in queue:
            cells = (str(pair.rank), pair.record_id_l, pair.record_id_r, pair.reason, f"{pair.effect:.2f}")
            table.add_row(*(escape(cell) for cell in cells))
        console.print(table)
    else:
        say("Nothing to review.")
    if judgements:
        table = plain_table("no.", "record", "record", "judged", "by", "on (UTC)", "reason")
        for entry in judgements:
            judged = (
                str(entry.judgement_id), *entry.pair, _WORDS[entry.verdict], entry.decided_by,
                f"{entry.decided_at:%Y-%m-%d %H:%M}", entry.reason or "",
            )  # fmt: skip
            table.add_row(*(escape(cell) for cell in judged))
        console.print()
        console.print(table)


def show_decided(judgement: "Judgement") -> None:
    """What was written."""
    say(
        f"Judgement {judgement.judgement_id}: {judgement.record_id_l} and {judgement.record_id_r} are "
        f"{_WORDS[judgement.verdict]}. {_NEXT} Take it back with: kindred review --undo {judgement.judgement_id}"
    )


def show_undone(entry: "Judgement") -> None:
    """What was taken back."""
    say(f"Judgement {entry.undoes} is taken back (entry {entry.judgement_id}). {_NEXT}")


def show_open_pair(pair: "OpenPair", values: Mapping[str, tuple[str | None, str | None]], number: int, of: int) -> None:
    """Both records side by side with marks of agreement; no score, so that it sways nobody."""
    console.print()
    console.print(f"[bold]Pair {number} of {of}[/]  {escape(pair.reason)}", soft_wrap=True)
    console.print(_side_by_side(pair.record_id_l, pair.record_id_r, values))


def show_score(pair: "OpenPair") -> None:
    """What the model says, for whoever asked."""
    from orchestration.identity.explain import chance

    say(
        f"The model says {chance(pair.match_probability)} ({pair.match_weight:+.1f} bits). In full: "
        f"kindred explain {pair.record_id_l} {pair.record_id_r}"
    )


def show_session(numbers: Sequence[int], left: int) -> None:
    """What a review came to."""
    if not numbers:
        say(f"Nothing was decided. {left} pair(s) left.")
        return
    listed = ", ".join(str(number) for number in numbers)
    say(
        f"{len(numbers)} decided (judgements {listed}), {left} pair(s) left. They take effect with the next `kindred run`."
    )


def show_pair(explanation: "PairExplanation") -> None:
    """The waterfall of a pair in words."""
    from orchestration.identity.explain import as_words

    console.print(_side_by_side(explanation.record_id_l, explanation.record_id_r, explanation.values))
    console.print(f"\n[bold]How the weight adds up[/] (bits; linkage model {explanation.model_version})")
    for line in as_words(explanation):
        say(line)


def show_customer(explanation: "CustomerExplanation") -> None:
    """Why each record belongs, the weakest link, and what would split it."""
    table = plain_table("record", "name", "born", "e-mail", "best link", "chance", "bits")
    for member in explanation.members:
        link = member.best
        if link is None:
            best = ("alone", "", "")
        else:
            other = link.right if link.left == member.record_id else link.left
            best = (other, *_strength(link))
        cells = (member.record_id, member.name, member.birth_date or "", member.email or "", *best)
        table.add_row(*(escape(cell) for cell in cells))
    console.print(f"[bold]{explanation.customer_id}[/], {len(explanation.members)} record(s)")
    console.print(table)
    if explanation.weakest is not None:
        link = explanation.weakest
        chance, bits = _strength(link)
        console.print(
            f"\nWeakest link: {escape(link.left)} and {escape(link.right)}, {chance} {bits}".rstrip(), soft_wrap=True
        )
    for line in explanation.conclusion:
        say(line)
    for link in explanation.contrary[:5]:
        say(f"Against it: {link.left} and {link.right}, {' '.join(_strength(link))} bits")
    if explanation.events:
        console.print("\n[bold]What happened to the id[/]")
        for day, kind, with_other, cause in explanation.events:
            say(f"{day}  {kind}{f' ({with_other})' if with_other else ''}, cause: {cause}")


def _strength(link: "Link") -> tuple[str, str]:
    from orchestration.identity.explain import chance

    if link.judged:
        return ("judged", "")
    return (chance(link.probability), f"{link.weight:+.1f}")


def _side_by_side(left: str, right: str, values: Mapping[str, tuple[str | None, str | None]]) -> Table:
    from orchestration.identity.explain import agreement

    marks = {"same": "[green]same[/]", "alike": "[yellow]alike[/]", "differs": "[red]differs[/]", "": ""}
    table = plain_table("", left, right, "")
    for name, (one, other) in values.items():
        mark = marks[agreement(name, one, other)]
        table.add_row(name.replace("_", " "), escape(one or ""), escape(other or ""), mark)
    return table
