"""The user's dashboards: what a file may be, and what is wrong with those of a folder, by file."""

from __future__ import annotations

import json
import os
import pathlib
from typing import Any

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.kof import dashboards, model


def board(uid: str = "payments", title: str = "Payments", **more: Any) -> dict[str, Any]:
    return {"uid": uid, "title": title, "panels": [], **more}


def written(folder: pathlib.Path, **files: Any) -> pathlib.Path:
    for name, content in files.items():
        raw = content if isinstance(content, bytes) else content if isinstance(content, str) else json.dumps(content)
        (folder / f"{name}.json").write_bytes(raw if isinstance(raw, bytes) else raw.encode())
    return folder


def panel(source: Any) -> dict[str, Any]:
    return {"panels": [{"type": "row", "panels": [{"targets": [{"datasource": source}]}]}]}


def test_a_folder_has_its_dashboards_by_name_and_the_text_is_as_it_stands_there(tmp_path: pathlib.Path) -> None:
    text = '{"uid": "b", "title": "ß {{cluster}}", "panels": []}\n'
    written(tmp_path, b=text, a=board("a", "A"))
    for beside in ("notes.txt", ".hidden.json", "a.json~"):
        (tmp_path / beside).write_text("no dashboard")
    (tmp_path / "folder").mkdir()
    found, problems = dashboards.load(str(tmp_path))
    assert not problems
    assert [(each.file, each.uid, each.title) for each in found] == [
        ("a.json", "a", "A"),
        ("b.json", "b", "ß {{cluster}}"),
    ]
    assert found[1].text == text


def test_a_file_that_changes_is_read_anew(tmp_path: pathlib.Path) -> None:
    written(tmp_path, a=board("a"))
    assert dashboards.load(str(tmp_path))[0][0].uid == "a"
    written(tmp_path, a=board("another"))
    assert dashboards.load(str(tmp_path))[0][0].uid == "another"


def test_a_relative_folder_is_below_the_working_folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, a=board("a"))
    monkeypatch.chdir(tmp_path.parent)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(dashboards.load(tmp_path.name)[0]) == len(dashboards.load("~")[0]) == 1


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('{"uid": "a", ', "a.json is no JSON: Expecting property name"),
        ("", "a.json is no JSON"),
        ('\ufeff{"uid": "a", "title": "A"}', "a.json is no JSON: Unexpected UTF-8 BOM"),
        ('{"uid": "a", "title": "A", "min": NaN}', "a.json is no JSON: NaN is no number"),
        (b'{"uid": "a", "title": "\xff"}', "a.json is no UTF-8, from byte 23 on"),
        ("[" * 200_000, "a.json is nested deeper"),
        ([board()], "a.json is no JSON object"),
        ({"dashboard": board(), "meta": {}}, "a.json is an answer of Grafana's API"),
        ({"apiVersion": "grafana.integreatly.org/v1beta1", "spec": {}}, "a.json is an object of Kubernetes"),
        ({"title": "A"}, "a.json has no uid"),
        (board(uid=" "), "a.json has no uid"),
        ({"uid": 7, "title": "A"}, "a.json has no uid"),
        ({"uid": None, "title": "A"}, "a.json has no uid"),
        ({"uid": "a"}, "a.json has no title"),
        (board(uid="a b"), "a.json its uid 'a b' is none that Grafana takes"),
        (board(uid="x" * 41), "is none that Grafana takes"),
        (board(**panel("${DS_PROMETHEUS}")), "a.json reads from '${DS_PROMETHEUS}', which is none of its variables"),
        (
            board(__inputs=[{"name": "DS_P"}], **panel({"type": "prometheus", "uid": "${DS_P}"})),
            "an input that only Grafana's own import asks for",
        ),
        (board(**panel("$gone")), "a.json reads from '$gone'"),
        (board(title="logs of ${KOF_REGION}"), "a.json has ${KOF_REGION} in it, which is a region's"),
    ],
)
def test_what_can_be_no_dashboard_is_told_by_file(content: Any, told: str, tmp_path: pathlib.Path) -> None:
    cluster, faults = _mothership(written(tmp_path, a=content))
    assert cluster is None
    (fault,) = faults
    assert told in str(fault)
    assert str(fault).startswith("m: mothership_dashboards: a.json ")


def _mothership(folder: pathlib.Path, **more: Any) -> tuple[Any, list[model.Fault]]:
    return model.parse_mothership("m", {"kof_version": "0.1.1", "mothership_dashboards": str(folder), **more})


