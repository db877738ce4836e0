"""A release's run where helm and the cluster are played: what it looks at before it acts."""

from __future__ import annotations

import contextlib
import pathlib
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.helm import run as helm_run
from ansible_collections.k0rdent.kof.plugins.module_utils.helm.run import (
    OPTIONS,
    BadInput,
    Refused,
    ReleaseRun,
    StuckObject,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.helm.store import Missing
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.line_0_0 import KOF_0_0

FOREIGN = list(KOF_0_0.charts["kof-mothership"].foreign_objects)


def manifest(*names: str) -> str:
    kinds = (name.split("/") for name in names)
    return "".join(f"---\napiVersion: v1\nkind: {kind}\nmetadata:\n  name: {name}\n" for kind, name in kinds)


class PlayedHelm:
    """Renders the same whatever it is asked for."""

    version = (3, 17, 0)

    def __init__(self, text: str) -> None:
        self.text = text
        self.acts: list[str] = []

    def check_version(self) -> tuple[int, int, int]:
        return self.version

    def template(self, *_given: Any, **_named: Any) -> str:
        return self.text

    def rendered(self, *_given: Any) -> Mapping[str, Any]:
        return {"manifest": self.text}

    def act(self, arguments: list[str], *_given: Any) -> None:
        self.acts.append(arguments[0])


def run(
    folder: pathlib.Path, text: str, *, check_mode: bool = False, **parameters: Any
) -> tuple[ReleaseRun, PlayedHelm]:
    chart = folder / "kof-mothership"
    chart.mkdir(exist_ok=True)
    (chart / "Chart.yaml").write_text("name: kof-mothership\nversion: 0.1.0\n")
    given = {name: option.get("default") for name, option in OPTIONS.items()} | {
        "release_name": "kof-mothership",
        "release_namespace": "kof",
        "chart_ref": str(chart),
        **parameters,
    }
    connection: Any = types.SimpleNamespace()
    made = ReleaseRun(given, check_mode=check_mode, scratch=None, guard=None, connection=connection)
    helm = PlayedHelm(text)

    @contextlib.contextmanager
    def played() -> Iterator[PlayedHelm]:
        yield helm

    made._helm = played  # type: ignore[method-assign,assignment]
    made._store = types.SimpleNamespace(history=list, missing=lambda _wanted: [])  # type: ignore[assignment]
    return made, helm


@pytest.mark.parametrize("brought", [["ServiceTemplate/kof-storage-0-1-0"], ["Secret/kof-mothership-promxy-config"]])
def test_another_chart_of_that_name_and_version_is_not_installed(tmp_path: pathlib.Path, brought: list[str]) -> None:
    text = manifest("Secret/storage-vmuser-credentials", *brought)
    for check_mode in (True, False):
        made, helm = run(tmp_path, text, check_mode=check_mode, foreign_objects=FOREIGN)
        with pytest.raises(Refused, match=r"kof-mothership is another chart of that name and version") as refused:
            made.present()
        assert brought[0].partition("/")[2] in str(refused.value)
        assert helm.acts == []
    with pytest.raises(Refused, match="another chart"):
        made.foreseen("v1.32.0", ())


def test_the_right_one_is(tmp_path: pathlib.Path) -> None:
    made, helm = run(tmp_path, manifest("ServiceTemplate/kof-storage"), foreign_objects=FOREIGN)
    assert made.present()["action"] == "installed"
    assert helm.acts == ["install"]
    assert made.foreseen("v1.32.0", ()).step == "install"
    made, helm = run(tmp_path, "", foreign_objects=FOREIGN, skip_schema_validation=True)
    helm.version = (3, 18, 5)
    assert len(made.present()["took"]) == 1


@pytest.mark.parametrize("url", ["oci://registry.example.com/kof", "charts.example.com/kof", "file:///srv/charts"])
def test_a_repository_is_one_of_http(tmp_path: pathlib.Path, url: str) -> None:
    with pytest.raises(BadInput, match="chart_repo_url is no URL of an HTTP repository"):
        run(tmp_path, "", chart_repo_url=url)


class Leaving:
    """A cluster from which a Secret goes after so many looks."""

    def __init__(self, looks: int) -> None:
        self.looks = looks
        self.seen: list[str] = []

    def history(self) -> list[Any]:
        return []

    def missing(self, wanted: Sequence[Ref]) -> list[Missing]:
        self.looks -= 1
        self.seen.append("there" if self.looks >= 0 else "gone")
        return [Missing(ref, "2026-01-02T03:04:05Z" if self.looks >= 0 else None, ("a/b",)) for ref in wanted]


def test_an_install_waits_for_what_an_uninstall_has_on_its_way_out(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else helm takes it for there, and then it goes: a release without some of its objects."""
    monkeypatch.setattr(helm_run, "_POLL", 0.01)
    made, helm = run(tmp_path, manifest("Secret/promxy"))
    made._store = store = Leaving(2)  # type: ignore[assignment]
    helm.act = lambda arguments, *_given: store.seen.append(arguments[0])  # type: ignore[method-assign]
    assert made.present()["action"] == "installed"
    assert store.seen == ["there", "there", "gone", "install"]

    made, helm = run(tmp_path, manifest("Secret/promxy"), timeout="1ms")
    made._store = Leaving(10**6)  # type: ignore[assignment]
    with pytest.raises(StuckObject, match=r"Secret promxy is being deleted since .*, held by its finalizers a/b"):
        made.present()
    assert helm.acts == []

    made, helm = run(tmp_path, manifest("Secret/promxy"), check_mode=True)
    made._store = store = Leaving(10**6)  # type: ignore[assignment]
    assert made.present()["action"] == "installed"
    assert store.seen == [], "a check waits for nobody"
