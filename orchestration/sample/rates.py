"""How often things happen in the sample company: coverage, errors of each source, life events, defects, purchases.

Belongs here: numbers only, each with its unit and why it has that size. Does not belong here: the code that draws from
them. Dated 2026-01: chosen so that 2,000 customers and 3 days stay under 15 MB while every kind of trouble occurs, and
so that two records of a person nearly always share a field besides the name (the truth stays attainable).
"""

from dataclasses import dataclass

SOURCES = ("crm", "shop", "web", "support", "loyalty", "marketing", "social")

# Share of people known to each source. `web` is the share that owns a device, most of them never identified.
COVERAGE = {
    "crm": 0.65, "shop": 0.70, "web": 0.60, "support": 0.30, "loyalty": 0.45, "marketing": 0.40, "social": 0.25,
}  # fmt: skip
# Share of people with a second record in the same source (forgot the password, asked from another address).
SECOND_RECORD = {"crm": 0.04, "shop": 0.05, "support": 0.08, "loyalty": 0.015, "marketing": 0.03, "social": 0.04}
# Records per genuine record that staff made to try the system out ("Test Customer").
TEST_RECORD = {"crm": 0.003, "shop": 0.003, "loyalty": 0.001, "marketing": 0.002}

# Per day and per person or record, after the first day.
NEW_PEOPLE = 0.004
NEW_PEOPLE_COVERAGE = 0.6  # of a source's coverage: a newcomer starts in few sources
JOIN = 0.0008  # a known person appears in a source that did not have them
TOUCH = 0.003  # a record is saved again and catches up with the person's life
LEARN = {"crm": 0.6, "shop": 0.5, "loyalty": 0.5, "marketing": 0.0, "social": 0.3}  # on the day of a life event
LOYALTY_LEAVE = 0.0008


@dataclass(frozen=True)
class LifeRates:
    """Life events: share of people (households for moves) in the 900 days of history, and chance per later day."""

    moved: float = 0.12
    moved_daily: float = 0.0015
    married: float = 0.10
    unmarried: float = 0.05
    married_daily: float = 0.01  # of those who are going to marry
    keeps_name: float = 0.17
    new_email: float = 0.08
    new_email_daily: float = 0.0008
    new_mobile: float = 0.06
    new_mobile_daily: float = 0.0006
    flatmates: float = 0.10
    shared_mailbox: float = 0.03
    second_email: float = 0.25


LIFE = LifeRates()


@dataclass(frozen=True)
class Noise:
    """What a source does to the values of a person: shares of records."""

    native: float = 0.4  # non-Latin names in their own script, else romanised
    ascii: float = 0.2  # accents lost
    nickname: float = 0.10
    initial: float = 0.02
    given_error: float = 0.025
    given_missing: float = 0.005
    family_error: float = 0.03
    family_short: float = 0.3  # of names in two parts: only the first part, or the hyphen lost
    letter_case: float = 0.05
    middle_missing: float = 0.5
    birth_missing: float = 0.4
    birth_error: float = 0.03
    gender_missing: float = 0.3
    email_missing: float = 0.1
    email_second: float = 0.1  # of people with a second address
    email_error: float = 0.015
    phone_missing: float = 0.2
    phone_landline: float = 0.15
    phone_error: float = 0.015
    street_missing: float = 0.08
    street_error: float = 0.025
    street_short: float = 0.25
    city_missing: float = 0.03
    postcode_missing: float = 0.05
    postcode_error: float = 0.01
    ocr: float = 0.1  # share of the errors in text that come from scanning
    placeholder_email: float = 0.01
    placeholder_phone: float = 0.008
    placeholder_birth: float = 0.012


NOISE = {
    "crm": Noise(birth_missing=0.3, email_missing=0.22, phone_missing=0.12, phone_landline=0.3),
    "shop": Noise(
        nickname=0.08, birth_missing=0.88, email_missing=0.005, phone_missing=0.25, phone_landline=0.08,
        street_missing=0.03, placeholder_email=0.004, placeholder_birth=0.0,
    ),
    "web": Noise(
        nickname=0.12, email_missing=0.0, phone_missing=0.7, phone_landline=0.02,
        placeholder_email=0.0, placeholder_phone=0.0, placeholder_birth=0.0,
    ),
    "support": Noise(
        nickname=0.18, initial=0.03, email_missing=0.18, phone_missing=0.4, phone_landline=0.15, email_second=0.15,
        placeholder_birth=0.0,
    ),
    # Paper forms at the till, scanned.
    "loyalty": Noise(
        nickname=0.05, ascii=0.35, native=0.0, given_error=0.04, family_error=0.045, birth_missing=0.12,
        birth_error=0.035, gender_missing=0.2, email_missing=0.4, phone_missing=0.3, phone_landline=0.3,
        street_missing=0.04, street_error=0.05, ocr=0.7,
    ),
    "marketing": Noise(
        nickname=0.12, native=0.0, email_missing=0.003, phone_missing=0.45, phone_landline=0.0, email_second=0.1,
        placeholder_birth=0.0,
    ),
    "social": Noise(
        native=0.8, ascii=0.1, nickname=0.25, email_missing=0.12, phone_missing=1.0, email_second=0.15,
        city_missing=0.05, placeholder_email=0.0, placeholder_phone=0.0, placeholder_birth=0.0,
    ),
}  # fmt: skip

# Rows that a quality gate is to catch, as share of a file's rows, by kind.
MISSING_KEY = 0.001
BROKEN_LINE = 0.001
UNPARSABLE_DATE = 0.002
INVALID_EMAIL = 0.003
DUPLICATE_KEY = 0.0015
NEGATIVE_AMOUNT = 0.0015
MISSING_AMOUNT = 0.001


@dataclass(frozen=True)
class PurchaseRates:
    """Repeat purchases by BG/NBD, spend by gamma-gamma.

    Fader, Hardie and Lee (2005), "Counting Your Customers" the Easy Way; Fader and Hardie (2013), The Gamma-Gamma
    Model of Monetary Value. Rates per day, amounts in the currency of the country.
    """

    never: float = 0.18  # registered, never bought
    r: float = 0.55
    alpha: float = 45.0
    a: float = 0.8
    b: float = 2.6
    p: float = 3.5
    q: float = 3.2
    gamma: float = 36.0
    store: float = 0.22
    returned: float = 0.06
    cancelled: float = 0.04


PURCHASE = PurchaseRates()


@dataclass(frozen=True)
class WebRates:
    """Sessions per person and day are gamma-distributed; events per session are 2 plus a geometric number."""

    history_days: int = 30
    session_shape: float = 0.6
    session_mean: float = 0.075
    events: float = 3.6
    second_device: float = 0.4
    shared_device: float = 0.15  # households in which one device is used by all
    shared_use: float = 0.5
    login: float = 0.35
    newsletter: float = 0.10  # of people without an account: they leave their e-mail once


WEB = WebRates()

CONSENT_GRANT = (1.0, 0.30, 0.50)  # marketing by e-mail, marketing by SMS, profiling by e-mail
CONSENT_WITHDRAWN = 0.18
CONSENT_REGRANTED = 0.15
CONSENT_WITHDRAWN_DAILY = 0.002
CONSENT_REGRANTED_DAILY = 0.004

TICKETS_EXTRA = 0.8  # tickets per requester beyond the first, in two years
TICKET_DAILY = 0.0022  # per requester and day
