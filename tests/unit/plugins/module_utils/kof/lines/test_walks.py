"""The jobs over a fleet walk the parts of lines that are not offered yet as they walk those of 0.1."""

from __future__ import annotations

from typing import Any

import pytest
from unit.inventories import task_vars

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import deletion, pending, render, wait
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import LAYERS, Fleet
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.wait import Lookup
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.line_0_0 import KOF_0_0
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.line_1_10 import KOF_1_10
from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets

TEMPLATE = {"metadata": {"name": "aws-standalone-cp-1-0-34"}, "status": {"valid": True}}
LINES = pytest.mark.parametrize("line", [KOF_0_0, KOF_1_10], ids=["0.0", "1.10"])


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    return fleets.read_fleet(task_vars(tmp_path_factory.mktemp("fleet")), LAYERS)


@pytest.fixture
def fleet(read: Fleet, line: Any, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    """A fleet whose variables are 0.1's: only the release is another."""
    monkeypatch.setattr(Fleet, "release", line)
    return read


@LINES
def test_rendering_writes_objects_and_no_helm_release(fleet: Fleet, line: Any) -> None:
    domains = {"eu1": "eu1.example.com", "us1": "us1.example.com"}
    rendered: dict[str, list[str]] = {}
    for layer in LAYERS:
        objects, faults = render.layer_objects(fleet, layer, render.Surroundings("v1beta1", [TEMPLATE]), domains)
        assert not faults
        rendered.update({host: [each["kind"] for each in those] for host, those in objects.items()})
    direct = line is KOF_0_0
    in_view = ["PromxyServerGroup", "GrafanaDatasource"] if direct else []
    assert rendered["mothership"] == ["Namespace"]
    assert rendered["eu1"] == ["ClusterDeployment", *in_view]
    assert rendered["eu1-child1"] == ["ClusterDeployment"]


@LINES
def test_deleting_takes_the_cluster_and_what_we_have_made_for_it(fleet: Fleet, line: Any) -> None:
    """And nothing that we only wait for: promxy's configuration is everybody's."""
    refs = deletion.Deletion(fleet, "v1beta1").refs
    in_view = ["PromxyServerGroup", "GrafanaDatasource"] if line is KOF_0_0 else []
    assert [ref.kind for ref in refs["eu1"]] == ["ClusterDeployment", *in_view]
    assert [ref.kind for ref in refs["eu1-child1"]] == ["ClusterDeployment"]


@LINES
def test_waiting_asks_every_cluster_of_a_layer(fleet: Fleet, line: Any) -> None:
    for layer in LAYERS:
        found = wait.targets(fleet, layer, "v1beta1")
        assert {host for host, _target in found} == {each.host for each in fleet.of(layer)}
        assert all(not target.judge(None, Lookup()).ready for _host, target in found)


@LINES
def test_every_job_hands_the_parts_what_it_has_listed(fleet: Fleet, line: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 1.10 parts come of it; nothing is asked for to know them."""
    seen: list[tuple[str, Any]] = []

    def noted(layer: str, _cluster: Any, given: Any) -> tuple[()]:
        seen.append((layer, given.live.objects))
        return ()

    for module, name in ((render, "objects"), (wait, "parts"), (deletion, "parts")):
        monkeypatch.setattr(module, name, noted)
    live = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "b"}}
    listed = {Ref("v1", "ConfigMap", "b", "a"): live}
    surroundings = render.Surroundings("v1beta1", [TEMPLATE], {"a": live})
    render.layer_objects(fleet, "regional", surroundings, {})
    wait.targets(fleet, "regional", "v1beta1", surroundings.live)
    leaving = deletion.Deletion(fleet, "v1beta1")
    before = len(seen) - 4
    leaving.walk(listed)
    del seen[before : before + 4]  # as it was before anything was listed
    assert all(objects == listed for _layer, objects in seen)
    assert [layer for layer, _objects in seen] == ["regional"] * 4 + ["child"] * 2 + ["regional"] * 2


@LINES
def test_a_cluster_is_gone_when_its_part_says_so_and_all_else_when_it_is_not_there(fleet: Fleet, line: Any) -> None:
    leaving = deletion.Deletion(fleet, "v1beta1")
    asked = {ref.kind: {each.kind for each in leaving.gone(ref).related} for ref in leaving.refs["eu1"]}
    in_view = {"PromxyServerGroup": set(), "GrafanaDatasource": set()} if line is KOF_0_0 else {}
    assert asked == {"ClusterDeployment": {"Credential", "ServiceTemplate"}, **in_view}


class Empty:
    """A management cluster on which nothing is."""

    def resource(self, _api_version: str, _kind: str) -> None:
        return None

    def path(self, *where: str | None) -> str:
        return str(where)

    def request(self, _verb: str, _path: str) -> None:
        raise ApiError(404, "NotFound", "")


@LINES
def test_check_mode_knows_what_the_mothership_would_bring(fleet: Fleet, line: Any) -> None:
    found = pending.of_mothership(Empty(), fleet, "v1beta1")  # type: ignore[arg-type]
    kinds = [kind for kind, _name in found]
    assert kinds.count("ServiceTemplate") == len(line.service_templates)
    assert (("crd", "kof.k0rdent.mirantis.com/PromxyServerGroup") in found) is (line is KOF_0_0)
    assert ("Namespace", "kof") in found
    assert kinds.count("MultiClusterService") == (0 if line is KOF_0_0 else 2)