@pytest.mark.parametrize(
    "source",
    [
        *(None, "promxy", "[[ds]]", "$ds", "${ds}", "-- Mixed --", "${KOF_METRICS}", True, ["x"]),
        *({"uid": uid} for uid in ("${ds:raw}", "${__from}", 7, "-- Grafana --", "__expr__")),
        {"type": "prometheus"},
    ],
)
def test_what_a_dashboard_may_read_from(source: Any, tmp_path: pathlib.Path) -> None:
    content = board(templating={"list": [{"name": "ds", "type": "datasource"}, "ugly"]}, **panel(source))
    cluster, faults = _mothership(written(tmp_path, a=content))
    assert not faults
    assert cluster.dashboards[0].sources == (("promxy",) if source == "promxy" else ())


@pytest.mark.parametrize(
    ("name", "told"),
    [("My Board", "its name must be"), ("UPPER", "its name must be"), ("a_b", "its name must be")],
)
def test_the_names_of_files_are_those_of_objects(name: str, told: str, tmp_path: pathlib.Path) -> None:
    written(tmp_path, **{name: board()})
    assert told in str(_mothership(tmp_path)[1][0])


def test_no_folder_no_file_and_no_right_to_read_are_told(tmp_path: pathlib.Path) -> None:
    assert "No such file or directory" in str(_mothership(tmp_path / "gone")[1][0])
    (tmp_path / "a.json").mkdir()
    os.mkfifo(tmp_path / "b.json")
    (tmp_path / "c.json").symlink_to(tmp_path / "nowhere")
    (tmp_path / "d.JSON").write_text("{}")
    told = [str(fault) for fault in _mothership(tmp_path)[1]]
    for file, why in (
        ("a", "is no file"),
        ("b", "is no file"),
        ("c", "can't be read: No such file"),
        ("d", "in lower"),
    ):
        assert any(f"{file}.{'JSON' if file == 'd' else 'json'} " in each and why in each for each in told), (
            file,
            told,
        )


def test_what_an_object_has_no_room_for_is_told(tmp_path: pathlib.Path) -> None:
    written(tmp_path, a=board(x="y" * dashboards.TEXT_LIMIT), b=board("b", "B", x='"' * (dashboards.TEXT_LIMIT // 3)))
    told = [str(fault) for fault in _mothership(tmp_path)[1]]
    assert ["a.json has " in told[0], "b.json takes " in told[1]] == [True, True], told


def test_two_of_one_uid_and_two_of_one_title_are_told_by_file(tmp_path: pathlib.Path) -> None:
    written(tmp_path, a=board("x", "A"), b=board("x", "B"), c=board("y", "A"), d=board("z", "D"))
    told = [str(fault) for fault in _mothership(tmp_path)[1]]
    assert len(told) == 2
    assert "b.json has the uid of a.json, 'x'" in told[0]
    assert "c.json has the title of a.json, 'A'" in told[1]


def test_one_folder_may_be_that_of_all_regions_if_each_has_its_own_uids(tmp_path: pathlib.Path) -> None:
    def parsed(name: str) -> model.Regional:
        variables = {"regional_domain": f"{name}.x.y", "regional_admin_email": "a@x.y", "kof_version": "0.1.1"}
        cluster, faults = model.parse_regional(name, {**variables, "regional_dashboards": str(tmp_path)})
        assert cluster, faults
        return cluster

    written(tmp_path, a=board("a-${KOF_REGION}", "Logs of ${KOF_REGION}", **panel("${KOF_LOGS}")))
    assert not model.fleet_faults(None, [parsed("eu"), parsed("us")], [])
    written(tmp_path, a=board("a", "Logs of ${KOF_REGION}"))
    (fault,) = model.fleet_faults(None, [parsed("eu"), parsed("us")], [])
    assert str(fault).startswith("us: regional_dashboards: a.json has the uid 'a', as a.json of eu has")


def test_there_must_be_a_grafana(tmp_path: pathlib.Path) -> None:
    written(tmp_path, a=board())
    off = {"mothership_values": {"grafana": {"enabled": False}}}
    assert "takes Grafana away" in str(_mothership(tmp_path, **off)[1][0])
    (tmp_path / "a.json").unlink()
    assert _mothership(tmp_path, **off)[0].dashboards == ()


def test_the_digest_is_that_of_what_the_operator_sends() -> None:
    spec = {"json": "{}", "datasources": [{"inputName": "A", "datasourceName": "b"}]}
    assert dashboards.digest({"json": "{}"}) == dashboards.digest(spec)
    assert dashboards.digest({**spec, "json": '"${A}"'}) == dashboards.digest({"json": '"b"'})
    assert dashboards.digest({}) == dashboards.digest({"json": ""})
    assert dashboards.head({**spec, "json": '{"uid": "${A}", "title": "t"}'}) == ("b", "t")
    assert dashboards.head({"json": "["}) == dashboards.head({"json": "[]"}) == dashboards.head({}) == ("", "")
