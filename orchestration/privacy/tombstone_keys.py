"""The keyed hashes of a tombstone: by which a returning person is found, and by which a found row is judged.

Belongs here: the normal forms of fields, the combinations that stand up to typing errors, and their SQL, the same for the
person who goes and for the row that comes. Does not belong here: keeping them (`orchestration.ledger.tombstones`) and
deciding (`suppression.py`, `tombstone_rules.yml`).

Two kinds of hashes, both HMAC-SHA256 cut to 96 bits under a key of their own (`pseudonyms.derive_key`):
- keys, under which a row finds candidates: identifiers and combinations of two or three fields, such as the sound of the
  family name with the birth date. A single wrong letter leaves most of them as they were;
- fields, by which a candidate is judged: each under the tombstone's nonce, so that two people with one name have nothing
  in common in the ledger. A value's neighbourhood (every form with one letter left out) makes one wrong, missing,
  doubled or swapped-in letter recognisable (symmetric deletion, W. Garbe 2012).
"""

from orchestration.privacy.pseudonyms import token_sql

FIELDS = ("national_id", "email", "birth", "given", "family", "phone", "postcode", "street")
IDENTITY_COLUMNS = (
    "given", "family", "birth", "email", "phone", "national_id", "postcode", "street", "record_ids", "user_ids",
    "loyalty_numbers", "visitors", "event_ids",
)  # fmt: skip
# One of these alone says who it is: a source's own id for the person, or for what stitching gave to them.
CERTAIN = ("record", "user", "loyalty", "visitor", "event")
_DOUBLED = "fklmnprst"


def folded(expression: str) -> str:
    """SQL: lower case without accents."""
    return f"lower(strip_accents({expression}))"


def given_form(expression: str) -> str:
    """SQL: the first name alone, letters only."""
    return f"nullif(regexp_extract({folded(expression)}, '[\\p{{L}}'']{{2,}}'), '')"


def family_form(expression: str) -> str:
    """SQL: the letters of the family name."""
    return f"nullif(regexp_replace({folded(expression)}, '[^\\p{{L}}]', '', 'g'), '')"


def street_form(expression: str) -> str:
    """SQL: the house number with the beginning of the first longer word."""
    text = folded(expression)
    number, word = f"regexp_extract({text}, '[0-9]+')", f"left(regexp_extract({text}, '[\\p{{L}}]{{3,}}'), 4)"
    return f"case when {number} <> '' and {word} <> '' then {number} || {word} end"


def postcode_form(expression: str) -> str:
    """SQL: letters and digits in upper case."""
    return f"nullif(upper(regexp_replace({expression}, '[^A-Za-z0-9]', '', 'g')), '')"


def birth_form(expression: str) -> str:
    """SQL: a date as eight digits."""
    return f"strftime({expression}, '%Y%m%d')"


def sound(expression: str) -> str:
    """SQL: consonants by their sound, the first letter kept: `smith`, `smyth` and `schmitt` differ in the first only."""
    text = expression
    for pattern, letter in (("ph", "f"), ("sch", "s"), ("ck", "k"), ("th", "t"), ("dt", "t")):
        text = f"replace({text}, '{pattern}', '{letter}')"
    text = f"translate({text}, 'cqgzvwdb', 'kkksfftp')"
    text = f"left({text}, 1) || regexp_replace(substr({text}, 2), '[aeiouyhj'']', '', 'g')"
    for letter in _DOUBLED:
        text = f"regexp_replace({text}, '{letter}+', '{letter}', 'g')"
    return f"({text})"


def neighbourhood(expression: str) -> str:
    """SQL: a list of the text and of every form of it with one letter left out."""
    return (
        f"list_append(list_transform(range(1, length({expression}) + 1), "
        f"lambda i: left({expression}, i - 1) || substr({expression}, i + 1)), {expression})"
    )


def keys_sql(relation: str, row: str) -> str:
    """SQL of (`row`, kind, hash): every key of every row of a relation with `IDENTITY_COLUMNS`.

    Execute with the parameters of the tombstones' key.
    """
    local = "regexp_replace(split_part(email, '@', 1), '[^a-z0-9]', '', 'g')"
    pairs = {
        "email": "email",
        "phone": "phone",
        "national_id": "national_id",
        "family_birth": "family_sound || birth",
        "given_birth": "given_sound || birth",
        "names_year": "family_sound || '|' || given_sound || left(birth, 4)",
        "names_day": "family_sound || '|' || given_sound || right(birth, 4)",
        "names_postcode": "family_sound || '|' || given_sound || postcode",
        "birth_postcode": "birth || postcode",
        "given_street": "given_sound || street",
        "email_start": "case when length(local) >= 6 then left(local, 5) || '|' || family_sound end",
        "email_end": "case when length(local) >= 6 then right(local, 5) || '|' || given_sound end",
        "phone_start": "left(phone, 5) || '|' || given_sound",
        "phone_end": "right(phone, 4) || '|' || given_sound",
    }
    lists = {
        "record": "record_ids", "user": "user_ids", "loyalty": "loyalty_numbers", "visitor": "visitors",
        "event": "event_ids",
    }  # fmt: skip
    single = " union all ".join(
        f"select {row}, '{kind}' as kind, {value} as value from sounded where {value} is not null"
        for kind, value in pairs.items()
    )
    listed = " union all ".join(
        f"select {row}, '{kind}' as kind, unnest({column}) as value from sounded" for kind, column in lists.items()
    )
    return f"""
        with sounded as (
            select *, {sound("given")} as given_sound, {sound("family")} as family_sound, {local} as local
            from {relation}
        ),
        valued as ({single} union all {listed})
        select distinct {row}, kind, {token_sql("kind || '|' || value", "t")} as hash
        from valued
        where value is not null and value <> ''
    """


def fields_sql(relation: str, row: str) -> str:
    """SQL of (`row`, nonce, field, hash): every field of every row of a relation with `IDENTITY_COLUMNS` and `nonce`.

    A field is `<name>` for the exact value (names by their sound) and `<name>~` for its neighbourhood.
    """
    exact = {
        "national_id": "national_id", "email": "email", "birth": "birth", "given": sound("given"),
        "family": sound("family"), "phone": "phone", "postcode": "postcode", "street": "street",
    }  # fmt: skip
    near = {
        "national_id": neighbourhood("national_id"),
        "email": neighbourhood("email"),
        # A wrong part of the date, or day and month exchanged.
        "birth": "[left(birth, 6), left(birth, 4) || right(birth, 2), right(birth, 4), "
        "'s' || left(birth, 4) || least(substr(birth, 5, 2), right(birth, 2)) "
        "|| greatest(substr(birth, 5, 2), right(birth, 2))]",
        "given": neighbourhood("given"),
        "family": neighbourhood("family"),
        "phone": neighbourhood("phone"),
        "postcode": neighbourhood("postcode"),
    }
    parts = [
        f"select {row}, nonce, '{name}' as field, {value} as value from {relation} where {name} is not null"
        for name, value in exact.items()
    ]
    parts += [
        f"select {row}, nonce, '{name}~' as field, unnest({values}) as value from {relation} where {name} is not null"
        for name, values in near.items()
    ]
    return f"""
        with valued as ({" union all ".join(parts)})
        select distinct {row}, field, {token_sql("nonce || '|' || field || '|' || value", "t")} as hash
        from valued
        where value is not null and value <> ''
    """
