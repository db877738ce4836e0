"""The page of a status in a real browser: light, dark and on paper, at 3 and at 1,101 clusters, and with hostile names.

Pictures are kept in tests/output/status.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator

import pytest
from browser import Missing, Tab, browser
from support import REPOSITORY
from unit.statuses import HOSTILE, hostile, large, small

from ansible_collections.k0rdent.kof.plugins.module_utils.report import html

pytestmark = pytest.mark.long
OUTPUT = REPOSITORY / "tests" / "output" / "status"
STATUSES = {"small": small(), "large": large()}
#: How a page is looked at: scheme, medium, width.
WAYS = {
    "light": ("light", "screen", 1280),
    "dark": ("dark", "screen", 1280),
    "phone": ("light", "screen", 360),
    "print": ("dark", "print", 800),
}


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    try:
        with browser() as opened:
            yield opened
    except Missing as problem:
        pytest.fail(str(problem))


@pytest.fixture(scope="module")
def pages() -> dict[str, pathlib.Path]:
    OUTPUT.mkdir(parents=True, exist_ok=True)
    files = {name: OUTPUT / f"{name}.html" for name in (*STATUSES, "hostile")}
    for name, file in files.items():
        file.write_text(html.page(STATUSES.get(name) or hostile()), encoding="utf-8")
    return files


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size", STATUSES)
def test_everybody_can_read_it(tab: Tab, pages: dict[str, pathlib.Path], size: str, way: str) -> None:
    scheme, media, width = WAYS[way]
    tab.open(pages[size], scheme=scheme, media=media, width=width)
    tab.picture(OUTPUT / f"{size}-{way}.png", 2400 if size == "large" else None)
    assert tab.violations(paper=media == "print") == []
    # All that may be opened is judged, too.
    tab.ask("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert tab.violations(paper=media == "print") == []
    assert (tab.requests, tab.complaints) == ([pages[size].as_uri()], [])
    assert tab.ask("document.documentElement.scrollWidth") <= width
    ground = tab.ask("getComputedStyle(document.body).backgroundColor")
    assert ground == {"dark": "rgb(17, 20, 27)", "print": "rgb(255, 255, 255)"}.get(way, "rgb(245, 246, 250)")


@pytest.mark.parametrize("size", STATUSES)
def test_its_elements_say_what_the_status_does(tab: Tab, pages: dict[str, pathlib.Path], size: str) -> None:
    seen = STATUSES[size]
    tab.open(pages[size])
    tiles = tab.ask("[...document.querySelectorAll('.tile')].map(each => each.innerText.split(/\\s+/))")
    counts = {state: f"{number:,}" for state, number in seen["counts"]["clusters"].items() if number}
    assert {state: number for *_sign, number, state in tiles} == counts
    cells = tab.ask("[...document.querySelectorAll('.cells .cell')].map(each => each.title)")
    children = [each for each in seen["clusters"] if each["layer"] == "child"]
    assert sorted(cells) == sorted(f"{each['host']}: {each['state']}" for each in children)
    assert tab.ask("document.querySelectorAll('.region').length") == sum(
        each["layer"] == "regional" for each in seen["clusters"]
    )
    codes = {each["code"] for each in seen["findings"] if each["severity"] != "progress"}
    assert set(tab.ask("[...document.querySelectorAll('.problem h3 code')].map(each => each.innerText)")) == codes
    # Each cell of a cluster that something was found of leads to it.
    led = tab.ask("""[...document.querySelectorAll('.cells a.cell')].map(each => [
        each.title.split(':')[0], document.querySelector(each.getAttribute('href'))?.innerText ?? ''])""")
    found = {each["host"]: each["code"] for each in reversed(seen["findings"])}
    assert led
    for host, text in led:
        assert found[host] in text
    # Signs are seen, and large enough to be hit.
    sizes = tab.ask(
        "[...document.querySelectorAll('.cell')].map(each => each.getBoundingClientRect())"
        ".map(each => Math.min(each.width, each.height))"
    )
    assert min(sizes) >= 24


def test_the_keyboard_reaches_what_the_mouse_does(tab: Tab, pages: dict[str, pathlib.Path]) -> None:
    tab.open(pages["small"])
    reached: list[str] = []
    for _each in range(40):
        tab.press("Tab")
        at = tab.ask("document.activeElement.getAttribute('href') ?? document.activeElement.tagName")
        if at == "BODY" or at in reached[:1]:
            break
        # Where one is can be seen.
        assert tab.ask("getComputedStyle(document.activeElement).outlineStyle") == "solid", at
        reached.append(at)
    assert reached[0] == "#content"
    links = tab.ask("[...document.querySelectorAll('a')].map(each => each.getAttribute('href'))")
    assert sorted(each for each in reached if each.startswith("#")) == sorted(links)
    assert "SUMMARY" in reached


def test_it_is_printed_in_light_colours_with_all_that_is_wrong(tab: Tab, pages: dict[str, pathlib.Path]) -> None:
    tab.open(pages["large"], scheme="dark")
    paper = tab.paper(OUTPUT / "large.pdf")
    assert paper.startswith(b"%PDF")
    assert 1 < paper.count(b"/Type /Page\n") <= 20


def test_hostile_texts_do_nothing(tab: Tab, pages: dict[str, pathlib.Path]) -> None:
    tab.open(pages["hostile"])
    assert tab.ask("document.title").endswith(f"kof fleet {HOSTILE[0]}")
    assert tab.ask("document.querySelectorAll('script, img, iframe, object, form, input, link').length") == 0
    handlers = "[...document.querySelectorAll('*')].flatMap(each => each.getAttributeNames())"
    assert not [name for name in tab.ask(handlers) if name.startswith("on") or name in ("src", "autofocus", "style")]
    assert tab.ask("document.querySelectorAll('h1').length") == 1
    assert (tab.requests, tab.complaints) == ([pages["hostile"].as_uri()], [])
    told = tab.ask("document.body.textContent")
    for each in HOSTILE[:8]:
        assert each in told, json.dumps(each)
    assert tab.violations() == []
