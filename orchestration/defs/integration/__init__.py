"""Integration: every source on one shape, the customer record and the customer event."""
