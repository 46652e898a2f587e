"""The seven sources of the sample company: one module each.

Belongs here: what a source delivers on a day, and in which shape. Does not belong here: people and their errors.
"""
