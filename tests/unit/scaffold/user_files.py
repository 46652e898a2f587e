"""Files as users have them, made up and seeded: other languages, separators, encodings, nestings than the sample's.

Belongs here: writing such files. Does not belong here: what the scaffold makes of them.
"""

import csv
import json
import random
import zipfile
from datetime import date, datetime, timedelta
from pathlib import Path
from xml.sax.saxutils import escape

GIVEN = ["Anna", "Jürgen", "Käthe", "Lukas", "Sophie", "Max", "Emma", "Paul", "Clara", "Felix", "Marie", "Jonas"]
FAMILY = ["Müller", "Schmidt", "Schröder", "Weiß", "Fischer", "Wagner", "Becker", "Hoffmann", "Koch", "Richter"]
TOWNS = [("Berlin", "10115"), ("München", "80331"), ("Köln", "50667"), ("Düsseldorf", "40210"), ("Leipzig", "04109")]
STREETS = ["Hauptstraße", "Gartenweg", "Bahnhofstraße", "Lindenallee", "Am Markt"]


def _day(random_: random.Random, first: int, last: int) -> date:
    return date(first, 1, 1) + timedelta(days=random_.randrange((last - first) * 365))


def german_customers(folder: Path, rows: int = 120) -> Path:
    """Semicolons, Latin-1, German names of columns, dates with dots, house number behind the street, no country."""
    path = folder / "Kundenliste 2025-11.csv"
    chance = random.Random(1)
    with path.open("w", encoding="latin-1", newline="") as file:
        writer = csv.writer(file, delimiter=";", lineterminator="\r\n")
        writer.writerow([
            "Kunden-Nr.", "Anrede", "Vorname", "Name", "Geburtsdatum", "Straße", "Hausnr", "PLZ", "Ort", "Telefon",
            "E-Mail", "Letzte Änderung", "Bemerkung",
        ])  # fmt: skip
        for i in range(rows):
            town, plz = TOWNS[i % len(TOWNS)]
            given, family = GIVEN[i % len(GIVEN)], FAMILY[i // 3 % len(FAMILY)]
            writer.writerow([
                f"{10000 + i}", "Frau" if given[-1] in "ae" else "Herr", given, family,
                f"{_day(chance, 1945, 2003):%d.%m.%Y}", STREETS[i % 5], f"{1 + i % 80}{'a' if i % 9 == 0 else ''}", plz,
                town, f"030 {chance.randrange(1_000_000, 9_999_999)}" if i % 4 else "",
                f"kunde{i}@example.de" if i % 5 else "",
                f"{datetime(2025, 3, 1) + timedelta(hours=7 * i):%d.%m.%Y %H:%M}", "ruft zurück; bitte notieren",
            ])  # fmt: skip
    return path


def crm_contacts(folder: Path, rows: int = 90) -> Path:
    """JSON Lines from a CRM's API: nested, with lists, an owner and a company that are other parties."""
    path = folder / "contacts-export.jsonl"
    chance = random.Random(2)
    with path.open("w", encoding="utf-8") as file:
        for i in range(rows):
            given, family = GIVEN[i % len(GIVEN)], FAMILY[i // 2 % len(FAMILY)]
            contact = {
                "id": f"0035e{i:08d}",
                "properties": {
                    "firstname": given,
                    "lastname": family,
                    "email": f"{given}.{family}{i}@example.com".lower() if i % 6 else None,
                    "phone": f"+44 20 7946 {i:04d}" if i % 3 else None,
                    "date_of_birth": f"{_day(chance, 1950, 2000):%Y-%m-%d}",
                    "address": {"city": "London", "zip": f"SE{1 + i % 20} {1 + i % 9}AB", "country": "GB"},
                },
                "company": {"name": f"Company {i % 7}", "email": f"office{i % 7}@company.example"},
                "owner": {"id": i % 4, "name": "Sales Person", "email": f"sales{i % 4}@crm.example"},
                "loyaltyNumber": f"L-{i:05d}" if i % 2 else None,
                "lists": [1, 2, i],
                "updatedAt": f"{datetime(2025, 6, 1) + timedelta(hours=3 * i):%Y-%m-%dT%H:%M:%SZ}",
            }
            file.write(json.dumps(contact, ensure_ascii=False) + "\n")
    return path


def order_lines(folder: Path, orders: int = 80) -> Path:
    """An export of orders by lines: European amounts, words of states, e-mail and whole name, no customer id."""
    path = folder / "orders_export.csv"
    chance = random.Random(3)
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter=";", lineterminator="\n")
        writer.writerow(
            [
                "Order Number",
                "Line",
                "Order Date",
                "Status",
                "Customer Name",
                "E-Mail",
                "SKU",
                "Qty",
                "Total",
                "Currency",
            ]
        )
        for i in range(orders):
            buyer = i % 30
            when = datetime(2025, 1, 1) + timedelta(hours=31 * i)
            for line in range(1, 2 + i % 3):
                writer.writerow([
                    f"R{4000 + i}", line, f"{when:%d/%m/%Y %H:%M}", ["Delivered", "Refunded", "Cancelled", "Paid"][i % 4],
                    f"{GIVEN[buyer % 12]} {FAMILY[buyer % 10]}", f"buyer{buyer}@example.com",
                    f"SKU-{chance.randrange(50)}", 1 + line % 2, f"{1000 + 10 * i + line},50", "EUR",
                ])  # fmt: skip
    return path


def workbook(path: Path, rows: list[list[object]]) -> Path:
    """A small xlsx with inline texts and numbers, written by hand: what reads it is under test, not what writes it."""

    def cell(value: object) -> str:
        if isinstance(value, int | float):
            return f"<c><v>{value}</v></c>"
        return f'<c t="inlineStr"><is><t>{escape(str(value))}</t></is></c>'

    sheet = "".join(f"<row>{''.join(map(cell, row))}</row>" for row in rows)
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{package}/content-types"><Default Extension="rels" '
            'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            '<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.'
            'spreadsheetml.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/'
            'vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>',
        )
        file.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" '
            f'Type="{relations}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        )
        file.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{main}" xmlns:r="{relations}"><sheets>'
            '<sheet name="People" sheetId="1" r:id="r1"/></sheets></workbook>',
        )
        file.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" '
            f'Type="{relations}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        )
        file.writestr(
            "xl/worksheets/sheet1.xml", f'<worksheet xmlns="{main}"><sheetData>{sheet}</sheetData></worksheet>'
        )
    return path
