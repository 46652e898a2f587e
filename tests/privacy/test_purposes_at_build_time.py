"""Purpose as a build-time rule: whatever way a model tries to reach personal data past consent, it is found and its path is
named; what keeps to the rule, the whole project included, is left alone."""

import shutil
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import pytest

from orchestration.config import PROJECT_ROOT, Settings
from orchestration.privacy.purpose_check import (
    PurposeViolationError,
    Violation,
    check_purposes,
    find_violations,
)
from orchestration.project import Project
from orchestration.sources.contract import Contract, Purpose, load_contracts

CONTRACTS = PROJECT_ROOT / "data" / "contracts"
MARKETING = "purposes: [marketing]"

# Name of the injected model: (folder, meta, SQL, the path that has to be named or "" when it is no violation).
INJECTED: Mapping[str, tuple[str, str, str, tuple[str, ...]]] = {
    "bad_direct": (
        "analysis", MARKETING, "select customer_id, email from {{ ref('dim_customer') }}",
        ("analysis.bad_direct", "marts.dim_customer"),
    ),
    "hop_one": ("cleansing", "owner: x", "select customer_id from {{ ref('dim_customer') }}", ()),
    "hop_two": ("cleansing", "owner: x", "select customer_id from {{ ref('hop_one') }}", ()),
    "bad_two_hops": (
        "analysis", MARKETING, "select customer_id from {{ ref('hop_two') }}",
        ("analysis.bad_two_hops", "cleansing.hop_two", "cleansing.hop_one", "marts.dim_customer"),
    ),
    "passing_through": (
        "cleansing", "owner: x", "{{ config(materialized='ephemeral') }} select * from {{ ref('dim_customer') }}", (),
    ),
    "bad_ephemeral": (
        "analysis", MARKETING, "select customer_id from {{ ref('passing_through') }}",
        ("analysis.bad_ephemeral", "cleansing.passing_through", "marts.dim_customer"),
    ),
    "bad_union": (
        "analysis", MARKETING,
        """
        select customer_id from {{ permitted_for(ref('fct_orders'), 'marketing') }} as permitted
        union all
        select customer_id from {{ ref('fct_orders') }}
        """,
        ("analysis.bad_union", "marts.fct_orders"),
    ),
    "bad_other_purpose": (
        "analysis", MARKETING, "select customer_id from {{ permitted_for(ref('dim_customer'), 'profiling') }} as p",
        ("analysis.bad_other_purpose", "marts.dim_customer"),
    ),
    "bad_one_of_two_purposes": (
        "analysis", "purposes: [marketing, profiling]",
        "select customer_id from {{ permitted_for(ref('dim_customer'), ['profiling']) }} as p",
        ("analysis.bad_one_of_two_purposes", "marts.dim_customer"),
    ),
    "bad_channels_of_other": (
        "analysis", MARKETING, "select customer_id from {{ permitted_channels('analytics') }} as p",
        ("analysis.bad_channels_of_other", "marts.customer_permissions"),
    ),
    "bad_raw_sql": (
        "analysis", MARKETING, "select customer_id from marts.dim_customer",
        ("analysis.bad_raw_sql", "marts.dim_customer"),
    ),
    "bad_raw_sql_quoted": (
        "analysis", MARKETING, 'select customer_id from kindred."marts" . "dim_customer"',
        ("analysis.bad_raw_sql_quoted", "marts.dim_customer"),
    ),
    "bad_raw_table_beside_filter": (
        "analysis", MARKETING,
        """
        select p.customer_id from {{ permitted_for(ref('dim_customer'), 'marketing') }} as p
        inner join quarantine.crm__contacts as held on 1 = 1
        """,
        ("analysis.bad_raw_table_beside_filter", "quarantine.crm__contacts"),
    ),
    "bad_name_put_together": (
        "analysis", MARKETING, "select customer_id from {{ 'marts' }}.dim_customer",
        ("analysis.bad_name_put_together", "marts.dim_customer"),
    ),
    "bad_name_from_a_variable": (
        "analysis", MARKETING, "select customer_id from {{ var('anything', 'marts') }}.dim_customer",
        ("analysis.bad_name_from_a_variable",),
    ),
    "bad_comment": (
        "analysis", MARKETING,
        """
        {# {{ permitted_for(ref('dim_customer'), 'marketing') }} #}
        -- permitted_for(ref('dim_customer'), 'marketing')
        select customer_id from {{ ref('dim_customer') }}
        """,
        ("analysis.bad_comment", "marts.dim_customer"),
    ),
    "bad_own_macro": (
        "analysis", MARKETING,
        """
        {% macro permitted_for(relation, purpose) %}(select * from {{ relation }}){% endmacro %}
        select customer_id from {{ permitted_for(ref('dim_customer'), 'marketing') }} as p
        """,
        ("analysis.bad_own_macro", "marts.dim_customer"),
    ),
    "bad_rewritten": (
        "analysis", MARKETING,
        "select customer_id from {{ permitted_for(ref('dim_customer'), 'marketing') | replace('where', 'order by') }} as p",
        ("analysis.bad_rewritten", "marts.dim_customer"),
    ),
    "bad_purpose_in_a_variable": (
        "analysis", MARKETING,
        "{% set p = 'marketing' %} select customer_id from {{ permitted_for(ref('dim_customer'), p) }} as p",
        ("analysis.bad_purpose_in_a_variable", "marts.dim_customer"),
    ),
    "bad_macro_that_reads": (
        "analysis", MARKETING, "select customer_id from {{ everybody() }} as p",
        ("analysis.bad_macro_that_reads", "marts.dim_customer"),
    ),
    "bad_macro_that_names": (
        "analysis", MARKETING, "select customer_id from {{ everybody_by_name() }} as p",
        ("analysis.bad_macro_that_names", "marts.dim_customer"),
    ),
    "bad_python_source": (
        "analysis", "purposes: [profiling]", "select customer_id from {{ source('resolution', 'memberships') }}",
        ("analysis.bad_python_source", "resolution.memberships"),
    ),
    "bad_undeclared": (
        "analysis", "owner: x", "select customer_id from {{ ref('dim_customer') }}", ("analysis.bad_undeclared",),
    ),
    "bad_unknown_purpose": (
        "analysis", "purposes: [fun]", "select customer_id from {{ ref('dim_customer') }}",
        ("analysis.bad_unknown_purpose",),
    ),
    "bad_objectors": (
        "analysis", "purposes: [analytics]", "select customer_id from {{ ref('fct_orders') }}",
        ("analysis.bad_objectors", "marts.fct_orders"),
    ),
    "good_filtered": (
        "analysis", MARKETING,
        """
        select p.customer_id from {{ permitted_for(ref('dim_customer'), ['marketing', 'profiling']) }} as p
        inner join {{ permitted_channels('marketing') }} as c on p.customer_id = c.customer_id
        -- from marts.dim_customer
        """,
        (),
    ),
    "good_on_a_filtered_model": ("analysis", MARKETING, "select customer_id from {{ ref('good_filtered') }}", ()),
    "good_figures": (
        "analysis", "purposes: [marketing]", "select kpi_date from {{ ref('daily_kpis') }}", (),
    ),
    "good_service": ("analysis", "purposes: [service]", "select customer_id from {{ ref('dim_customer') }}", ()),
}  # fmt: skip
EXPOSURES = {
    "bad_export": (MARKETING, "customer_360", ("exposure bad_export", "marts.customer_360")),
    "bad_export_undeclared": ("owner: x", "daily_kpis", ("exposure bad_export_undeclared",)),
    "good_export": (MARKETING, "marketing_audience", ()),
}
UNDESCRIBED = {"passing_through"}
BAD = {name: path for name, (_, _, _, path) in INJECTED.items() if path} | {
    name: path for name, (_, _, path) in EXPOSURES.items() if path
}


