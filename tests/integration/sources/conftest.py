"""Servers for the tests of connectors, started once, on loopback."""

from collections.abc import Iterator

import pytest

from tests.integration.sources.servers_for_tests import Postgres, Vendor, running_postgres, running_vendor


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


@pytest.fixture
def postgres(postgres_server: Postgres) -> Postgres:
    """The server with an empty schema."""
    postgres_server.execute("drop schema public cascade", "create schema public")
    return postgres_server


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with running_vendor() as server:
        yield server
