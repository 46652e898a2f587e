"""dbt-duckdb's way into an encrypted working file: the plugin named in dbt_project/profiles.yml.

Belongs here: attaching the file with its key to the in-memory database that dbt-duckdb opens. Does not belong here: where
the key comes from, or dbt's invocations (`transform.py`).
"""

from typing import Any

from dbt.adapters.duckdb.plugins import BasePlugin
from duckdb import DuckDBPyConnection

from orchestration.duckdb_files import alias_of, attach, encrypted_config, key_of
from orchestration.project import load_project
from orchestration.warehouse import check_encryption


class Plugin(BasePlugin):
    """Attaches the working file of the environment; the name is the one by which dbt-duckdb looks for it."""

    def initialize(self, plugin_config: dict[str, Any]) -> None:
        """Find the file. Its key is asked for when dbt connects."""
        self._warehouse = load_project().settings.warehouse

    def update_connection_config(self, creds: Any, config: dict[str, Any]) -> None:
        """Spill beside the working file, encrypted, rather than into the current folder."""
        config.update(encrypted_config(self._warehouse))

    def configure_connection(self, conn: DuckDBPyConnection) -> None:
        """Attach the file under the name that a plain one has. Raises EncryptionError."""
        check_encryption(self._warehouse)
        attach(conn, self._warehouse, alias_of(self._warehouse), key=key_of(self._warehouse))

    def configure_cursor(self, cursor: DuckDBPyConnection) -> None:
        """Names of two parts mean the working file here, too."""
        cursor.execute(f"use {alias_of(self._warehouse)}")
