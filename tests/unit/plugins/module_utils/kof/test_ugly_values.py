"""Values of options, and files, in the ugly forms that people give them: told, and nothing replaced in silence."""

from __future__ import annotations

import json
import pathlib
from dataclasses import replace
from typing import Any

import pytest
from test_external_dns import PROFILE, WORKER, made, regional

from ansible_collections.k0rdent.kof.plugins.module_utils.kof import dashboards, syntax
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.dns_records import NoAddress, dns_records
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import parse_regional
from ansible_collections.k0rdent.kof.plugins.module_utils.text.shown import shown


def short(value: Any) -> str:
    """A name for a case."""
    return ascii(value)[:40]


SAID = {"kof_version": "0.1.1", "regional_domain": "eu1.example.com", "regional_admin_email": "a@example.com"}


@pytest.mark.parametrize(
    "text", ["128Mi\n", "\u0661Mi", "\u0662", "9" * 5000, f"1.{'0' * 5000}", "1e", "1_000", "", " 1", "0x1"], ids=short
)
def test_what_is_no_quantity(text: str) -> None:
    assert syntax.quantity(text) is None
    assert "must be a Kubernetes quantity" in str(syntax.resources({"limits": {"memory": text}}))


def faults(**variables: Any) -> list[str]:
    return [str(each) for each in parse_regional("eu1", {**SAID, **variables})[1]]


@pytest.mark.parametrize(
    ("issuer", "told"),
    [
        ({"ca": {}}, "ca needs secretName"),
        ({"ca": {"secretName": ""}}, "ca needs secretName"),
        ({"ca": {"secretname": "a"}}, "ca needs secretName"),
        ({"vault": {"server": "https://a", "path": "b"}}, "vault needs auth"),
        ({"venafi": {"tpp": {}}}, "venafi needs zone"),
        ({"ca": None}, "must be a map"),
        ({"ca": "our-ca"}, "must be a map"),
        ({}, "must be a map"),
    ],
)
def test_an_issuer_that_cert_manager_refuses_is_told(issuer: Any, told: str) -> None:
    (fault,) = faults(regional_cluster_issuer=issuer)
    assert told in fault
    assert faults(regional_cluster_issuer={"selfSigned": {}}) == []
    assert faults(regional_cluster_issuer={"ca": {"secretName": "our-ca"}}) == []


@pytest.mark.parametrize("worker", ["t3.medium", ["t3.medium"], 5, True])
def test_what_can_t_be_in_a_config_isn_t_replaced(worker: Any) -> None:
    """kcm refuses it, by name; with a profile of ours in its place it would be gone."""
    cluster = regional(PROFILE, regional_external_dns="node")
    cluster = replace(cluster, config={"worker": worker})
    assert made(cluster, template_config=WORKER)["spec"]["config"]["worker"] == worker


# -- dashboards


def loaded(folder: pathlib.Path, **files: str | bytes) -> tuple[Any, list[str]]:
    for name, content in files.items():
        (folder / f"{name}.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    found, problems = dashboards.load(str(folder))
    return found, [f"{each.file} {each.what}" for each in problems]


BOARD = {"uid": "a", "title": "A"}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (f'{{"uid": "a", "title": "A", "id": {"1" * 5000}}}', "has a number with more digits"),
        (b"\xef\xbb\xbf" + json.dumps(BOARD).encode(), "is no JSON"),
        (json.dumps(BOARD).encode("utf-16"), "is no UTF-8"),
        ("[" * 100_000, "is nested deeper"),
        ('{"uid": NaN, "title": "A"}', "is no JSON"),
        ('{"uid": "a", "title": "A", "x": 1e999}', None),
        ("", "is no JSON"),
        ('{"uid": 5, "title": "A"}', "has no uid"),
        ('{"uid": "a", "title": " "}', "has no title"),
        (json.dumps(BOARD).replace(" ", "\r\n"), None),
        (json.dumps({**BOARD, "panels": "none", "templating": ["a"], "__inputs": 5}), None),
        (json.dumps({**BOARD, "panels": [{"datasource": "${DS}"}], "__inputs": [{"name": 5}]}), "reads from"),
    ],
    ids=short,
)
def test_ugly_files_are_told_by_name_or_fine(content: str | bytes, told: str | None, tmp_path: pathlib.Path) -> None:
    found, problems = loaded(tmp_path, board=content)
    assert (len(found), len(problems)) == ((0, 1) if told else (1, 0)), problems
    assert told is None or problems[0].startswith(f"board.json {told}")


@pytest.mark.parametrize(
    "folder", ["a\0b", "x" * 5000, "~nobody-of-this-name/a", "/dev/null", "/proc/self/mem/a"], ids=short
)
def test_what_can_be_no_folder_is_told(folder: str) -> None:
    found, (problem,) = dashboards.load(folder)
    assert found == ()
    assert problem.right == "a folder with a file <name>.json for each"
    assert faults(regional_dashboards=folder)


def test_names_of_files_that_are_no_text_and_what_is_no_file(tmp_path: pathlib.Path) -> None:
    for name in (b"\xff.json", b"new\nline.json", b"white space.json", "straße.json".encode(), b"A.JSON", b"a b"):
        (tmp_path / name.decode(errors="surrogateescape")).write_text(json.dumps(BOARD))
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "gone.json").symlink_to("nowhere")
    (tmp_path / "itself.json").symlink_to("itself.json")
    (tmp_path / "linked.json").symlink_to("a b")
    found, problems = loaded(tmp_path)
    assert [each.name for each in found] == ["linked"]
    assert len(problems) == 8
    for line in problems:
        shown(line).encode()  # however it is called, it can be told


def test_a_lone_surrogate_is_a_title_that_can_be_told(tmp_path: pathlib.Path) -> None:
    text = '{"uid": "%s", "title": "A\\ud800"}'
    found, problems = loaded(tmp_path, one=text % "a", two=text % "b")
    assert not problems
    (problem,) = dashboards.problems(found, {})
    shown(str(problem)).encode()
    assert dashboards.digest({"json": found[0].text})


# -- what a cluster says of itself


@pytest.mark.parametrize(
    "hostname",
    ["a b.example.com", "a.example.com\n", "192.0.2.1", "localhost", "a..b", "-a.b", "straße.example.com", 5, ["a.b"]],
    ids=short,
)
def test_what_a_load_balancer_is_called_is_a_name_or_nothing(hostname: Any) -> None:
    with pytest.raises(NoAddress, match="is no host name"):
        dns_records([{"hostname": hostname}], "eu1.example.com")
    assert dns_records([{"hostname": "A1.elb.example.com."}], "eu1.example.com")[0]["value"] == "A1.elb.example.com"
