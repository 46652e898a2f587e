"""Great Expectations' Data Docs of the latest validations, as pages that ask nothing of the network.

Belongs here: building the site and making its pages self-contained. Does not belong here: what was validated; that is
kept in `quality.validations`, counts without values, so that a page never shows a person.
"""

import json
import re
import shutil
from datetime import datetime
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.quality import history
from orchestration.warehouse import connect

if TYPE_CHECKING:
    import duckdb

_SITE = "kindred"
# Only these of Great Expectations' images are seen; the rest are tutorials of several megabytes.
_IMAGES = ("favicon.ico", "logo-long.png", "short-logo.png", "short-logo-vector.svg", "logo-long-vector.svg")
_SCRIPT = re.compile(r"<script\b[^>]*>.*?</script\s*>", re.DOTALL | re.IGNORECASE)
_EXTERNAL_LINK = re.compile(r"<link\b[^>]*\bhref=[\"'](?:https?:)?//[^>]*>", re.IGNORECASE)
_EXTERNAL_IMAGE = re.compile(r"(<img\b[^>]*\bsrc=)([\"'])(?:https?:)?//[^\"']*\2", re.IGNORECASE)
_EXTERNAL_URL = re.compile(r"url\(\s*[\"']?(?:https?:)?//[^)]*\)", re.IGNORECASE)
_EXTERNAL_IMPORT = re.compile(r"@import\s+[^;]*(?:https?:)?//[^;]*;", re.IGNORECASE)
# The advertisement at the foot, and the way to pages of suites, which are code and have no page.
_FOOTER = re.compile(r"<footer\b[^>]*>.*?</footer\s*>", re.DOTALL | re.IGNORECASE)
_SUITE_LINK = re.compile(r"(<a\b[^>]*\b)href=([\"'])[^\"']*expectations/[^\"']*\2", re.IGNORECASE)
# A script would fill the table of the index.
_INDEX_TABLE = re.compile(r"<table\b[^>]*ge-index-page-validation-results-table[^>]*>\s*</table>", re.IGNORECASE)
_STATIC = re.compile(r"\b(href=|src=)([\"'])(?:\.\./)*static/")
_EXTERNAL_ANCHOR = re.compile(r"(<a\b[^>]*\b)href=([\"'])(?:https?:)?//[^\"']*\2", re.IGNORECASE)


def build_data_docs(folder: Path, warehouse: Path) -> Path:
    """Build the site of each table's latest validation into `folder`, in place of what was there.

    Returns the page to open. Raises WarehouseLockedError when another process has the file open.
    """
    with connect(warehouse) as con:
        history.ensure_tables(con)
        validations = _validations(con)
    return _build(folder, validations)


def _validations(con: "duckdb.DuckDBPyConnection") -> list[tuple[str, datetime, dict[str, Any]]]:
    rows = con.execute("select run_id, validated_at, result from quality.validations order by table_name").fetchall()
    return [(run_id, at, json.loads(result)) for run_id, at, result in rows]


def _build(folder: Path, validations: list[tuple[str, datetime, dict[str, Any]]]) -> Path:
    from expectations.context import quiet_context

    building = folder.with_name(folder.name + ".building")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    context = quiet_context()
    site: Any = {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(building)},
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder", "show_cta_footer": False},
    }
    context.add_data_docs_site(_SITE, site)
    identifiers = [_store(context, *validation) for validation in validations]
    try:
        context.build_data_docs(site_names=[_SITE])
    finally:
        for identifier in identifiers:
            context.validation_results_store.remove_key(identifier)
        context.delete_data_docs_site(_SITE)
    _fill_index(building, [document for _, _, document in validations])
    make_self_contained(building)
    shutil.rmtree(folder, ignore_errors=True)
    building.rename(folder)
    return folder / "index.html"


