"""Analysis: RFM, KPIs, and the report."""
