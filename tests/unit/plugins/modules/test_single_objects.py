"""The modules for one object, on a real API server, and their documentation against their arguments."""

from __future__ import annotations

import importlib
import json
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args

from ansible_collections.k0rdent.kof.plugins.doc_fragments import connection as connection_fragment
from ansible_collections.k0rdent.kof.plugins.doc_fragments import reconcile as reconcile_fragment
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import prune
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Policy
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import CONNECTION_OPTIONS, connect
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.reconcile import reconcile
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import RELEASES
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.single_object import RECONCILE_OPTIONS

NAMESPACE = "single-objects"
GROUP = {"kof_version": "0.1.1", "cluster_name": "r1", "targets": ["vmauth.r1.example.com:443"], "namespace": NAMESPACE}
DATASOURCE = {
    "kof_version": "0.1.1",
    "name": "r1-logs",
    "datasource_name": "r1",
    "url": "https://x.example.com/vls",
    "namespace": NAMESPACE,
}
CASES = [("promxy_server_group", GROUP, "r1-metrics"), ("grafana_datasource", DATASOURCE, "r1-logs")]


def module(name: str) -> Any:
    return importlib.import_module(f"ansible_collections.k0rdent.kof.plugins.modules.{name}")


@pytest.fixture
def run(control_plane, capsys):
    """Run a module with arguments; its result."""
    with connect({"kubeconfig": str(control_plane.admin)}) as connection:
        connection.request(
            "PATCH",
            f"/api/v1/namespaces/{NAMESPACE}",
            query={"fieldManager": "test"},
            body={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
            content_type="application/apply-patch+yaml",
        )

    def call(name: str, arguments: dict[str, Any], *, check: bool = False) -> dict[str, Any]:
        given = {"kubeconfig": str(control_plane.kubeconfig), **arguments}
        with (
            patch_module_args({**given, "_ansible_check_mode": check, "_ansible_diff": True}),
            pytest.raises(SystemExit),
        ):
            module(name).main()
        return json.loads(capsys.readouterr().out)

    return call


@pytest.mark.parametrize(("name", "arguments", "object_name"), CASES)
@pytest.mark.parametrize("check", [True, False])
def test_another_fleet_s_object_is_neither_written_nor_deleted(run, name, arguments, object_name, check):
    mine = {**arguments, "fleet": "mine"}
    run(name, mine)
    for state in ("present", "absent"):
        refused = run(name, {**arguments, "fleet": "yours", "state": state}, check=check)
        assert refused["failed"]
        assert f"{NAMESPACE}/{object_name}: belongs to fleet mine" in refused["msg"]
    assert run(name, mine)["action"] == "unchanged"
    taken = run(name, {**arguments, "fleet": "yours", "take_over_fleet": ["mine"]})
    assert taken["action"] == "updated"
    assert run(name, {**arguments, "fleet": "yours", "state": "absent"})["action"] == "deleted"


@pytest.mark.parametrize(("name", "arguments", "object_name"), CASES)
def test_present_twice_changed_absent_twice(run, name, arguments, object_name):
    run(name, {**arguments, "state": "absent"})
    predicted = run(name, arguments, check=True)
    created = run(name, arguments)
    for result in (predicted, created):
        assert (result["changed"], result["action"]) == (True, "created")
        assert result["object"].endswith(f"{NAMESPACE}/{object_name}")
        assert "spec." in result["diff"][0]["after"]
    again = run(name, arguments)
    assert (again["changed"], again["action"], again["diff"]) == (False, "unchanged", [])
    field = "scheme" if name == "promxy_server_group" else "resync_period"
    changed = run(name, {**arguments, field: {"scheme": "http"}.get(field, "1m")})
    assert changed["action"] == "updated"
    assert len(changed["fields"]) == 1
    assert run(name, {**arguments, "state": "absent"}, check=True)["action"] == "deleted"
    assert run(name, {**arguments, "state": "absent"})["changed"]
    assert run(name, {**arguments, "state": "absent"})["action"] == "absent"


@pytest.mark.parametrize(("name", "arguments", "object_name"), CASES)
def test_what_was_made_for_a_cluster_of_no_inventory_is_no_leftover_of_one(
    run, control_plane, name, arguments, object_name
):
    """Under the name that a run would give it; a run that makes the same object has it for its own."""
    release, kind = RELEASES["0.1.1"], {"promxy_server_group": "PromxyServerGroup"}.get(name, "GrafanaDatasource")
    run(name, arguments)
    api = release.promxy.api_version if kind == "PromxyServerGroup" else release.grafana.api_version
    with connect({"kubeconfig": str(control_plane.admin)}) as connection:

        def left() -> list[str]:
            path = connection.path(api, kind, NAMESPACE, object_name)
            there = {"apiVersion": api, "kind": kind, **connection.request("GET", path)}
            return [each.name for each in prune.found([], [], [there], release, "kof", set())]

        assert left() == []
        again = run(name, arguments)
        assert (again["action"], left()) == ("unchanged", [])
        live = connection.request("GET", connection.path(api, kind, NAMESPACE, object_name))
        wanted = {"apiVersion": api, "kind": kind, "spec": live["spec"]}
        wanted["metadata"] = {
            "name": object_name, "namespace": NAMESPACE, "labels": live["metadata"]["labels"],
        }  # fmt: skip
        (outcome,) = reconcile(connection, [wanted], policy=Policy(), check_mode=False)
        assert (outcome.action, left()) == ("updated", ["r1"])
    assert run(name, {**arguments, "state": "absent"})["action"] == "deleted"


@pytest.mark.parametrize(
    ("name", "arguments", "text"),
    [
        ("promxy_server_group", {**GROUP, "cluster_name": 'r"1', "name": "x"}, "double quote"),
        ("promxy_server_group", {**GROUP, "dial_timeout": "5"}, "duration"),
        ("promxy_server_group", {**GROUP, "name": "Not_A_Name"}, "name"),
        ("promxy_server_group", {**GROUP, "kof_version": "9.9"}, "known are 0.0.x, 0.1.1"),
        ("promxy_server_group", {"kof_version": "0.1.1", "cluster_name": "x"}, "targets"),
        ("promxy_server_group", {**GROUP, "namespace": "not-there"}, 'namespaces "not-there" not found'),
        ("promxy_server_group", {**GROUP, "kubeconfig": "/nowhere"}, "there is no kubeconfig"),
        ("grafana_datasource", {**DATASOURCE, "resync_period": "5"}, "duration"),
        ("grafana_datasource", {**DATASOURCE, "url": "x.example.com"}, "https://"),
    ],
)
def test_bad_input_is_refused_with_one_message(run, name, arguments, text):
    result = run(name, arguments)
    assert result["failed"]
    assert text in result["msg"]
    assert "Traceback" not in str(result)


@pytest.mark.parametrize("name", ["promxy_server_group", "grafana_datasource"])
def test_the_documentation_is_the_argument_spec(name):
    options = yaml.safe_load(module(name).DOCUMENTATION)["options"]
    assert_same(options, module(name).ARGUMENTS)


def test_the_fragments_are_the_shared_argument_specs():
    for fragment, spec in (
        (connection_fragment, CONNECTION_OPTIONS),
        (reconcile_fragment, RECONCILE_OPTIONS),
    ):
        assert_same(yaml.safe_load(fragment.ModuleDocFragment.DOCUMENTATION)["options"], spec)


def assert_same(documented: Any, spec: Any) -> None:
    assert set(documented) == set(spec)
    for name, option in spec.items():
        for field in ("type", "default", "choices", "elements", "aliases", "required"):
            assert documented[name].get(field) == option.get(field), f"{name}.{field}"
        if "options" in option:
            assert_same(documented[name]["suboptions"], option["options"])
