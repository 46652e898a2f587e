"""Judgements, stable customer ids and what happened to them, the review queue, and taking ids over when all is well."""

from collections.abc import Iterator

import dagster as dg

from orchestration.defs.cleansing.assets import CLUSTERS, EDGES, INTEGRATED, JUDGEMENTS, RECORDS, made
from orchestration.defs.resources import PLATFORM_OWNER, RUN_LOCK, STAGE_OF_SCHEMA, project, run_context, stage_tag
from orchestration.identity import accept_ids, assign_ids
from orchestration.identity.judgements import CONFLICTS, conflicts_in_words, unheeded, write_judgements
from orchestration.identity.regrouping import regroup_known
from orchestration.identity.review_queue import QUEUE, make_review_queue
from orchestration.identity.state import CUSTOMER_IDS, ID_EVENTS, MEMBERSHIPS
from orchestration.ledger.judgements import in_force, note_uses, read_judgements
from orchestration.ledger.store import Ledger
from orchestration.linkage.registry import current_model, newest_load_date
from orchestration.linkage.state import StateTables

JUDGEMENTS_KEY = dg.AssetKey(["resolution", "judgements"])
ACCEPTED_KEY = dg.AssetKey(["resolution", "accepted_ids"])
# What every record said to linkage: `record_id`, `row_hash`.
SAID = StateTables.beside(EDGES).features
_PUBLISHED_STAGES = ("storage", "analysis")


@dg.asset(
    key=JUDGEMENTS_KEY,
    deps=[["cleansing", "standardised_records"]],
    group_name="cleansing",
    kinds={"duckdb"},
    owners=[PLATFORM_OWNER],
    required_resource_keys=RUN_LOCK,
    op_tags=stage_tag("cleansing"),
    check_specs=[
        dg.AssetCheckSpec(
            "no_contradictions",
            asset=JUDGEMENTS_KEY,
            description="No judgement contradicts earlier ones. Warns; the later one is not applied until a person decides.",
        )
    ],
    description="One row per pair that people judged: the living judgements of the ledger, without contradictory ones.",
)
def judgements() -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """Copy the living judgements from the ledger before records are clustered."""
    kindred = project()
    ledger = Ledger.of(kindred.settings)
    with kindred.warehouse() as con:
        newest = newest_load_date(con, RECORDS)
        entries = in_force(read_judgements(ledger), newest)
        if newest is not None:
            note_uses(ledger, entries, newest)
        counts = write_judgements(con, entries, RECORDS)
        told = conflicts_in_words(con)
        yield made(
            con, JUDGEMENTS, applied=counts.applied, waiting_for_records=counts.waiting, conflicting=counts.conflicting
        )
    yield dg.AssetCheckResult(
        check_name="no_contradictions",
        passed=not told,
        severity=dg.AssetCheckSeverity.WARN,
        description="\n".join(told) or "The judgements agree with each other.",
        metadata={"conflicting": len(told), "table": CONFLICTS},
    )


def _spec(table: str, description: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        table.split("."),
        deps=[CLUSTERS.split("."), EDGES.split("."), JUDGEMENTS_KEY],
        group_name="cleansing",
        kinds={"python", "duckdb"},
        owners=[PLATFORM_OWNER],
        description=description,
    )


MEMBERSHIPS_KEY = dg.AssetKey(MEMBERSHIPS.split("."))


@dg.multi_asset(
    name="resolution__customer_ids",
    specs=[
        _spec(MEMBERSHIPS, "One row per record: the customer it belongs to. Nobody is left out."),
        _spec(CUSTOMER_IDS, "One row per customer id ever given: who founded it, since when, and where it leads."),
        _spec(ID_EVENTS, "One row per thing that happened to a customer id: minted, merged, split, retired, and why."),
    ],
    check_specs=[
        dg.AssetCheckSpec(
            "judgements_hold",
            asset=MEMBERSHIPS_KEY,
            description="Records that people judged stand together or apart as they said. Warns.",
        )
    ],
    required_resource_keys=RUN_LOCK,
    op_tags=stage_tag("cleansing"),
)
def customer_ids(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """Carry customer ids over to the day's clusters, and tell what became of each."""
    kindred = project()
    model = current_model(kindred.settings.models)
    with kindred.warehouse() as con:
        regrouped = regroup_known(con, model, EDGES, SAID, JUDGEMENTS) if model else None
        changes = assign_ids(
            con,
            CLUSTERS,
            INTEGRATED,
            run_context(context).load_date,
            model_version=model.version if model else None,
            edges=EDGES,
            judgements=JUDGEMENTS,
            regrouped=regrouped,
        )
        customers = con.execute(f"select count(distinct customer_id) from {MEMBERSHIPS}").fetchall()[0][0]
        for table, more in (
            (MEMBERSHIPS, {"customers": int(customers)}),
            (CUSTOMER_IDS, {}),
            (ID_EVENTS, changes.__dict__),
        ):
            yield made(con, table, **more)._replace(asset_key=dg.AssetKey(table.split(".")))
        broken = unheeded(con)
    yield dg.AssetCheckResult(
        asset_key=MEMBERSHIPS_KEY,
        check_name="judgements_hold",
        passed=not broken,
        severity=dg.AssetCheckSeverity.WARN,
        description="\n".join(broken) or "Every judgement is heeded.",
    )


@dg.asset(
    key=QUEUE.split("."),
    deps=[EDGES.split("."), MEMBERSHIPS_KEY, JUDGEMENTS_KEY],
    group_name="cleansing",
    kinds={"duckdb"},
    owners=[PLATFORM_OWNER],
    required_resource_keys=RUN_LOCK,
    op_tags=stage_tag("cleansing"),
    description="One row per pair that a person should decide, ordered by what the decision would change.",
)
def review_queue() -> dg.MaterializeResult:
    """Rank the pairs whose decision is open."""
    with project().warehouse() as con:
        make_review_queue(con, EDGES, MEMBERSHIPS, JUDGEMENTS)
        return made(con, QUEUE)


@dg.definitions
def identity() -> dg.Definitions:
    """What resolution keeps of identities."""
    nodes = project().transform.manifest["nodes"].values()
    marts = sorted(
        dg.AssetKey([node["schema"], node["alias"]])
        for node in nodes
        if node["resource_type"] == "model" and STAGE_OF_SCHEMA.get(node["schema"]) in _PUBLISHED_STAGES
    )

    @dg.asset(
        key=ACCEPTED_KEY,
        deps=[*marts, MEMBERSHIPS_KEY],
        group_name="storage",
        kinds={"duckdb"},
        owners=[PLATFORM_OWNER],
        required_resource_keys=RUN_LOCK,
        op_tags=stage_tag("storage"),
        description=(
            "The customer ids as they are about to be published: the state that the next run's ids start from. A run "
            "that a gate stopped does not come here, and leaves no trace in the ids."
        ),
    )
    def accepted_ids(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        kindred = project()
        model = current_model(kindred.settings.models)
        with kindred.warehouse() as con:
            accept_ids(
                con,
                run_context(context).load_date,
                model.version if model else None,
                clusters=CLUSTERS,
                said=SAID if model else None,
            )
        return dg.MaterializeResult()

    return dg.Definitions(assets=[judgements, customer_ids, review_queue, accepted_ids])
