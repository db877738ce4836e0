"""The page of a status: well-formed, alone, readable by everybody, small, and whatever stands in it is text."""

from __future__ import annotations

import itertools
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from unit.statuses import HOSTILE, NOTHING, WELL, finding, hostile, large, small, status

from ansible_collections.k0rdent.kof.plugins.module_utils.report import html
from ansible_collections.k0rdent.kof.plugins.module_utils.report.html_style import STYLE
from ansible_collections.k0rdent.kof.plugins.module_utils.report.status import STATES

#: What a page is made of; nothing else may be in it, whatever it shows.
ELEMENTS = {
    "html", "head", "meta", "title", "style", "body", "a", "header", "p", "h1", "ul", "li", "b", "span", "dl",
    "div", "dt", "dd", "time", "nav", "main", "section", "h2", "h3", "article", "code", "details", "summary",
    "table", "caption", "thead", "tbody", "tr", "th", "td", "footer",
}  # fmt: skip
STATUSES = {"well": status(WELL), "small": small(), "large": large(), "hostile": hostile()}


class Page(HTMLParser):
    """Reads a page, and refuses one that isn't well-formed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        #: The texts of each element by its place among the elements.
        self.texts: dict[int, list[str]] = {}
        self._inside: list[int] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _value in attrs]
        assert len(names) == len(set(names)), (tag, attrs)
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag != "meta":
            self.open.append(tag)
            self._inside.append(len(self.elements) - 1)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self._inside.pop()

    def handle_data(self, data: str) -> None:
        for each in self._inside:
            self.texts.setdefault(each, []).append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def all(self, *tags: str) -> list[tuple[dict[str, str], str]]:
        """Attributes and text of these elements."""
        return [
            (attributes, "".join(self.texts.get(place, ())))
            for place, (tag, attributes) in enumerate(self.elements)
            if tag in tags
        ]

    @property
    def told(self) -> str:
        return "".join(self.texts[0])


@pytest.fixture(params=STATUSES, scope="module")
def page(request: pytest.FixtureRequest) -> Page:
    return Page(html.page(STATUSES[request.param]))


def test_it_stands_alone(page: Page) -> None:
    assert {tag for tag, _attributes in page.elements} <= ELEMENTS
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "srcset", "style")], tag
        assert attributes.get("href", "#").startswith("#")
    assert not re.search(r"url\(|@import|@font-face|expression", STYLE)
    policies = [each["content"] for each, _text in page.all("meta") if "http-equiv" in each]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_all_that_leads_somewhere_arrives(page: Page) -> None:
    ids = [attributes["id"] for _tag, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[a-z0-9-]+", each) for each in ids)
    for _tag, attributes in page.elements:
        if "href" in attributes:
            assert attributes["href"].removeprefix("#") in ids
        if "aria-labelledby" in attributes:
            assert attributes["aria-labelledby"] in ids


def test_it_can_be_read_by_a_machine_that_reads_to_people(page: Page) -> None:
    assert page.elements[0] == ("html", {"lang": "en"})
    assert [text for _attributes, text in page.all("title")] != [""]
    levels = [int(tag[1]) for tag, _attributes in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    for attributes, text in page.all("a"):
        assert attributes.get("aria-label") or text.strip()
    for attributes, _text in page.all("span"):
        assert attributes.get("aria-label") or "role" not in attributes
    for attributes, _text in page.all("th"):
        assert attributes["scope"] in ("row", "col")
    # What scrolls by itself can be reached, and has a name.
    scrolled = [each for each, _text in page.all("div") if each.get("class") == "scrolled"]
    assert all(each["tabindex"] == "0" and each["role"] and each["aria-label"] for each in scrolled)
    assert len(page.all("main")) == len(page.all("header")) == 1


def test_every_cluster_is_in_the_grid_and_in_the_table_with_its_state_in_words() -> None:
    seen = STATUSES["large"]
    read = Page(html.page(seen))
    cells = [each["aria-label"] for each, _text in read.all("a", "span") if each.get("class", "").startswith("cell ")
             and "aria-label" in each]  # fmt: skip
    children = [each for each in seen["clusters"] if each["layer"] == "child"]
    assert sorted(cells) == sorted(f"{each['host']}: {each['state']}" for each in children)
    rows = read.all("tr")
    assert len([text for _attributes, text in rows]) >= len(seen["clusters"])
    for each in seen["clusters"]:
        told = f"{each['host']}{each['layer']}{each['regional']}{each['state']}"
        assert any(text.startswith(told) for _attributes, text in rows), each


def test_what_is_wrong_is_told_with_its_reason_and_remedy() -> None:
    told = Page(html.page(STATUSES["small"])).told
    assert "ClusterDeployment kcm-system/eu1: CredentialReady: Credential is not ready" in told
    assert "since 2026-03-01 10:00:00 UTC" in told
    assert "What to do" in told
    commands = [text for _attributes, text in Page(html.page(STATUSES["small"])).all("code")]
    assert "kubectl get credentials -n kcm-system" in commands


def test_versions_and_budgets_are_tables() -> None:
    seen = status(WELL)
    (usual,) = seen["versions"]["sets"]
    other = {**usual, "kubernetes": "v1.30.0", "hosts": ["us1"], "differs": ["kof-storage is x, y is wanted"]}
    seen["versions"]["sets"] = [{**usual, "hosts": ["eu1", "eu2"]}, *([other] * 30)]
    seen["budgets"] = [{**seen["budgets"][0], "status": "warning", "remedy": "`kubectl get x`"}]
    read = Page(html.page(seen))
    rows = [text for _attributes, text in read.all("tr")]
    assert "regional, 2 of 32aws-0-1-0v1.31.1kof-storage-0-1-1none" in rows
    told = "Kubernetes v1.30.0 (most have v1.31.1)kof-storage is x, y is wantedus1"
    assert f"regional, 1 of 32aws-0-1-0v1.30.0kof-storage-0-1-1{told}" in rows
    assert "promxy configwarning812 bytes1,048,576kubectl get x" in rows
    assert "And 11 more that are alike in nothing." in read.told


def test_what_a_run_would_change_is_counted_and_its_first_hundred_told() -> None:
    one = {
        "host": "eu1",
        "kind": "X",
        "object": "X a/b",
        "action": "updated",
        "fields": ["spec.a", "spec.b"],
        "why": "",
    }
    refused = {**one, "object": "X a/c", "action": "refused", "fields": [], "why": "another fleet's"}
    counts = [{**NOTHING, "kind": "X", "unchanged": 5, "updated": 149, "refused": 1}]
    read = Page(html.page(status(WELL, drift={"counts": counts, "objects": [refused, *([one] * 149)]})))
    rows = [text for _attributes, text in read.all("tr")]
    assert {"kindupdatedrefusedunchanged", "X14915"} <= set(rows)
    assert "X a/ceu1refusedanother fleet's" in rows
    assert rows.count("X a/beu1updatedspec.a, spec.b") == 99
    assert "And 50 more: status.json has all." in read.told


def test_a_cell_leads_to_what_was_found_of_its_cluster() -> None:
    read = Page(html.page(STATUSES["small"]))
    (cell,) = [each for each, _text in read.all("a") if each.get("title") == "eu1-child1: progressing"]
    (target,) = [text for each, text in read.all("li") if each.get("id") == cell["href"].removeprefix("#")]
    assert "infrastructure-not-ready" in target


def test_children_of_a_regional_that_is_left_out_are_there_all_the_same() -> None:
    told = Page(html.page(status({"eu1-child1": "ready"}))).told
    assert "not part of this look" in told
    assert "no cluster" in Page(html.page(status({}))).told


def test_hostile_texts_are_texts() -> None:
    seen = STATUSES["hostile"]
    text = html.page(seen)
    read = Page(text)
    for each in HOSTILE:
        shown = re.sub(r"[\x00\x07\x1b\ufffe]", "\ufffd", each)
        # What stands in backticks is shown without them.
        assert shown in read.told or shown.replace("`", "") in read.told
    assert not re.search(r"[\x00-\x08\x0b-\x1f\ufffe\uffff]", text)
    assert len(read.all("h1")) == 1
    assert len(read.all("style")) == 1
    assert "<script" not in text
    assert "<img" not in text


@pytest.mark.parametrize("words", ["<&\"'>" * 1000, "a long story " * 400])
def test_a_thousand_clusters_stay_below_a_megabyte_whatever_they_say(words: str) -> None:
    hosts = [f"a-name-as-long-as-a-name-of-kubernetes-may-be-{number:04}-child{number:010}" for number in range(1000)]
    assert {len(each) for each in hosts} == {66}
    found = [finding(host, why=f"{host} {words}", remedy=f"{host} {words}", title=words[:50]) for host in hosts]
    found += [
        finding(host, "warning", f"code-{number % 40}", why=f"{host} {words}", remedy=f"{number} {words}")
        for number, host in enumerate(hosts)
    ]
    text = html.page(status(dict.fromkeys(hosts, "failed"), *found, not_looked_at=[words] * 30))
    assert len(text.encode()) < 1_000_000
    Page(text)


# -- colours


def colours(dark: bool) -> dict[str, str]:
    light, _media, others = STYLE.partition("@media screen and (prefers-color-scheme:dark)")
    found = dict(re.findall(r"--([a-z-]+):(#[0-9a-f]{3,6})", light))
    if dark:
        changed = dict(re.findall(r"--([a-z-]+):(#[0-9a-f]{3,6})", others[: others.index("}}")]))
        assert set(changed) == set(found)
        found |= changed
    return found


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    digits = colour.removeprefix("#")
    digits = digits if len(digits) == 6 else "".join(each * 2 for each in digits)
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("dark", [False, True])
def test_every_text_has_enough_contrast(dark: bool) -> None:
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    found = colours(dark)
    inks = [name.removesuffix("-ink") for name in found if name.endswith("-ink")]
    assert {*STATES, "page", "card", "dim", "link"} <= set(inks)
    pairs = [(f"{name}-ink", f"{name}-bg") for name in inks]
    pairs += [("dim-ink", "card-bg"), ("link-ink", "page-bg"), ("dim-ink", "page-bg")]
    for ink, ground in pairs:
        assert contrast(found[ink], found[ground]) >= 4.5, (ink, ground, dark)
    for line in (name for name in found if name.endswith("-line")):
        assert contrast(found[line], found["card-bg"]) >= 3, (line, dark)


def test_what_has_a_state_says_it_by_more_than_its_colour() -> None:
    assert set(html._SIGNS) == set(html._MEANINGS) == set(STATES)
    assert len(set(html._SIGNS.values())) == len(STATES)
    for state in STATES:
        assert f".{state}{{background:var(--{state}-bg);color:var(--{state}-ink)" in STYLE.replace(",.progress", "")


def test_only_element_makes_markup() -> None:
    made: Any = html.element("p", "<b>", html.element("b", "&"), None, class_="a\"'<", hidden=None)
    assert made.written == '<p class="a&quot;&#x27;&lt;">&lt;b&gt;<b>&amp;</b></p>'
