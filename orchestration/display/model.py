"""What `kindred model`, `resolve` and `evaluate` show. Layout and words only."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table

from orchestration.display.console import console, show_path

if TYPE_CHECKING:
    from orchestration.linkage import ClusterScores
    from orchestration.linkage.comparing import ModelComparison, Regrouping
    from orchestration.linkage.drift import Drift
    from orchestration.linkage.recall import BlockingRecall
    from orchestration.linkage.registry import KeptModel, Trained
    from orchestration.linkage.resolving import Resolution
    from orchestration.linkage.stitching import StitchScores

# Weights that moved less than these would hide them.
_SHOWN_LEVELS = 12
_SHOWN_RULES = 8


def show_models(models: "Sequence[KeptModel]") -> None:
    """Every model, promoted ones first in their order, then candidates."""
    if not models:
        console.print("No linkage model yet: the first run trains one.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("version", "state", "records up to"):
        table.add_column(name, no_wrap=True)
    for name in ("records", "threshold", "precision", "recall"):
        table.add_column(name, justify="right", no_wrap=True)
    for model in models:
        state = "[green]in use[/]" if model.in_use else "used before" if model.promotions else "candidate"
        table.add_row(
            model.version,
            state if model.on_disk else f"{state} [red](files missing)[/]",
            model.as_of or "",
            "" if model.records is None else f"{model.records:,}",
            _number(model.threshold_weight, "+.2f"),
            _number(model.expected_precision, ".4f"),
            _number(model.expected_recall, ".4f"),
        )
    console.print(table)
    console.print("[dim]Precision and recall are those that training expects.[/]")
    promotions = sorted((p for model in models for p in model.promotions), key=lambda promotion: promotion.promotion_id)
    for promotion in promotions:
        used = f", first used for {promotion.first_used_on}" if promotion.first_used_on else ", not used yet"
        console.print(
            f"{promotion.decided_at:%Y-%m-%d %H:%M} UTC  {promotion.version} promoted by {promotion.decided_by}{used}: "
            f"{promotion.reason}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )


def show_drift(found: "tuple[str, list[Drift]] | None") -> bool:
    """How far the records have moved. Returns whether they are within the limits."""
    if found is None:
        console.print("There is no model in use with a data fingerprint yet: the first run trains one.")
        return True
    version, drifts = found
    if not drifts:
        console.print(f"The records are like those that the model in use, {version}, was trained on.")
        return True
    console.print(f"The records have moved from those that the model in use, {version}, was trained on:")
    for drift in drifts:
        console.print(f"  {drift.words}", markup=False, highlight=False, soft_wrap=True)
    console.print("Train a candidate with: kindred model train")
    return False


def show_trained(trained: "Trained") -> None:
    """The new candidate, what judgements did to it, and the next step."""
    model, report = trained.model, trained.model.report
    if trained.known:
        console.print(f"The records give the model {model.version}, which is kept already.")
    else:
        console.print(f"Trained the candidate {model.version} on {report.get('records', 0):,} records.")
    console.print(
        f"From a match weight of {model.threshold_weight:+.2f} a pair counts as one person; expected precision "
        f"{report.get('expected_precision', 1.0):.3f}, recall {report.get('expected_recall', 1.0):.3f}.",
        soft_wrap=True,
    )
    found = trained.calibration
    if found is None:
        console.print("No judgements of stewards to calibrate it by.")
    else:
        console.print(
            f"{found.judged_pairs:,} judged pairs ({found.must_link:,} of them one person) moved every weight by "
            f"{found.shift_bits:+.2f} bits: expected precision {found.expected_precision_before:.4f} before, "
            f"{found.expected_precision_after:.4f} after; recall {found.expected_recall_before:.4f} before, "
            f"{found.expected_recall_after:.4f} after.",
            soft_wrap=True,
        )
    console.print(f"Report   {trained.folder / 'report.html'}", soft_wrap=True)
    console.print(f"Next     kindred model compare {model.version}")


def show_comparison(found: "ModelComparison") -> None:
    """What taking the second model into use would change."""
    console.print(f"{found.records:,} records, with {found.before} and with {found.after} instead:")
    table = Table("", found.before, found.after, box=None, pad_edge=False, header_style="bold")
    table.add_row("customers", f"{found.customers_before:,}", f"{found.customers_after:,}")
    table.add_row("threshold (match weight)", f"{found.threshold_before:+.2f}", f"{found.threshold_after:+.2f}")
    for position, name in enumerate(("expected precision", "expected recall")):
        sides = (found.expected_before[position], found.expected_after[position])
        table.add_row(name, *(_number(side, ".4f") for side in sides))
    console.print(table)
    console.print(
        f"{found.merged:,} customers would come of several, {found.split:,} would come apart; "
        f"{found.pairs_gained:,} pairs of records gained, {found.pairs_lost:,} lost.",
        soft_wrap=True,
    )
    _show_regroupings("Would become one customer", found.merges, found.merged)
    _show_regroupings("Would come apart", found.splits, found.split)
    if found.levels:
        console.print("Weights that moved by half a bit or more:")
        for level in found.levels[:_SHOWN_LEVELS]:
            console.print(
                f"  {level.comparison}: {level.level}  {_number(level.before, '+.1f') or 'none'} to "
                f"{_number(level.after, '+.1f') or 'none'}",
                markup=False,
                highlight=False,
            )
        if len(found.levels) > _SHOWN_LEVELS:
            console.print(f"  and {len(found.levels) - _SHOWN_LEVELS:,} more")
    console.print(f'Take it into use with: kindred model promote {found.after} --reason "..."')


def show_promoted(version: str, previous: str | None) -> None:
    """What was put in use, and how to go back."""
    console.print(f"The linkage model {version} is in use. The next run resolves everybody anew with it.")
    if previous:
        console.print(f'Go back with: kindred model promote {previous} --reason "..."')


def show_stitching(scores: "Sequence[StitchScores]") -> None:
    """How anonymous browsing was given to customers, by rule."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("anonymous web events")
    for name in ("stitched", "right", "precision", "recall"):
        table.add_column(name, justify="right")
    for score in scores:
        table.add_row(
            score.rule, f"{score.stitched:,}", f"{score.correct:,}", f"{score.precision:.3f}", f"{score.recall:.3f}"
        )
    console.print(table)
    if scores:
        console.print(
            f"[dim]Of {scores[0].anonymous:,} anonymous events of customers, {scores[0].reachable:,} were made in a browser "
            "in which the same person was identified at some time; recall is of these.[/]",
            soft_wrap=True,
        )