def _store(context: Any, run_id: str, validated_at: datetime, document: dict[str, Any]) -> Any:
    """Put one validation where Great Expectations' site builder looks for it: a store in memory."""
    # The pages' sentences come from the classes of our own expectations, so these have to be known.
    from great_expectations.core import ExpectationSuiteValidationResult
    from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResultSchema
    from great_expectations.core.run_identifier import RunIdentifier
    from great_expectations.data_context.types.resource_identifiers import (
        ExpectationSuiteIdentifier,
        ValidationResultIdentifier,
    )

    import expectations.custom.rows
    import expectations.custom.scalar  # noqa: F401

    run = RunIdentifier(run_name=run_id, run_time=validated_at)
    document["meta"]["run_id"] = run.to_json_dict()
    document["meta"]["active_batch_definition"] = {"data_asset_name": document["suite_name"]}
    loaded = ExpectationSuiteValidationResultSchema().load(document)
    result = ExpectationSuiteValidationResult(**loaded) if isinstance(loaded, dict) else loaded
    identifier = ValidationResultIdentifier(
        expectation_suite_identifier=ExpectationSuiteIdentifier(name=document["suite_name"]),
        run_id=run,
        batch_identifier=document["meta"]["load_date"],
    )
    context.validation_results_store.set(identifier, result)
    return identifier


def _fill_index(site: Path, documents: list[dict[str, Any]]) -> None:
    """Write the index's table, one row for each validation, with the way to its page."""
    rows = "".join(_index_row(site, document) for document in documents)
    table = (
        "<table class='table'><thead><tr><th>Status</th><th>Table</th><th>Load date</th><th>Expectations</th>"
        f"<th>Failed</th><th>Run</th></tr></thead><tbody>{rows}</tbody></table>"
    )
    index = site / "index.html"
    if not index.exists():  # Great Expectations writes none when there is nothing to show.
        index.write_text("<html><head><title>Data Docs</title></head><body></body></html>", encoding="utf-8")
    page = index.read_text(encoding="utf-8")
    filled, count = _INDEX_TABLE.subn(lambda _: table, page, count=1)
    index.write_text(filled if count else page.replace("</body>", f"{table}</body>", 1), encoding="utf-8")


def _index_row(site: Path, document: dict[str, Any]) -> str:
    schema, table = document["suite_name"].split(".", 1)
    pages = sorted((site / "validations" / schema / table).rglob("*.html"))
    link = pages[-1].relative_to(site).as_posix() if pages else "#"
    statistics, meta = document["statistics"], document["meta"]
    mark = "<i class='fa-check-circle'></i>" if document["success"] else "<i class='fa-times'></i>"
    return (
        f"<tr><td>{mark}</td><td><a href='{escape(link)}'>{escape(document['suite_name'])}</a></td>"
        f"<td>{escape(meta['load_date'])}</td><td>{statistics['evaluated_expectations']}</td>"
        f"<td>{statistics['unsuccessful_expectations']}</td><td>{escape(str(meta['run_id']['run_name']))}</td></tr>"
    )


def make_self_contained(site: Path) -> None:
    """Rewrite every page and style sheet of a site so that opening it makes no request beyond its own folder.

    Scripts go altogether: all of them are loaded from, or call what is loaded from, elsewhere. What they folded away is
    shown instead, by a style sheet of our own that also stands in for the one that came from outside.
    """
    style = files("orchestration.quality").joinpath("data_docs.css").read_text(encoding="utf-8")
    for page in sorted(site.rglob("*.html")):
        depth = "../" * len(page.relative_to(site).parent.parts)
        page.write_text(_self_contained_page(page.read_text(encoding="utf-8"), style, depth), encoding="utf-8")
    for sheet in sorted(site.rglob("*.css")):
        sheet.write_text(_without_external_styles(sheet.read_text(encoding="utf-8")), encoding="utf-8")
    for image in sorted((site / "static" / "images").glob("*")):
        if image.name not in _IMAGES:
            image.unlink()


def _self_contained_page(html: str, style: str, to_root: str) -> str:
    html = _SCRIPT.sub("", html)
    html = _FOOTER.sub("", html)
    html = _SUITE_LINK.sub(r"\1", html)
    html = _EXTERNAL_LINK.sub("", html)
    html = _EXTERNAL_IMAGE.sub(rf"\1\2{to_root}static/images/logo-long.png\2", html)
    html = _EXTERNAL_ANCHOR.sub(r"\1", html)
    # Great Expectations counts one folder too few when a table's name has a schema.
    html = _STATIC.sub(rf"\1\2{to_root}static/", html)
    html = _without_external_styles(html)
    return html.replace("</head>", f"<style>\n{style}</style>\n</head>", 1)


def _without_external_styles(text: str) -> str:
    return _EXTERNAL_IMPORT.sub("", _EXTERNAL_URL.sub("none", text))
