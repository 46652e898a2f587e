"""A source's own list of people: who is on record, since when, and how each record departs from the truth.

Belongs here: choosing a record's errors, and gathering the values it holds at a time. Does not belong here: text work
(see `render`) and what a source's files look like (see `channels`).

A record's errors are drawn once, when it is made: a typing error stays until somebody corrects it, also when the
record is sent again.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from orchestration.sample.rates import NOISE, Noise
from orchestration.sample.render import (
    BIRTH_MISSING,
    BIRTH_PLACEHOLDER,
    BIRTH_SWAPPED,
    BIRTH_YEAR,
    CLEAN,
    DOUBLE,
    DROP,
    FLAG_BIRTH,
    FLAG_EMAIL,
    FLAG_NAME,
    FLAG_PHONE,
    KEYBOARD,
    SCAN,
    SWAP,
)  # fmt: skip
from orchestration.sample.state import Bools
from orchestration.sample.words import ASCII, CJK, LATIN, LATIN1, NATIVE, NON_LATIN, Ints
from orchestration.sample.world import World

# One number in [0, 1) per record and purpose.
DRAWS = (
    "script", "nick", "nick_which", "initial", "given_error", "given_pos", "given_missing", "family_error",
    "family_pos", "family_short", "case", "middle", "birth", "birth_error", "gender", "email", "email_second",
    "email_error", "email_pos", "email_way", "phone", "landline", "phone_error", "phone_pos", "phone_way", "street",
    "street_error", "street_pos", "street_short", "city", "postcode", "postcode_error", "placeholder_email",
    "placeholder_phone", "placeholder_birth", "unit", "extra", "extra_2", "extra_3",
)  # fmt: skip
_COLUMN = {name: i for i, name in enumerate(DRAWS)}

_UNIT_WORDS = {"GB": "Flat", "IE": "Apartment", "US": "Apt", "DE": "Whg.", "FR": "Appt", "NL": "Unit", "IT": "Int."}

Floats32 = npt.NDArray[np.float32]


@dataclass
class Book:
    """Records of one source. `record_id` is `<source>:<key(i)>`."""

    source: str
    prefix: str
    person: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    created: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    synced: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    draws: Floats32 = field(default_factory=lambda: np.zeros((0, len(DRAWS)), np.float32))
    flags: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    test: Bools = field(default_factory=lambda: np.zeros(0, np.bool_))
    sent: Bools = field(default_factory=lambda: np.zeros(0, np.bool_))

    def __len__(self) -> int:
        return len(self.person)

    @property
    def noise(self) -> Noise:
        """The source's rates of error."""
        return NOISE.get(self.source, Noise())

    def key(self, record: int) -> str:
        """The source's own key of a record."""
        return f"{self.prefix}{record + 1:07d}"

    @staticmethod
    def column(name: str) -> int:
        """Column of a purpose in `draws`."""
        return _COLUMN[name]

    def draw(self, name: str, records: Ints | slice) -> Floats32:
        """The number of each record for one purpose."""
        return self.draws[records, _COLUMN[name]]

    def add(
        self, rng: np.random.Generator, person: Ints, created: Ints, synced: Ints, test: Bools | None = None
    ) -> Ints:
        """Put people on record; returns the numbers of their records."""
        n, first, noise = len(person), len(self), self.noise
        test = np.zeros(n, np.bool_) if test is None else test
        self.person = np.concatenate([self.person, person])
        self.created = np.concatenate([self.created, created])
        self.synced = np.concatenate([self.synced, synced])
        self.draws = np.concatenate([self.draws, rng.random((n, len(DRAWS)), dtype=np.float32)])
        self.test = np.concatenate([self.test, test])
        self.sent = np.concatenate([self.sent, np.zeros(n, np.bool_)])
        records = np.arange(first, first + n)
        flags = np.where(self.draw("placeholder_email", records) < noise.placeholder_email, FLAG_EMAIL, 0)
        flags |= np.where(self.draw("placeholder_phone", records) < noise.placeholder_phone, FLAG_PHONE, 0)
        flags |= np.where(self.draw("placeholder_birth", records) < noise.placeholder_birth, FLAG_BIRTH, 0)
        junk = FLAG_EMAIL | FLAG_PHONE | FLAG_NAME | (FLAG_BIRTH if noise.placeholder_birth else 0)
        self.flags = np.concatenate([self.flags, np.where(test, junk, flags)])
        return records

    def mistype(self, name: str, records: Ints, rate: float, scanned: float = 0.0) -> Ints:
        """Kind of mistyping of each record's field."""
        draw = self.draw(name, records)
        share = draw / rate if rate else np.ones(len(records))
        rest = ((share - scanned) / max(1e-9, 1 - scanned) * 4).clip(0, 3).astype(np.int64)
        kind = np.where(share < scanned, SCAN, np.array([SWAP, DROP, KEYBOARD, DOUBLE])[rest])
        return np.where(draw < rate, kind, CLEAN)

    def shows_email(self, world: World, records: Ints) -> Bools:
        """Whether a record holds an e-mail address of its person, which a defect can spoil."""
        return (world.people.has_email[self.person[records]] == 1) & (self.flags[records] & FLAG_EMAIL == 0)

    def shows_birth(self, records: Ints) -> Bools:
        """Whether a record's birth date is no placeholder."""
        return self.flags[records] & FLAG_BIRTH == 0

    def capture(self, world: World, records: Ints) -> dict[str, pa.Array]:
        """The columns of `raw_src` (see `render.CAPTURED`): what each record holds, as of its last synchronisation."""
        person, at = self.person[records], self.synced[records]
        return {
            **self._names(world, records, person, at),
            **self._contact(world, records, person, at),
            **self._address(world, records, person, at),
        }

    def _names(self, world: World, records: Ints, person: Ints, at: Ints) -> dict[str, pa.Array]:
        p, words, noise = world.people, world.words, self.noise
        d = lambda name: self.draw(name, records)  # noqa: E731
        foreign = np.isin(p.culture[person], [i for i, c in enumerate(words.cultures) if c in NON_LATIN])
        east = np.isin(p.culture[person], [i for i, c in enumerate(words.cultures) if c in CJK])
        way = np.where(
            foreign, np.where(d("script") < noise.native, NATIVE, LATIN), np.where(d("script") < noise.ascii, ASCII, 0)
        )
        if self.source == "marketing":
            way = np.full(len(records), LATIN1)
        given = p.given[person]
        nicks = words.nick_count[given]
        nick = (nicks > 0) & (d("nick") < noise.nickname)
        # `nick` is drawn among those who have one, so that the rate holds for them.
        chosen = words.nick_first[given] + (d("nick_which") * nicks).astype(np.int64).clip(0, np.maximum(nicks - 1, 0))
        given = np.where(nick, chosen, given)
        married = at >= p.married_at[person]
        family = np.where(married, p.family_2[person], p.family[person])
        family_b = np.where(married, p.family_b_2[person], p.family_b[person])
        hyphen = np.where(married, p.hyphen_2[person], p.hyphen[person])
        short = np.where(d("family_short") < noise.family_short, 1 + (d("extra") < 0.4), 0)
        letter = (d("case") / noise.letter_case * 3).astype(np.int64) + 1
        middle = p.middle[person]
        birth_error = d("birth_error") / noise.birth_error
        birth = np.where(birth_error < 0.5, BIRTH_SWAPPED, np.where(birth_error < 1, BIRTH_YEAR, 0))
        birth = np.where(d("birth") < noise.birth_missing, BIRTH_MISSING, birth)
        birth = np.where(self.flags[records] & FLAG_BIRTH > 0, BIRTH_PLACEHOLDER, birth)
        mononym = family < 0
        given_way = np.where(d("initial") < noise.initial, 1, np.where(d("given_missing") < noise.given_missing, 2, 0))

        def text(rows: Ints) -> pa.Array:
            return words.family.texts.take(pa.array(way * words.family.size + rows, mask=rows < 0))

        return {
            "flags": pa.array(self.flags[records]),
            "given": words.given.texts.take(pa.array(way * words.given.size + given)),
            "given_way": pa.array(np.where(mononym, 0, given_way)),
            "given_error": pa.array(self.mistype("given_error", records, noise.given_error, noise.ocr)),
            "given_pos": pa.array(d("given_pos")),
            "middle": words.given.texts.take(pa.array(way * words.given.size + middle, mask=middle < 0)),
            "middle_way": pa.array(np.where(d("middle") < noise.middle_missing, 2, np.where(d("middle") > 0.8, 1, 0))),
            "family": text(family),
            "family_b": text(family_b),
            "separator": pa.array([" ", "-"]).take(pa.array(hyphen)),
            "family_way": pa.array(short),
            "family_error": pa.array(self.mistype("family_error", records, noise.family_error, noise.ocr)),
            "family_pos": pa.array(d("family_pos")),
            "eastern": pa.array(east & (way == NATIVE)),
            "letter_case": pa.array(np.where(d("case") < noise.letter_case, letter.clip(1, 3), 0)),
            "birth": pa.array(p.birth[person].astype("datetime64[D]")),
            "birth_way": pa.array(birth),
            "gender": pa.array(["M", "F"]).take(pa.array(p.female[person])),
            "gender_way": pa.array((d("gender") >= noise.gender_missing).astype(np.int64)),
        }

    def _contact(self, world: World, records: Ints, person: Ints, at: Ints) -> dict[str, pa.Array]:
        p, h, noise = world.people, world.households, self.noise
        d = lambda name: self.draw(name, records)  # noqa: E731
        home = p.household[person]
        has_email = p.has_email[person] == 1
        second = (p.second_email[person] > 0) & (d("email_second") < noise.email_second)
        which = np.where(second, 2, (at >= p.email_at[person]).astype(np.int64))
        mobile = np.where(at >= p.mobile_at[person], p.mobile_2[person], p.mobile[person])
        landline = np.where(at >= h.moved_at[home], h.landline_2[home], h.landline[home])
        by_landline = ((d("landline") < noise.phone_landline) | (mobile == 0)) & (landline > 0)
        number = np.where(by_landline, landline, mobile)
        no_email = ~has_email | (d("email") < noise.email_missing)
        no_phone = (d("phone") < noise.phone_missing) | (number == 0)
        # A record with a name alone could be anybody: keep one way to reach the person.
        rescue = no_email & no_phone
        no_phone &= ~(rescue & (number > 0) & (noise.phone_missing < 1))
        no_email &= ~(rescue & no_phone & has_email & (noise.phone_missing < 1))
        way = np.where(d("email_way") < 0.04, 2, np.where(d("email_way") < 0.055, 3, 1))
        code = dict(enumerate(world.words.countries))
        country = h.country[home]
        texts = {
            name: pa.array([getattr(c, name) for c in code.values()], pa.string()).take(pa.array(country))
            for name in ("calling", "trunk", "code", "locale")
        }
        style = np.searchsorted([0.35, 0.62, 0.76, 0.88, 0.95], d("phone_way"), side="right")
        return {
            "email": world.emails.take(pa.array(3 * person + which)),
            "email_way": pa.array(np.where(no_email, 0, way)),
            "email_tag": pa.repeat(pa.scalar(self.source), len(records)),
            "email_error": pa.array(self.mistype("email_error", records, noise.email_error)),
            "email_pos": pa.array(d("email_pos")),
            "phone": pa.array(np.where(no_phone, 0, number)),
            "phone_error": pa.array(self.mistype("phone_error", records, noise.phone_error)),
            "phone_pos": pa.array(d("phone_pos")),
            "phone_way": pa.array(style),
            "calling": texts["calling"],
            "trunk": texts["trunk"],
            "country_code": texts["code"],
            "locale": texts["locale"],
        }

    def _address(self, world: World, records: Ints, person: Ints, at: Ints) -> dict[str, pa.Array]:
        p, h, words, noise = world.people, world.households, world.words, self.noise
        d = lambda name: self.draw(name, records)  # noqa: E731
        home = p.household[person]
        moved = at >= h.moved_at[home]
        state = lambda name: np.where(moved, getattr(h, name + "_2")[home], getattr(h, name)[home])  # noqa: E731
        city, kind = state("city"), state("street_type")
        country = h.country[home]
        untyped = np.array([len(c.street_types) == 1 for c in words.countries])[country]
        units = pa.array([_UNIT_WORDS.get(c.code, "Apt") for c in words.countries], pa.string())
        first = np.array([c.number_first for c in words.countries])
        street_way = np.where(d("street") < noise.street_missing, 0, 1 + (d("street_short") < noise.street_short))
        city_way = np.where(d("city") < noise.city_missing, 0, 1 + (d("script") < noise.ascii))
        post = np.searchsorted([0.82, 0.94, 1 - noise.postcode_error], d("postcode_error"), side="right") + 1
        return {
            "house_number": pa.array(state("number")),
            "street": words.street.take(pa.array(state("street"))),
            "street_type": words.street_type.take(pa.array(kind)),
            "street_type_short": words.street_type_short.take(pa.array(kind, mask=untyped)),
            "number_first": pa.array(first[country]),
            "street_way": pa.array(street_way),
            "street_error": pa.array(self.mistype("street_error", records, noise.street_error, noise.ocr)),
            "street_pos": pa.array(d("street_pos")),
            "unit": pa.array(state("unit")),
            "unit_word": units.take(pa.array(country)),
            "unit_way": pa.array(np.where(d("unit") < 0.8, 0, np.where(d("unit") < 0.9, 1, 2))),
            "city": words.city.take(pa.array(city)),
            "region": words.region.take(pa.array(city)),
            "city_way": pa.array(city_way),
            "postcode": world.postcodes.take(pa.array(2 * home + moved)),
            "postcode_way": pa.array(np.where(d("postcode") < noise.postcode_missing, 0, post)),
        }
