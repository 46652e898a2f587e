"""Phone numbers in E.164.

What belongs here: parsing by the phonenumbers library, one call for each distinct number and
country. What does not: placeholder numbers, which are data.
"""

from __future__ import annotations

import re


def e164(phone: str, country: str | None, default_region: str) -> str | None:
    """The number in E.164, or null when no telephone network could carry it.

    A number has to be possible (its length fits the country's plan), not assigned: plans change
    faster than libraries, and a number that is only unassigned still says who wrote it.
    `country` is ISO 3166-1 alpha-2 or null; `default_region` is used when it is null.
    """
    import phonenumbers

    text = re.sub(r"(?i)\s*(ext|extn|x|#)\.?\s*\d{1,6}$", "", phone.strip())
    text = re.sub(r"^00(?=[1-9])", "+", text)
    for region in dict.fromkeys((country or default_region, default_region)):
        try:
            number = phonenumbers.parse(text, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_possible_number(number):
            return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return None
