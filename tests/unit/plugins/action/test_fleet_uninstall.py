"""fleet_uninstall in a play, on an API server without controllers: what can't be seen is never taken for gone, and what
isn't proven to be ours stays. A whole life is tests/acceptance/test_leave_uninstall.py's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from unit.plugins.action.test_fleet_prune import result
from unit.unconvertible import unconvertible

EVERYBODY = "kof_mothership:kof_regional:kof_child"
CONFIRMED = ("-v", "-e", "kof_uninstall_confirm=actions")
KINDS = "clusterdeployments,promxyservergroups,grafanadatasources,configmaps"
GROUPS = "promxyservergroups.kof.k0rdent.mirantis.com"


def step(name: str) -> dict[str, Any]:
    return {"name": name, "k0rdent.kof.fleet_uninstall": {"step": name}}


def made(control_plane: Any, manifest: dict[str, Any]) -> dict[str, Any]:
    return dict(json.loads(control_plane.kubectl("create", "-f", "-", "-o", "json", stdin=json.dumps(manifest))))


def there(control_plane: Any, *kinds: str) -> set[str]:
    found = json.loads(control_plane.kubectl("get", ",".join(kinds), "-n", "kof", "-o", "json"))["items"]
    return {each["metadata"]["name"] for each in found} - {"kube-root-ca.crt"}


@pytest.fixture(autouse=True)
def fleet(control_plane: Any, play: Any) -> Iterator[None]:
    """Regions' places in promxy and Grafana, whose clusters are gone."""
    for name in ("kof", "kcm-system"):
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        control_plane.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
    run = play("kof_regional", {"k0rdent.kof.fleet_apply": {"layer": "regional"}})
    assert run.returncode == 0, run.stdout
    control_plane.kubectl("delete", "clusterdeployments", "--all", "-n", "kcm-system")
    yield
    control_plane.kubectl("delete", KINDS, "--all", "-n", "kof")


def test_a_kind_that_cant_be_listed_is_named_at_each_step_and_nothing_of_it_goes(control_plane: Any, play: Any) -> None:
    """The webhook that converts it is away. What else was done, and what is left, is told."""
    before = there(control_plane, "promxyservergroups", "grafanadatasources")
    spec = json.loads(control_plane.kubectl("get", "promxyservergroup", "eu1-metrics", "-n", "kof", "-o", "json"))[
        "spec"
    ]
    theirs = {
        "apiVersion": "kof.k0rdent.mirantis.com/v1alpha1", "kind": "PromxyServerGroup", "spec": spec,
        "metadata": {"name": "theirs", "namespace": "kof"},
    }  # fmt: skip
    with unconvertible(control_plane.admin, GROUPS, theirs):
        runs = {name: play(EVERYBODY, step(name), *CONFIRMED) for name in ("look", "objects", "rest")}
    told = "PromxyServerGroup (kof.k0rdent.mirantis.com/v1alpha1) in namespace kof: can't be listed"
    for name in ("look", "objects"):
        assert runs[name].returncode != 0, runs[name].stdout
        assert told in result(runs[name])["msg"]
        assert "conversion webhook" in result(runs[name])["msg"]
    assert "Nothing was changed." in result(runs["look"])["msg"]
    assert result(runs["objects"])["go_on"] is False
    # With nothing asked for beside, the last step only tells.
    assert runs["rest"].returncode == 0, runs["rest"].stdout
    (unread,) = result(runs["rest"])["unread"].items()
    assert unread[0].startswith("PromxyServerGroup")
    assert "conversion webhook" in unread[1]
    assert not [name for name, run in runs.items() if "Traceback" in run.stdout]
    assert there(control_plane, "promxyservergroups", "grafanadatasources") == before


def test_in_the_version_in_which_it_is_stored_it_can_be_had(control_plane: Any, play: Any) -> None:
    """Which needs no webhook: what of a kind isn't the charts' is seen there, before its definition may go."""
    group = "operator.victoriametrics.com"
    mine = {
        "apiVersion": f"{group}/v1beta1", "kind": "VMRule", "spec": {"groups": []},
        "metadata": {"name": "theirs", "namespace": "kof"},
    }  # fmt: skip
    with unconvertible(control_plane.admin, f"vmrules.{group}", mine, served=True):
        run = play(EVERYBODY, step("rest"), *CONFIRMED, "-e", "kof_uninstall_also=crds", "--check")
    assert run.returncode != 0
    assert f"vmrules.{group}: has objects: VMRule kof/theirs" in " ".join(result(run)["msg"].split())


def test_what_somebody_elses_object_owns_keeps_the_namespace(control_plane: Any, play: Any) -> None:
    """Of two ConfigMaps of an owner each, ours and a stranger's that is in no namespace."""
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "theirs"}}
    ours = json.loads(control_plane.kubectl("get", "promxyservergroup", "eu1-metrics", "-n", "kof", "-o", "json"))
    try:
        for name, owner in (("by-theirs", made(control_plane, {**role, "rules": []})), ("by-ours", ours)):
            by = {key: owner[key] for key in ("apiVersion", "kind")}
            by |= {key: owner["metadata"][key] for key in ("name", "uid")}
            about = {"name": name, "namespace": "kof", "ownerReferences": [by]}
            made(control_plane, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about})
        run = play(EVERYBODY, step("look"), *CONFIRMED, "-e", "kof_uninstall_also=namespace")
    finally:
        control_plane.kubectl("delete", "clusterrole", "theirs")
    assert run.returncode != 0, run.stdout
    assert "ConfigMap kof/by-theirs (of ClusterRole theirs)" in result(run)["msg"]
    assert "by-ours" not in result(run)["msg"]


def test_what_reads_from_clusters_that_are_gone_goes(control_plane: Any, play: Any) -> None:
    run = play(EVERYBODY, step("objects"), *CONFIRMED)
    assert run.returncode == 0, run.stdout
    assert there(control_plane, "promxyservergroups", "grafanadatasources") == set()
    assert result(run)["counts"]["deleted"] == 4
