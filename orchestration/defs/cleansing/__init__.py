"""Cleansing: standardised values, records resolved to people, golden values."""
