"""What can go wrong when people ask about identities or decide on them."""

from orchestration.errors import KindredError


class IdentityError(KindredError):
    """The question or decision cannot be taken as it is; the message says why and what to do instead."""


class UnknownIdError(IdentityError):
    """No record or customer has this id; the message names the nearest ones."""


class ContradictionError(IdentityError):
    """A judgement speaks against earlier ones; the message names them."""