def _settings(folder: Path) -> Settings:
    class Copied(Settings):
        @cached_property
        def dbt_project(self) -> Path:
            return folder / "dbt_project"

    return Copied(data=folder / "data", contracts=CONTRACTS)


def _yml(name: str, meta: str, column: str) -> str:
    return f"  - {{name: {name}, description: x, config: {{meta: {{{meta}}}}}, columns: [{{name: {column}}}]}}\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project with every injected model and export in it."""
    folder = tmp_path_factory.mktemp("injected")
    shutil.copytree(
        PROJECT_ROOT / "dbt_project", folder / "dbt_project", ignore=shutil.ignore_patterns("target", "logs")
    )
    models = folder / "dbt_project" / "models"
    # Injected models need no types.
    (folder / "dbt_project" / "dbt_project.yml").write_text(
        (folder / "dbt_project" / "dbt_project.yml").read_text().replace("enforced: true", "enforced: false")
    )
    described = "version: 2\nmodels:\n"
    for name, (stage, meta, sql, _) in INJECTED.items():
        (models / stage / f"{name}.sql").write_text(dedent(sql))
        if name not in UNDESCRIBED:
            described += _yml(name, meta, "kpi_date" if name == "good_figures" else "customer_id")
    described += "exposures:\n"
    for name, (meta, model, _) in EXPOSURES.items():
        described += indent(
            dedent(
                f"""
                - name: {name}
                  type: application
                  owner: {{email: x@example.com}}
                  config: {{meta: {{{meta}}}}}
                  depends_on: [ref('{model}')]
                """
            ),
            "  ",
        )
    (models / "_injected.yml").write_text(described)
    (folder / "dbt_project" / "macros" / "injected.sql").write_text(
        "{% macro everybody() %}{{ ref('dim_customer') }}{% endmacro %}\n"
        "{% macro everybody_by_name() %}marts.dim_customer{% endmacro %}\n"
    )
    return Project(_settings(folder))


