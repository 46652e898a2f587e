"""The purposes: the stricter of the purposes file and the contracts."""

from dataclasses import replace

import pytest

from orchestration.config import PROJECT_ROOT
from orchestration.privacy.purposes import (
    PurposeError,
    check_channel,
    check_purpose,
    dbt_purposes,
    known_channels,
    purpose_policies,
)
from orchestration.sources.contract import Contract, Purpose, load_contracts

CONTRACTS = load_contracts(PROJECT_ROOT / "data" / "contracts")


def _resting(*purposes: Purpose) -> tuple[Contract, ...]:
    return tuple(replace(contract, purposes=purposes) for contract in CONTRACTS[:1])


def test_the_samples_purposes() -> None:
    found = {name: policy.filter for name, policy in purpose_policies(CONTRACTS).items()}
    assert found == {
        "service": "none", "compliance": "none", "analytics": "objection", "marketing": "consent", "profiling": "consent",
    }  # fmt: skip
    assert set(dbt_purposes(CONTRACTS)) == {"analytics", "marketing", "profiling"}


def test_a_contract_can_ask_for_more_and_not_for_less() -> None:
    more = purpose_policies(_resting(Purpose("analytics", "consent")))
    assert more["analytics"].filter == "consent"
    less = purpose_policies(_resting(Purpose("marketing", "legitimate_interest")))
    assert less["marketing"].filter == "consent"
    assert less["marketing"].basis == "consent"


def test_a_purpose_of_ones_own_follows_its_contract() -> None:
    found = purpose_policies(_resting(Purpose("newsletter", "consent"), Purpose("fraud", "legitimate_interest")))
    assert (found["newsletter"].filter, found["newsletter"].per_channel) == ("consent", True)
    assert found["fraud"].filter == "objection"


def test_channels_are_those_of_the_contracts_and_the_file() -> None:
    assert known_channels(CONTRACTS) == ("email", "phone", "post", "sms")
    check_channel("sms", CONTRACTS)
    with pytest.raises(PurposeError, match="email, phone, post, sms"):
        check_channel("pigeon", CONTRACTS)


def test_an_unknown_purpose_and_one_that_asks_nothing_are_refused() -> None:
    check_purpose("marketing", CONTRACTS, ("consent", "objection"))
    with pytest.raises(PurposeError, match="analytics, marketing, profiling"):
        check_purpose("fun", CONTRACTS, ("consent", "objection"))
    with pytest.raises(PurposeError, match="rests on contract"):
        check_purpose("service", CONTRACTS, ("consent", "objection"))
