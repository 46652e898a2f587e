"""Publishing: what leaves the working warehouse for people to use.

Belongs here: the DuckDB files for analysts (pseudonymised), for everybody (k-anonymous) and for those who work with
customers by name (encrypted), and the report page. Does not belong here: making the tables (dbt), the tokens themselves
(`orchestration.privacy.pseudonyms`), or deciding whether to publish (the gates).
"""

from orchestration.publishing.analytics import publish_analytics, withdraw_from_analytics
from orchestration.publishing.columns import TableText, column_privacy, table_texts
from orchestration.publishing.customers import publish_customers, withdraw_from_customers
from orchestration.publishing.database import PublishedFile
from orchestration.publishing.errors import LeakError, PublishingError, SmallGroupsError, UnknownPrivacyError
from orchestration.publishing.public import public_tables, publish_public
from orchestration.publishing.report import build_report
from orchestration.publishing.withdrawal import NotTellableError, published_by

__all__ = [
    "LeakError",
    "NotTellableError",
    "PublishedFile",
    "PublishingError",
    "SmallGroupsError",
    "TableText",
    "UnknownPrivacyError",
    "build_report",
    "column_privacy",
    "public_tables",
    "publish_analytics",
    "publish_customers",
    "publish_public",
    "published_by",
    "table_texts",
    "withdraw_from_analytics",
    "withdraw_from_customers",
]
