"""The people of the sample company: households, names, addresses, and what changes in their lives.

Belongs here: the truth, as columns that grow by a day's newcomers. Does not belong here: how sources record it.
Times are seconds since 1970 in UTC. Everything that can change is drawn twice when a person is born into the sample
(before, after); only the time of the change is decided later, so that a longer sample begins with the same days.
"""

import zlib
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from orchestration.sample.rates import COVERAGE, LIFE, NEW_PEOPLE, NEW_PEOPLE_COVERAGE, SOURCES
from orchestration.sample.state import (
    DAY,
    HISTORY,
    NEVER,
    Bools,
    Households,
    LifeEvents,
    People,
    extend,
    generator,
    stochastic_round,
)  # fmt: skip
from orchestration.sample.words import DOUBLE_BARRELLED, MONONYM, TWO_SURNAMES, Ints, Words


class World:
    """All people up to the present day of the sample."""

    def __init__(self, words: Words, seed: int, customers: int, start: date) -> None:
        self.words = words
        self.seed = seed
        self.customers = customers
        self.first_day = int(np.datetime64(start, "D").astype(np.int64))
        self.history_end = (self.first_day + 1) * DAY
        self.households = Households()
        self.people = People()
        # E-mail addresses of person i at 3i (old), 3i+1 (new), 3i+2 (second); '' where there is none.
        self.emails: pa.Array = pa.array([], pa.string())
        # Postcode of household h at 2h (before the move) and 2h+1.
        self.postcodes: pa.Array = pa.array([], pa.string())
        self._postcode_of: dict[tuple[int, int, int], str] = {}

    def day_start(self, day: int) -> int:
        """First second of the day; day 0 is the initial load."""
        return (self.first_day + day) * DAY

    def advance(self, day: int) -> tuple[Ints, LifeEvents]:
        """Live one day: newcomers (day 0: the initial population) and life events of those known before.

        Returns the new people and the day's events.
        """
        known = len(self.people)
        rng = generator(self.seed, "people", day)
        count = self.customers if day == 0 else stochastic_round(rng, self.customers * NEW_PEOPLE)
        events = LifeEvents.none() if day == 0 else self._live(day)
        if count:
            self._populate(rng, count, day)
        return np.arange(known, len(self.people)), events

    # -- newcomers ---------------------------------------------------------------------------------------------------

    def _populate(self, rng: np.random.Generator, count: int, day: int) -> None:
        sizes = rng.choice([1, 2, 3, 4, 5], size=count, p=[0.36, 0.32, 0.15, 0.12, 0.05])
        ends = np.cumsum(sizes)
        houses = int(np.searchsorted(ends, count)) + 1
        sizes, ends = sizes[:houses], ends[:houses]
        sizes[-1] -= ends[-1] - count
        first = len(self.households)
        homes = self._homes(rng, houses)
        extend(self.households, homes)
        local = np.repeat(np.arange(houses), sizes)
        place = np.arange(count) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        people = self._persons(rng, local, place, sizes, homes["country"], day)
        people["household"] = local + first
        start = len(self.people)
        extend(self.people, people)
        self._add_postcodes(first)
        self._add_emails(rng, start, place)

    def _homes(self, rng: np.random.Generator, n: int) -> dict[str, Ints]:
        words = self.words
        country = words.country_weights.draw(rng.random(n))
        rows = {"country": country}
        stay = rng.random(n) < 0.6
        for suffix in ("", "_2"):
            u = rng.random((4, n))
            city, street, kind = np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n, np.int64)
            for c, item in enumerate(words.countries):
                here = country == c
                city[here] = item.cities.draw(u[0][here])
                street[here] = item.streets[(u[1][here] * len(item.streets)).astype(np.int64)]
                kind[here] = item.street_types[(u[2][here] ** 1.5 * len(item.street_types)).astype(np.int64)]
            if suffix:
                city = np.where(stay, rows["city"], city)
            rows |= {f"city{suffix}": city, f"street{suffix}": street, f"street_type{suffix}": kind}
            rows[f"number{suffix}"] = (1 + u[3] ** 1.6 * 180).astype(np.int64)
            rows[f"unit{suffix}"] = np.where(rng.random(n) < 0.25, rng.integers(1, 40, n), 0)
            rows[f"landline{suffix}"] = self._landlines(rng, country, city)
        has = rng.random(n) < 0.65
        keeps = stay & (rng.random(n) < 0.5)
        rows["landline_2"] = np.where(has, np.where(keeps, rows["landline"], rows["landline_2"]), 0)
        rows["landline"] = np.where(has, rows["landline"], 0)
        rows["moved_at"] = self._past(rng, n, LIFE.moved)
        return rows

    def _past(self, rng: np.random.Generator, n: int, share: float) -> Ints:
        when = self.history_end - (rng.random(n) * HISTORY).astype(np.int64)
        return np.where(rng.random(n) < share, when, NEVER)

    def _landlines(self, rng: np.random.Generator, country: Ints, city: Ints) -> Ints:
        areas = np.array([int("1" + area) for area in self.words.city_area])[city]
        area_digits = np.array([len(area) for area in self.words.city_area])[city]
        rest = np.array([item.landline_digits for item in self.words.countries])[country] - area_digits
        # The first digit behind the area code is 2 to 8: 0, 1 and 9 are reserved in many plans.
        tail = (2 + rng.random(len(city)) * 7) * 10.0 ** (rest - 1)
        return areas * 10**rest + tail.astype(np.int64)

    def _mobiles(self, rng: np.random.Generator, country: Ints, city: Ints) -> Ints:
        n = len(country)
        number = self._landlines(rng, country, city)  # countries without mobile prefixes: as a landline
        for c, item in enumerate(self.words.countries):
            if item.mobile_prefixes:
                here = country == c
                prefix = np.array([int("1" + p) for p in item.mobile_prefixes])
                chosen = prefix[rng.integers(0, len(prefix), int(here.sum()))]
                number[here] = chosen * 10**item.mobile_digits + rng.integers(
                    10 ** (item.mobile_digits - 1), 10**item.mobile_digits, int(here.sum())
                )
        return np.where(rng.random(n) < 0.93, number, 0)

    def _draw_names(self, rng: np.random.Generator, culture: Ints, kind: str) -> Ints:
        u = rng.random(len(culture))
        rows = np.full(len(culture), -1, np.int64)
        for c in np.unique(culture):
            pool = self.words.pick.get((self.words.cultures[c], kind))
            if pool is not None:
                here = culture == c
                rows[here] = pool.draw(u[here])
        return rows

    def _surnames(self, rng: np.random.Generator, culture: Ints) -> tuple[Ints, Ints, Ints]:
        """First part, second part (-1: none), hyphen."""
        first, second = self._draw_names(rng, culture, "s"), self._draw_names(rng, culture, "s")
        code = {name: i for i, name in enumerate(self.words.cultures)}
        u = rng.random(len(culture))
        two = np.isin(culture, [code[c] for c in TWO_SURNAMES]) & (u < 0.8)
        barrel = np.isin(culture, [code[c] for c in DOUBLE_BARRELLED]) & (u < 0.035)
        first = np.where((culture == code[MONONYM]) & (u < 0.8), -1, first)
        second = np.where((two | barrel) & (first >= 0) & (second != first), second, -1)
        return first, second, barrel.astype(np.int64)

    def _persons(
        self, rng: np.random.Generator, local: Ints, place: Ints, sizes: Ints, country: Ints, day: int
    ) -> dict[str, Ints]:
        n, houses = len(local), len(sizes)
        head_row = np.cumsum(sizes) - sizes
        home_country = country[local]
        u = rng.random(n)
        home_culture = np.zeros(houses, np.int64)
        own_culture = np.zeros(n, np.int64)
        v = rng.random(houses)
        for c, item in enumerate(self.words.countries):
            home_culture[country == c] = item.cultures.draw(v[country == c])
            own_culture[home_country == c] = item.cultures.draw(u[home_country == c])
        flat = (rng.random(houses) < LIFE.flatmates) & (sizes > 1)
        unrelated = flat[local]
        partner, child = (place == 1) & ~unrelated, (place > 1) & ~unrelated
        mixed = unrelated | (partner & (rng.random(n) < 0.12))
        culture = np.where(mixed & (place > 0), own_culture, home_culture[local])

        # The head's sex decides the partner's in most couples.
        female = (rng.random(n) < 0.5).astype(np.int64)
        head_female = female[head_row][local]
        female = np.where(partner & (rng.random(n) < 0.94), 1 - head_female, female)

        head_age = np.clip(rng.normal(46, 15, houses), 21, 88)[local]
        age = np.where(place == 0, head_age, head_age + rng.normal(0, 4, n))
        age = np.where(child, head_age - rng.uniform(22, 38, n), age)
        age = np.where(child & (age < 16), rng.uniform(16, 24, n), np.clip(age, 16, 92))
        birth = self.first_day + day - (age * 365.25).astype(np.int64)

        given = np.where(female == 1, self._draw_names(rng, culture, "f"), self._draw_names(rng, culture, "m"))
        junior = child & (female == head_female) & (rng.random(n) < 0.02)
        given = np.where(junior, given[head_row][local], given)
        middle = np.where(female == 1, self._draw_names(rng, culture, "f"), self._draw_names(rng, culture, "m"))
        middle = np.where((rng.random(n) < 0.55) & (middle != given), middle, -1)

        rows: dict[str, Ints] = {"culture": culture, "female": female, "given": given, "middle": middle, "birth": birth}
        rows |= self._family_names(rng, local, place, unrelated, home_culture, culture, female)
        city = self.households.city[-houses:][local]
        rows["mobile"] = self._mobiles(rng, home_country, city)
        rows["mobile_2"] = np.where(rows["mobile"] > 0, self._mobiles(rng, home_country, city), 0)
        rows["mobile_2"] = np.where(rows["mobile_2"] == 0, rows["mobile"], rows["mobile_2"])
        rows["mobile_at"] = self._past(rng, n, LIFE.new_mobile)
        rows["has_email"] = (rng.random(n) < 0.97).astype(np.int64)
        rows["email_at"] = self._past(rng, n, LIFE.new_email)
        mailbox = ((rng.random(houses) < LIFE.shared_mailbox) & ~flat & (sizes > 1))[local]
        rows["second_email"] = np.where(mailbox, 2, (rng.random(n) < LIFE.second_email).astype(np.int64))
        rows["national_id"] = rng.integers(10**9, 10**10, n)
        rows["covered"] = self._coverage(rng, n, day)
        rows["household"] = local
        return rows

    def _family_names(
        self, rng: np.random.Generator, local: Ints, place: Ints, unrelated: Bools, home_culture: Ints, culture: Ints,
        female: Ints,
    ) -> dict[str, Ints]:  # fmt: skip
        n = len(local)
        shared = np.stack(self._surnames(rng, home_culture))[:, local]
        own = np.stack(self._surnames(rng, culture))
        related = ~unrelated & (culture == home_culture[local])
        partner, single = (place == 1) & ~unrelated, np.bincount(local)[local] == 1
        before = np.where(related & (place != 1), shared, own)
        married_name = np.stack(self._surnames(rng, culture))
        married_name = np.where(partner, shared, married_name)
        u = rng.random(n)
        keeps = partner & (u < LIFE.keeps_name)
        recent = partner & (u >= LIFE.keeps_name) & (u < LIFE.keeps_name + LIFE.married)
        engaged = (
            partner & (u >= LIFE.keeps_name + LIFE.married) & (u < LIFE.keeps_name + LIFE.married + LIFE.unmarried)
        )
        lone = single & (female == 1)
        recent |= lone & (u < LIFE.married / 4)
        engaged |= lone & (u >= LIFE.married / 4) & (u < LIFE.married / 4 + LIFE.unmarried)
        # A mononym stays one, and nobody takes one.
        can = (before[0] >= 0) & (married_name[0] >= 0)
        recent, engaged = recent & can, engaged & can
        long_ago = partner & ~keeps & ~recent & ~engaged & can
        when = self.history_end - (rng.random(n) * HISTORY).astype(np.int64)
        after = np.where(recent | engaged | long_ago, married_name, before)
        before = np.where(long_ago, married_name, before)
        return {
            "family": self._gendered(before[0], female),
            "family_b": self._gendered(before[1], female),
            "hyphen": before[2],
            "family_2": self._gendered(after[0], female),
            "family_b_2": self._gendered(after[1], female),
            "hyphen_2": after[2],
            "married_at": np.where(recent, when, NEVER),
            "engaged": engaged.astype(np.int64),
        }

    def _gendered(self, family: Ints, female: Ints) -> Ints:
        return np.where((family >= 0) & (female == 1), family + self.words.family_female, family)

    def _coverage(self, rng: np.random.Generator, n: int, day: int) -> Ints:
        scale = 1.0 if day == 0 else NEW_PEOPLE_COVERAGE
        bits = np.zeros(n, np.int64)
        for i, source in enumerate(SOURCES):
            bits |= (rng.random(n) < COVERAGE[source] * scale).astype(np.int64) << i
        # A device alone makes no customer: everybody is in the CRM or the shop, or in another source of records.
        records = bits & ~(1 << SOURCES.index("web"))
        extra = np.where(rng.random(n) < 0.5, 1 << SOURCES.index("crm"), 1 << SOURCES.index("shop"))
        return np.where(records == 0, bits | extra, bits)

    # -- text that is made once per person ---------------------------------------------------------------------------

    def _add_postcodes(self, first: int) -> None:
        h = self.households
        triples = np.stack(
            [
                np.stack([h.city[first:], h.city_2[first:]], 1).ravel(),
                np.stack([h.street[first:], h.street_2[first:]], 1).ravel(),
                np.stack([h.street_type[first:], h.street_type_2[first:]], 1).ravel(),
            ],
            1,
        )
        distinct, where = np.unique(triples, axis=0, return_inverse=True)
        codes = pa.array([self._postcode(*map(int, row)) for row in distinct], pa.string())
        self.postcodes = pa.concat_arrays([self.postcodes, codes.take(pa.array(where.ravel()))])

    def _postcode(self, city: int, street: int, kind: int) -> str:
        """The postcode of a street: the city's pattern, filled from the street, the same on every call."""
        key = (city, street, kind)
        if key not in self._postcode_of:
            state = zlib.crc32(f"{city}/{street}/{kind}".encode())
            text = ""
            for c in self.words.city_postcode[city]:
                if c == "#":
                    state, digit = divmod(state, 10)
                    text += str(digit)
                elif c == "@":
                    # British inward codes leave out C, I, K, M, O and V.
                    state, letter = divmod(state, 20)
                    text += "ABDEFGHJLNPQRSTUWXYZ"[letter]
                else:
                    text += c
                if state < 100:
                    state = zlib.crc32(f"{text}/{city}/{street}/{kind}".encode())
            self._postcode_of[key] = text
        return self._postcode_of[key]

    def _add_emails(self, rng: np.random.Generator, start: int, place: Ints) -> None:
        from orchestration.sample.render import render_emails  # imports duckdb

        p, h = self.people, self.households
        n = len(p) - start
        country = h.country[p.household[start:]]
        u = rng.random((3, n))
        domains = np.zeros((3, n), np.int64)
        for c, item in enumerate(self.words.countries):
            here = country == c
            for k in range(3):
                domains[k][here] = item.domains.draw(u[k][here])
        texts = render_emails(self, start, domains, rng.integers(0, 8, (3, n)), rng.integers(1, 9999, (3, n)))
        # A household's mailbox is the first address of its first person.
        head = np.arange(n) - place
        table = np.arange(3 * n).reshape(n, 3)
        second = p.second_email[start:]
        table[:, 2] = np.where(second == 2, 3 * head, table[:, 2])
        blank = (p.has_email[start:] == 0)[:, None] | np.stack([np.zeros(n), np.zeros(n), second == 0], 1).astype(bool)
        taken = texts.take(pa.array(table.ravel()))
        self.emails = pa.concat_arrays([self.emails, pc.if_else(pa.array(blank.ravel()), "", taken)])

    # -- life --------------------------------------------------------------------------------------------------------

    def _live(self, day: int) -> LifeEvents:
        rng = generator(self.seed, "life", day)
        start = self.day_start(day)
        p, h = self.people, self.households
        who, when = [], []

        def happen(state: Ints, eligible: Bools, chance: float) -> Ints:
            hit = np.flatnonzero((rng.random(len(state)) < chance) & eligible & (state == NEVER))
            state[hit] = start + rng.integers(7 * 3600, 20 * 3600, len(hit))
            return hit

        def note(people: Ints, at: Ints) -> None:
            who.append(people)
            when.append(at)

        anyone = np.ones(len(p), np.bool_)
        homes = happen(h.moved_at, np.ones(len(h), np.bool_), LIFE.moved_daily)
        movers = np.flatnonzero(np.isin(p.household, homes))
        note(movers, h.moved_at[p.household[movers]])
        for state, eligible, chance in (
            (p.married_at, p.engaged == 1, LIFE.married_daily),
            (p.email_at, anyone, LIFE.new_email_daily),
            (p.mobile_at, anyone, LIFE.new_mobile_daily),
        ):
            hit = happen(state, eligible, chance)
            note(hit, state[hit])
        people, first = np.unique(np.concatenate(who), return_index=True)
        return LifeEvents(people, np.concatenate(when)[first])
