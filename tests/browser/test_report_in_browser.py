"""The report in a real browser: it opens, draws everything, logs no error, asks nobody for anything.

Chromium is needed and not skipped: a report that nobody opened is not tested.
"""

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from orchestration.publishing import build_report
from tests.fixtures.company import build_company
from tests.needs import lacking

_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-default-apps", "--disable-extensions", "--hide-scrollbars",
    "--window-size=1400,3200", "--enable-logging=stderr", "--virtual-time-budget=3000",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip

_PROBE = """
<script>
addEventListener("load", () => {
  const charts = [...document.querySelectorAll("svg.chart")].map((svg) => {
    const box = svg.getBoundingClientRect();
    const marks = [...svg.querySelectorAll('[role="graphics-symbol"][aria-label]')];
    const fills = new Set(marks.map((mark) => getComputedStyle(mark).fill));
    return { id: svg.closest("figure").id, width: box.width, height: box.height, marks: marks.length, fills: [...fills] };
  });
  const mark = document.querySelector('#customers-known [role="graphics-symbol"][aria-label]');
  const at = mark.getBoundingClientRect();
  mark.dispatchEvent(new PointerEvent("pointermove", { bubbles: true, clientX: at.x + 2, clientY: at.y + 2 }));
  const tip = document.getElementById("tip");
  const result = {
    charts, tip: tip.hidden ? null : tip.textContent, label: mark.getAttribute("aria-label"),
    overflow: document.documentElement.scrollWidth > innerWidth,
    requests: performance.getEntriesByType("resource").map((entry) => entry.name),
    numeric: document.querySelectorAll("td.n").length,
  };
  const out = document.createElement("pre");
  out.id = "probe";
  out.textContent = JSON.stringify(result);
  document.body.append(out);
});
</script>
"""


@dataclass(frozen=True)
class Opened:
    """What a browser made of a page: the probe's findings, its console, the addresses it asked for."""

    probe: dict[str, Any]
    console: list[str]
    requests: list[str]


def _chromium() -> str:
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if found is None:
        lacking(
            "Chromium",
            "Install it: `sudo apt-get install chromium` (Debian, Ubuntu), `sudo dnf install chromium` (Fedora) or "
            "`brew install --cask chromium` (macOS).",
        )
    return found


def _open(page: Path, folder: Path, *flags: str) -> Opened:
    netlog = folder / "netlog.json"
    done = subprocess.run(
        [_chromium(), *_FLAGS, *flags, f"--user-data-dir={folder / 'profile'}", f"--log-net-log={netlog}", "--dump-dom", page.as_uri()],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    found = re.search(r'<pre id="probe">(.*?)</pre>', done.stdout, re.S)
    assert found, f"The page did not finish loading.\n{done.stderr[-2000:]}"
    console = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    requests = sorted({event["params"]["url"] for event in _events(netlog) if _is_of_page(event)})
    probe = found.group(1).replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">")
    return Opened(json.loads(probe), console, requests)


def _events(netlog: Path) -> list[dict[str, Any]]:
    return json.loads(netlog.read_text(encoding="utf-8"))["events"]


def _is_of_page(event: dict[str, Any]) -> bool:
    """Requests that a page caused name an origin as their initiator; the browser's own housekeeping has none."""
    params = event.get("params", {})
    return "url" in params and params.get("initiator", "not an origin") != "not an origin"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    report = build_report(build_company(folder / "kindred.duckdb", customers=300), folder / "report.html")
    probed = folder / "probed.html"
    probed.write_text(report.read_text(encoding="utf-8").replace("</body>", _PROBE + "</body>"), encoding="utf-8")
    return probed


@pytest.fixture(scope="module")
def opened(page: Path, tmp_path_factory: pytest.TempPathFactory) -> Opened:
    return _open(page, tmp_path_factory.mktemp("browser"))


def test_all_charts_are_drawn(opened: Opened) -> None:
    charts = {chart["id"]: chart for chart in opened.probe["charts"]}
    assert set(charts) == {
        "customers-known", "first-activity", "records-per-source", "records-per-customer", "source-overlap",
        "match-weights", "checks", "quarantined", "sales", "rfm", "consent-by-purpose",
    }  # fmt: skip
    for chart in charts.values():
        assert chart["width"] > 300, chart
        assert chart["height"] > 80, chart
        assert chart["marks"] > 2, chart


def test_colours_of_the_page_reach_the_charts(opened: Opened) -> None:
    """A colour variable that the page does not define would paint black."""
    for chart in opened.probe["charts"]:
        assert "rgb(0, 0, 0)" not in chart["fills"], chart


def test_hovering_a_mark_shows_what_it_means(opened: Opened) -> None:
    assert opened.probe["tip"] == opened.probe["label"]
    assert re.search(r"5 Jan 2026: [\d,]+ new customers?, [\d,]+ in all", opened.probe["tip"])


def test_columns_of_numbers_are_aligned(opened: Opened) -> None:
    assert opened.probe["numeric"] > 20


def test_nothing_is_logged(opened: Opened) -> None:
    assert opened.console == []


def test_nothing_is_requested(opened: Opened) -> None:
    assert opened.probe["requests"] == []
    assert opened.requests == []


def test_the_net_log_would_show_a_request(page: Path, tmp_path: Path) -> None:
    """The check above can fail: a page that does ask is caught."""
    asking = tmp_path / "asking.html"
    content = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text(encoding="utf-8"))
    asking.write_text(content.replace("</body>", '<img src="http://127.0.0.1:9/pixel.png"></body>'), encoding="utf-8")
    seen = _open(asking, tmp_path)
    assert "http://127.0.0.1:9/pixel.png" in seen.requests


def test_the_policy_stops_a_request(page: Path, tmp_path: Path) -> None:
    """Were a request to slip into the page, its own policy would still refuse it."""
    asking = tmp_path / "asking.html"
    content = page.read_text(encoding="utf-8")
    asking.write_text(content.replace("</body>", '<img src="http://127.0.0.1:9/pixel.png"></body>'), encoding="utf-8")
    seen = _open(asking, tmp_path)
    assert "http://127.0.0.1:9/pixel.png" not in seen.requests
    assert any("Content Security Policy" in line for line in seen.console)


def test_a_phone_does_not_scroll_sideways(page: Path, tmp_path: Path) -> None:
    assert _open(page, tmp_path, "--window-size=500,900").probe["overflow"] is False
