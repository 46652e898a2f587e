"""Publishing: what leaves the working warehouse for people to use.

Belongs here: the pseudonymised DuckDB file for analysts and the report page. Does not belong here: making the tables
(dbt), the tokens themselves (`orchestration.privacy.pseudonyms`), or deciding whether to publish (the gates).
"""

from orchestration.publishing.analytics import PublishedFile, publish_analytics
from orchestration.publishing.columns import TableText, column_privacy, table_texts
from orchestration.publishing.errors import PublishingError, UnknownPrivacyError
from orchestration.publishing.report import build_report

__all__ = [
    "PublishedFile",
    "PublishingError",
    "TableText",
    "UnknownPrivacyError",
    "build_report",
    "column_privacy",
    "publish_analytics",
    "table_texts",
]
