"""Minting customer ids from the founding record of a cluster."""

import duckdb

# Hexadecimal digits of the id: 80 bits, so that two of a billion customers share one with a chance below one in a
# million (birthday bound n^2 / 2^81).
ID_DIGITS = 20


def assign_customer_ids(con: duckdb.DuckDBPyConnection, clusters: str, records: str, target: str) -> None:
    """Name every cluster after its founding record, and write the memberships.

    Args:
        con: the warehouse.
        clusters: table of record_id, cluster_id, match_probability; one row per record.
        records: table with record_id and first_load_date.
        target: table to make: record_id, customer_id, match_probability; one row per record.

    The founding record is the one that was loaded first, the smallest record id among those of one day. Its id is
    hashed, so that a customer id tells nothing of the source and the same landing gives the same ids after a rebuild.
    """
    con.execute(
        f"""
        create or replace table {target} as
        with founders as (
            select clusters.cluster_id, arg_min(records.record_id, (records.first_load_date, records.record_id)) as record_id
            from {clusters} as clusters
            inner join {records} as records using (record_id)
            group by clusters.cluster_id
        )
        select
            clusters.record_id,
            'cus_' || left(sha256(founders.record_id), {ID_DIGITS}) as customer_id,
            clusters.match_probability
        from {clusters} as clusters
        inner join founders using (cluster_id)
        order by clusters.record_id
        """
    )
