"""The one base of the errors that Kindred raises for people to read.

Each package defines its own small subclasses beside the code that raises them. A message names what is wrong, where
(file, row, column) and the way out. The command line prints it without a stack trace.
"""


class KindredError(Exception):
    """An expected failure with a message for a person; never a bug of ours."""
