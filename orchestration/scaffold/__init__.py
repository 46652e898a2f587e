"""`kindred source add`: from a file of the user's own to a source that runs, and back.

Belongs here: looking at a file, proposing what its columns mean, and writing contract, staging models and landing from
that. Does not belong here: reading deliveries day by day (`sources`), and the rules of any stage behind staging.
"""
