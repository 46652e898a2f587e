"""Ten thousand people on one device: stitching gives none of it to anybody, and merges nobody."""

from pathlib import Path

import pytest

from orchestration.config import PROJECT_ROOT, Settings
from orchestration.project import Project

PEOPLE = 10_000
STITCHING = ["--select", "stitching_rules", "identity_stitches", "--exclude-resource-type", "unit_test"]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """What stitching reads, made by hand: events and memberships."""
    made = Project(Settings(data=tmp_path / "data", contracts=PROJECT_ROOT / "data" / "contracts"))
    made.transform.prepare()
    with made.warehouse() as con:
        con.execute("create schema integration; create schema resolution")
        con.execute(
            f"""
            create table resolution.memberships as
            select 'web:u-' || n as record_id, 'cus_' || n as customer_id, 1.0::double as match_probability
            from range({PEOPLE}) as people (n)
            """
        )
        con.execute(
            f"""
            create table integration.int_customer_events as
            with visits as (
                -- Everybody signs in at the kiosk, in one browser and in one of their own on the same device, and looks
                -- around without signing in; and everybody has a telephone at home.
                select n, 'kiosk' as device_id, 'kiosk' as anonymous_id from range({PEOPLE}) as people (n)
                union all
                select n, 'kiosk', 'kiosk-' || n from range({PEOPLE}) as people (n)
                union all
                select n, 'phone-' || n, 'phone-' || n from range({PEOPLE}) as people (n)
            )
            select
                anonymous_id || '/' || n || '/signed in' as event_id, 'web:u-' || n as record_id,
                timestamp '2026-01-01 08:00:00' + to_seconds(n * 60) as occurred_at, anonymous_id, device_id
            from visits
            union all
            select
                anonymous_id || '/' || n || '/looked', null,
                timestamp '2026-01-01 08:00:20' + to_seconds(n * 60), anonymous_id, device_id
            from visits
            union all
            select
                'new-' || n || '/looked', null, timestamp '2026-01-01 08:00:30' + to_seconds(n * 60), 'new-' || n, 'kiosk'
            from range({PEOPLE}) as people (n)
            """
        )
    return made


def test_a_device_of_ten_thousand_people_stitches_nobody(project: Project) -> None:
    list(project.transform.run("build", STITCHING))

    with project.warehouse() as con:
        by_browser = con.execute(
            """
            select split_part(events.anonymous_id, '-', 1) as browser, count(*) as looked, count(stitches.event_id) as stitched,
                count(*) filter (where stitches.customer_id = 'cus_' || split_part(events.event_id, '/', 2)) as right_ones
            from integration.int_customer_events as events
            left join cleansing.identity_stitches as stitches using (event_id)
            where events.record_id is null group by all order by all
            """
        ).fetchall()
        customers = con.execute("select count(distinct customer_id) from resolution.memberships").fetchall()[0][0]

    # Their own browsers are theirs, on the kiosk's device too; the shared browser and the new ones are nobody's.
    found = {browser: (looked, stitched) for browser, looked, stitched, _ in by_browser}
    assert found["phone"] == (PEOPLE, PEOPLE)
    assert found["new"] == (PEOPLE, 0)
    assert found["kiosk"] == (2 * PEOPLE, PEOPLE)
    assert sum(right for *_, right in by_browser) == 2 * PEOPLE
    with project.warehouse() as con:
        shared = con.execute("select count(*) from cleansing.identity_stitches where anonymous_id = 'kiosk'").fetchall()
    assert shared == [(0,)]
    assert customers == PEOPLE