@pytest.fixture(scope="module")
def found(project: Project) -> list[Violation]:
    return find_violations(project.transform.manifest, project.contracts)


def _of(found: Sequence[Violation], name: str) -> list[Violation]:
    return [violation for violation in found if violation.node in (f"analysis.{name}", f"exposure {name}")]


@pytest.mark.parametrize("name", BAD)
def test_a_violation_is_caught_with_its_path(found: list[Violation], name: str) -> None:
    violations = _of(found, name)
    assert violations, f"{name} was not caught"
    expected = BAD[name]
    assert any(violation.path[: len(expected)] == expected for violation in violations), [str(v) for v in violations]
    if len(expected) > 1:
        assert " <- ".join(expected) in str(next(v for v in violations if v.path[: len(expected)] == expected))


def test_nothing_else_is_caught(found: list[Violation]) -> None:
    caught = {violation.node.removeprefix("analysis.").removeprefix("exposure ") for violation in found}
    assert caught == set(BAD)


def test_the_error_names_every_violation(project: Project, found: list[Violation]) -> None:
    with pytest.raises(PurposeViolationError) as raised:
        check_purposes(project.transform.manifest, project.contracts)
    assert all(str(violation) in str(raised.value) for violation in found)


def test_the_build_stops_before_it_begins(project: Project) -> None:
    with pytest.raises(PurposeViolationError, match="Nothing was built"):
        next(iter(project.transform.run("build", ["--select", "daily_kpis"])))
    assert not project.settings.warehouse.exists()


def test_consent_that_a_contract_asks_for_counts(project: Project) -> None:
    """A source that rests analytics on consent turns figures about customers into something to ask for."""

    def asking(contract: Contract) -> Contract:
        return Contract(**{**contract.__dict__, "purposes": (Purpose("service", "consent"),)})

    contracts = tuple(
        asking(contract) if contract.source == "crm" else contract for contract in load_contracts(CONTRACTS)
    )
    caught = {violation.node for violation in find_violations(project.transform.manifest, contracts)}
    assert {"marts.dim_customer", "analysis.good_service"} <= caught


def test_what_the_filters_become_really_filters(project: Project) -> None:
    macros: Mapping[str, Any] = project.transform.manifest["macros"]
    text = macros["macro.kindred.permitted_for"]["macro_sql"]
    assert "ref('customer_permissions')" in text
    assert "permissions.purpose = '{{ purpose }}'" in text
