"""Mapping of a file's columns to attributes."""

import pytest

from orchestration.linkage import LinkageError
from orchestration.linkage.columns import map_columns


def test_common_names_are_mapped_and_the_rest_is_weak_evidence() -> None:
    columns = ["First Name", "surname", "dob", "zip", "address_1", "soc_sec_id", "occupation", "created_at", "rec"]
    mapping = map_columns(columns, reserved=["rec"])
    assert dict(mapping.attributes) == {
        "given_name": "First Name",
        "family_name": "surname",
        "birth_date": "dob",
        "street": "address_1",
        "postcode": "zip",
        "national_id": "soc_sec_id",
    }
    assert mapping.extras == ("occupation",)
    assert mapping.ignored == ("created_at",)
    assert "occupation -> weak evidence" in mapping.lines()


def test_a_given_mapping_overrides_names() -> None:
    mapping = map_columns(["first_name", "nick"], reserved=[], given={"given_name": "nick"})
    assert mapping.attributes["given_name"] == "nick"
    assert mapping.extras == ("first_name",)


def test_unknown_attributes_and_columns_are_named() -> None:
    with pytest.raises(LinkageError, match="shoe_size"):
        map_columns(["a"], reserved=[], given={"shoe_size": "a"})
    with pytest.raises(LinkageError, match=r"'b'.*not in the file"):
        map_columns(["a"], reserved=[], given={"given_name": "b"})