def _show_regroupings(title: str, examples: "Sequence[Regrouping]", count: int) -> None:
    if not examples:
        return
    more = f" (the largest {len(examples)} of {count:,})" if count > len(examples) else ""
    console.print(f"{title}{more}:")
    for example in examples:
        parts = []
        for shown, size in zip(example.parts, example.part_sizes, strict=True):
            rest = f" and {size - len(shown)} more" if size > len(shown) else ""
            parts.append(f"[{', '.join(shown)}{rest}]")
        console.print(f"  {' | '.join(parts)}", markup=False, highlight=False, soft_wrap=True)


def _number(value: float | None, form: str) -> str:
    return "" if value is None else f"{value:{form}}"


def show_resolution(done: "Resolution") -> None:
    """How columns were understood, and what came out."""
    console.print("Columns understood as:")
    for line in done.mapping.lines():
        console.print(f"  {line}", markup=False, soft_wrap=True)
    console.print(
        f"\n{done.records:,} records, {done.customers:,} customers; the largest has {done.largest_customer:,} records."
    )
    expected = done.model.report
    console.print(f"Threshold weight {done.model.threshold_weight:.2f}, model {done.model.version}", highlight=False)
    if "expected_precision" in expected:
        console.print(
            f"Expected of pairs in training: precision {expected['expected_precision']:.3f}, "
            f"recall {expected['expected_recall']:.3f} of the pairs compared",
            highlight=False,
        )
    show_path("Written to", done.out)


def show_scores(scores: "ClusterScores") -> None:
    """How well the resolved customers agree with the truth."""
    table = Table(title="Customers against the truth", title_justify="left", header_style="bold", show_edge=False)
    table.add_column("")
    for column in ("precision", "recall", "F1"):
        table.add_column(column, justify="right")
    pairwise = (scores.pairwise_precision, scores.pairwise_recall, scores.pairwise_f1)
    bcubed = (scores.bcubed_precision, scores.bcubed_recall, scores.bcubed_f1)
    table.add_row("pairwise", *(f"{value:.4f}" for value in pairwise))
    table.add_row("B-cubed", *(f"{value:.4f}" for value in bcubed))
    console.print(table)
    console.print(
        f"\n{scores.records:,} records of {scores.entities:,} people, resolved to {scores.clusters:,} customers; "
        f"largest customer {scores.largest_cluster} records, largest person {scores.largest_entity}."
    )


def show_blocking(found: "BlockingRecall") -> None:
    """How many true pairs were compared at all, and which blocking rules bring them together."""
    console.print(
        f"\nBlocking recall {found.recall:.4f}: {found.proposed:,} of {found.true_pairs:,} true pairs were compared"
        + (", every pair of records being compared." if found.every_pair else "."),
        highlight=False,
        soft_wrap=True,
    )
    if not found.rules:
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("blocking rule: the same")
    for name in ("true pairs", "share", "by no other rule"):
        table.add_column(name, justify="right")
    for rule in found.rules[:_SHOWN_RULES]:
        table.add_row(
            " + ".join(name.replace("_", " ") for name in rule.key),
            f"{rule.proposed:,}",
            f"{rule.proposed / found.true_pairs:.3f}",
            f"{rule.alone:,}",
        )
    console.print(table)
    more = len(found.rules) - _SHOWN_RULES
    console.print(
        f"[dim]{f'And {more:,} more rules, which bring less by themselves. ' if more > 0 else ''}"
        f"{found.identical:,} true pairs say exactly the same and need no rule.[/]",
        soft_wrap=True,
    )
