"""What columns are taken for: by name, by values, and against the one by the other."""

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestration.scaffold.plan import SourcePlan
from orchestration.scaffold.vocabulary import vocabulary, words_of
from tests.unit.scaffold.user_files import crm_contacts, german_customers, order_lines

pytestmark = pytest.mark.usefixtures("no_losses")
Planned = Callable[..., SourcePlan]


def fed(plan: SourcePlan) -> dict[str, str | None]:
    return {column.profile.physical_name: column.proposal.semantic for column in plan.columns}


def test_german_customers(plan: Planned, tmp_path: Path) -> None:
    found = plan(german_customers(tmp_path))

    assert fed(found) == {
        "Kunden-Nr.": None, "Anrede": "gender", "Vorname": "given_name", "Name": "family_name",
        "Geburtsdatum": "birth_date", "Straße": "street", "Hausnr": "house_number", "PLZ": "postcode", "Ort": "city",
        "Telefon": "phone", "E-Mail": "email", "Letzte Änderung": "updated_at", "Bemerkung": None,
    }  # fmt: skip
    assert [column.physical_name for column in found.keys.columns] == ["Kunden-Nr."]
    assert (found.profile.file.encoding, found.profile.file.delimiter) == ("latin-1", ";")
    assert found.fed()["birth_date"].date_format == "dd.MM.yyyy"
    assert found.version is not None and found.version.physical_name == "Letzte Änderung"
    assert found.fed()["postcode"].logical_type == "string"


def test_nested_contacts_of_an_api(plan: Planned, tmp_path: Path) -> None:
    found = plan(crm_contacts(tmp_path))

    meanings = fed(found)
    assert meanings["properties.email"] == "email"
    assert meanings["properties.address.zip"] == "postcode"
    assert meanings["loyaltyNumber"] == "loyalty_number"
    assert {meanings[name] for name in ("company.name", "company.email", "owner.email", "owner.name")} == {None}
    assert found.feeds == ("customer_records", "record_identifiers")
    assert found.fed()["updated_at"].logical_type == "timestamp"


def test_order_lines(plan: Planned, tmp_path: Path) -> None:
    found = plan(order_lines(tmp_path))

    assert found.feeds == ("customer_records", "orders")
    assert [column.physical_name for column in found.keys.columns] == ["Order Number", "Line"]
    assert found.keys.record is not None and found.keys.record.physical_name == "E-Mail"
    assert found.keys.record_kind == "email"
    assert found.amount_by_line


def test_values_against_the_name(plan: Planned) -> None:
    rows = "".join(f"{i},Anna,word {i},12{i}\n" for i in range(30))
    found = plan("list.csv", f"id,first_name,email,gender\n{rows}")

    assert fed(found)["email"] is None
    assert fed(found)["gender"] is None
    assert any("`email`" in flag and "not mapped" in flag for flag in found.flags)


def test_values_without_a_name(plan: Planned) -> None:
    given = ["Anna", "Max", "Emma", "Paul", "Clara", "Felix", "Marie", "Jonas"]
    rows = "".join(
        f"K{i},{given[i % 8]} Schmidt,a{i}@example.org,+49 30 12345{i:02d},SW1A {i % 9}AB\n" for i in range(40)
    )
    found = plan("list.csv", f"id,aaa,bbb,ccc,ddd\n{rows}")

    assert fed(found) == {"id": None, "aaa": "full_name", "bbb": "email", "ccc": "phone", "ddd": "postcode"}
    assert sum("by its values alone" in flag for flag in found.flags) == 4


def test_two_columns_for_one_attribute(plan: Planned) -> None:
    rows = "".join(f"{i},Anna,{'' if i % 2 else f'x{i}@example.org'},b{i}@example.org\n" for i in range(20))
    found = plan("list.csv", f"id,given_name,work_email,email\n{rows}")

    assert fed(found)["email"] == "email"
    assert fed(found)["work_email"] is None
    assert any(flag.startswith("`work_email`: also looks like email") for flag in found.flags)


def test_second_line_of_an_address(plan: Planned) -> None:
    flats = "".join(f"{i},Anna,{i} High Street,Flat {i}\n" for i in range(20))
    more = "".join(f"{i},Anna,{i} High Street,Old Mill Estate\n" for i in range(20))

    assert fed(plan("flats.csv", f"id,first_name,address_1,address_2\n{flats}"))["address_2"] == "unit"
    assert fed(plan("more.csv", f"id,first_name,address_1,address_2\n{more}"))["address_2"] == "street_extra"


@pytest.mark.parametrize(
    ("name", "semantic"),
    [
        ("Kundenvorname", None), ("prénom", "given_name"), ("FirstName", "given_name"), ("billing_city", "city"),
        ("shipping.postcode", "postcode"), ("company_name", None), ("Adresse e-mail", "email"), ("Apellidos", "family_name"),
        ("birth_place", None), ("order-no", "order_id"), ("Montant total", "amount"), ("DateOfBirth", "birth_date"),
    ],
)  # fmt: skip
def test_names_of_columns(name: str, semantic: str | None) -> None:
    match = vocabulary().match(words_of(name))

    assert (match.semantic if match else None) == semantic
