"""Errors of publishing."""

from orchestration.errors import KindredError


class PublishingError(KindredError):
    """Nothing was published; the file published before is still in place, unchanged."""


class UnknownPrivacyError(PublishingError):
    """A table or column has no usable privacy word, so that it is not known whether it may be published."""


class LeakError(PublishingError):
    """A value that the file must not show was found in it."""


class SmallGroupsError(PublishingError):
    """A table marked public tells too few people apart."""
