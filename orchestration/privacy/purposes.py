"""The purposes of processing and what each asks for: from the purposes file and the contracts, the stricter of the two.

Belongs here: which purposes and channels there are, and what has to hold before data serves a purpose. Does not belong
here: whether models keep to it (`purpose_check.py`), or who allowed what (`consent.py`).
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from orchestration.errors import KindredError
from orchestration.sources.contract import LEGAL_BASES, Contract

PURPOSES_FILE = Path(__file__).parent / "purposes.yml"
CONSENT_ROLE = "consent_events"
Filter = Literal["consent", "objection", "none"]


class PurposeError(KindredError):
    """A purpose or channel is not known, or the purposes file is wrong."""


@dataclass(frozen=True)
class PurposePolicy:
    """What a purpose asks for."""

    name: str
    basis: str
    """Legal basis of GDPR article 6(1), the strictest that anybody names."""
    per_channel: bool
    objections: tuple[str, ...]
    """Purposes of which a standing withdrawal or restriction is an objection to this one."""
    description: str

    @property
    def filter(self) -> Filter:
        """What data has to pass before it serves the purpose."""
        if self.basis == "consent":
            return "consent"
        return "objection" if self.basis in ("legitimate_interest", "public_task") else "none"


def purpose_policies(contracts: Iterable[Contract]) -> dict[str, PurposePolicy]:
    """Every purpose that models may declare, with what it asks for.

    Raises:
        PurposeError: the purposes file is wrong.
    """
    found = dict(_of_file())
    for contract in contracts:
        for purpose in contract.purposes:
            known = found.get(purpose.purpose)
            if known is None:
                known = PurposePolicy(purpose.purpose, purpose.legal_basis, True, (purpose.purpose,), "")
            basis = "consent" if purpose.legal_basis == "consent" else known.basis
            found[purpose.purpose] = PurposePolicy(
                known.name, basis, known.per_channel, known.objections, known.description
            )
    return found


def dbt_purposes(contracts: Iterable[Contract]) -> dict[str, dict[str, Any]]:
    """The same for dbt's var `purposes`, only those that ask for something."""
    policies = purpose_policies(contracts)
    return {
        name: {**asdict(policy), "objections": list(policy.objections), "filter": policy.filter}
        for name, policy in sorted(policies.items())
        if policy.filter != "none"
    }


def known_channels(contracts: Iterable[Contract]) -> tuple[str, ...]:
    """The channels that consent can be for: the file's, and the values that contracts allow in a consent table's column
    `channel`."""
    named = {
        value.lower()
        for contract in contracts
        for table in contract.tables
        if CONSENT_ROLE in table.feeds
        for column in table.columns
        if column.name == "channel"
        for value in column.valid_values
    }
    return tuple(sorted(named | set(_content()["channels"])))


def check_purpose(name: str, contracts: Iterable[Contract], asked: tuple[Filter, ...]) -> None:
    """Refuse a purpose that does not exist or needs no answer of the person. Raises PurposeError."""
    policies = purpose_policies(contracts)
    fitting = sorted(policy.name for policy in policies.values() if policy.filter in asked)
    if name not in fitting:
        said = "is not known" if name not in policies else f"rests on {policies[name].basis} and needs no answer"
        raise PurposeError(f"The purpose {name!r} {said}; possible are {', '.join(fitting)}.")


def check_channel(name: str, contracts: Iterable[Contract]) -> None:
    """Refuse a channel that does not exist. Raises PurposeError."""
    channels = known_channels(contracts)
    if name not in channels:
        raise PurposeError(f"The channel {name!r} is not known; possible are {', '.join(channels)}.")


@cache
def _content() -> dict[str, Any]:
    try:
        content: dict[str, Any] = yaml.safe_load(PURPOSES_FILE.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise PurposeError(f"{PURPOSES_FILE} cannot be read: {error}") from error
    return content


@cache
def _of_file() -> dict[str, PurposePolicy]:
    policies = {}
    for name, entry in _content()["purposes"].items():
        if entry["basis"] not in LEGAL_BASES:
            raise PurposeError(f"{PURPOSES_FILE}: purpose {name!r} has the legal basis {entry['basis']!r}")
        policies[name] = PurposePolicy(
            name=name,
            basis=entry["basis"],
            per_channel=bool(entry.get("per_channel", False)),
            objections=tuple(entry.get("objections", [name])),
            description=entry["description"],
        )
    return policies
