"""Tokens: HMAC-SHA256 in SQL equals Python's, joins within a kind, tells nothing across kinds or keys."""

import hashlib
import hmac
from datetime import date

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.privacy.pseudonyms import derive_key, token, token_key, token_key_id, token_purpose, token_sql

SECRET = b"0123456789abcdef0123456789abcdef"


def _in_sql(value: str | None, kind: str, secret: bytes) -> str | None:
    key = token_key(secret)
    row = duckdb.execute(f"select {token_sql('$v', kind)}", {**key.parameters, "v": value}).fetchone()
    assert row is not None
    return row[0]


@given(
    value=st.text(st.characters(exclude_categories=["Cs"]), max_size=200),
    secret=st.binary(min_size=1, max_size=200),
    kind=st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True),
)
@settings(max_examples=150, deadline=None)
def test_sql_and_python_agree_with_the_standard_library(value: str, secret: bytes, kind: str) -> None:
    reference = hmac.new(derive_key(secret, "tokens"), f"{kind}\x1f{value}".encode(), hashlib.sha256).hexdigest()
    assert token(value, kind, token_key(secret)) == f"{kind}_{reference[:24]}"
    assert _in_sql(value, kind, secret) == f"{kind}_{reference[:24]}"


def test_null_stays_null() -> None:
    assert token(None, "email", token_key(SECRET)) is None
    assert _in_sql(None, "email", SECRET) is None


def test_known_answer() -> None:
    """Pins the form of tokens: changing it would change every published token."""
    assert (
        token("zoë@example.org", "email", token_key(b"k" * 32))
        == "email_"
        + (
            hmac.new(
                hmac.new(b"k" * 32, b"kindred/tokens\x01", hashlib.sha256).digest(),
                "email\x1fzoë@example.org".encode(),
                hashlib.sha256,
            ).hexdigest()[:24]
        )
    )


def test_equal_values_of_two_kinds_are_unrelated() -> None:
    key = token_key(SECRET)
    first, second = token("Paris", "given_name", key), token("Paris", "city", key)
    assert first is not None
    assert second is not None
    assert first.rsplit("_", 1)[1] != second.rsplit("_", 1)[1]


def test_kind_and_value_cannot_be_shifted_into_each_other() -> None:
    key = token_key(SECRET)
    assert token("bc", "a", key)[-24:] != token("c", "ab", key)[-24:]  # type: ignore[index]


def test_other_secrets_and_purposes_give_other_tokens() -> None:
    tokens = {
        token("a@b.c", "email", token_key(SECRET)),
        token("a@b.c", "email", token_key(SECRET + b"!")),
        token("a@b.c", "email", token_key(SECRET, "tokens/2026")),
    }
    assert len(tokens) == 3
    assert token_key_id(SECRET) != token_key_id(SECRET + b"!")
    assert not derive_key(SECRET, "tokens").hex().startswith(token_key_id(SECRET))


def test_keys_do_not_show_in_repr() -> None:
    key = token_key(SECRET)
    assert repr(key) == "TokenKey()"


@pytest.mark.parametrize("kind", ["", "E-mail", "a'b", "1a"])
def test_a_kind_that_is_no_identifier_is_refused(kind: str) -> None:
    with pytest.raises(ValueError, match="lower-case identifier"):
        token_sql("x", kind)
    with pytest.raises(ValueError, match="lower-case identifier"):
        token("x", kind, token_key(SECRET))


def test_a_hundred_thousand_values_do_not_collide() -> None:
    rows = duckdb.execute(
        f"select count(distinct t) from (select {token_sql('i', 'id')} as t from range(100000) r(i))",
        token_key(SECRET).parameters,
    ).fetchone()
    assert rows == (100_000,)


def test_tokens_of_two_periods_do_not_join_and_those_of_one_do() -> None:
    def of(period: str, *day: int) -> str | None:
        return token("cus_1", "customer_id", token_key(SECRET, token_purpose(period, date(*day))))

    assert of("never", 2025, 1, 1) == of("never", 2026, 7, 1) == token("cus_1", "customer_id", token_key(SECRET))
    assert of("year", 2026, 1, 1) == of("year", 2026, 12, 31) != of("year", 2027, 1, 1)
    assert of("month", 2026, 1, 1) == of("month", 2026, 1, 31) != of("month", 2026, 2, 1)
    assert of("after-the-leak", 2026, 1, 1) == of("after-the-leak", 2027, 1, 1) != of("never", 2026, 1, 1)
    # A label that looks like a year is no year.
    assert of("2026", 2026, 1, 1) != of("year", 2026, 1, 1)


def test_a_period_that_follows_the_day_needs_one() -> None:
    assert token_purpose("never", None) == "tokens"
    with pytest.raises(ValueError, match="load date"):
        token_purpose("month", None)
