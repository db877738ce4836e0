"""The inventory of a live management cluster: what is found in ClusterDeployments, and that it renders them again."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleParserError
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import inventory_loader
from ansible.template import Templar, trust_as_template

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection, connect
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import live as live_fleet
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.live import FoundCluster, found_clusters
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests import cluster_deployment
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import parse_child, parse_regional
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import RELEASES
from forked import SHARED as FORKS
from sandbox.fixtures import ControlPlane

RELEASE = RELEASES["0.1.1"]
REPOSITORY = pathlib.Path(__file__).parents[4]
TEMPLATE = "{{ 1+1 }}"
SHARED = {"kof_version": "0.1.1", "kof_fleet": "prod", "kof_namespace": "observability", "kof_kcm_namespace": "fleet-a"}
MINIMAL = {"regional_domain": "eu1.example.com", "regional_admin_email": "a@example.com"}
REGIONALS: dict[str, dict[str, Any]] = {
    "eu1": {**MINIMAL, "regional_config": {"region": "eu-west-1", "description": TEMPLATE}},
    "us1": {
        "regional_domain": "us1.example.com",
        "regional_admin_email": "b@example.com",
        "regional_template": "azure-standalone-cp-0-1-0",
        "regional_credential": "azure",
        "regional_config": {"location": "westus", "workersNumber": 3, "clusterLabels": {"a": "b"}},
        "regional_cluster_labels": {"team": "x"},
        "regional_labels": {"example.com/tier": "gold"},
        "regional_external_dns": "node",
        "regional_storage_class": "fast",
        "regional_retention": "30d",
        "regional_logs_storage_size": "50Gi",
        "regional_vmuser_secret": "own-credentials",
        "regional_service_priority": 7,
        "regional_propagate_credentials": False,
        "regional_service_templates": {"cert-manager": "cert-manager-9"},
        "regional_service_values": {
            "kof-storage": {"external-dns": {"note": TEMPLATE, "one": 1}, "promxy": {"enabled": True}}
        },
        "regional_disabled_services": ["ingress-nginx"],
        "regional_extra_services": [
            {
                "name": "dex",
                "template": "dex-1",
                "values": {"a": [1, None]},
                "valuesFrom": [{"kind": "Secret", "name": "s"}],
            }
        ],
    },
}
CHILDREN: dict[str, dict[str, Any]] = {
    "eu1-child1": {"child_regional": "eu1", "child_config": {"region": "eu-west-1"}, "child_opencost": False},
    "us1-child1": {
        "child_regional": "us1",
        "child_service_values": {
            "kof-collectors": {"global": {"clusterName": "another"}},
            "kof-operators": {"opentelemetry-operator": None},
        },
    },
}


def rendered(shared: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The ClusterDeployments of the fleet above, by name."""
    made = {}
    for name, variables in REGIONALS.items():
        regional, faults = parse_regional(name, {**shared, **variables})
        assert regional, faults
        template = regional.template or "aws-standalone-cp-0-0-5"
        made[name] = cluster_deployment.regional(regional, release=RELEASE, kcm_version="v1alpha1", template=template)
    for name, variables in CHILDREN.items():
        child, faults = parse_child(name, {**shared, **variables})
        assert child, faults
        made[name] = cluster_deployment.child(
            child,
            release=RELEASE,
            kcm_version="v1alpha1",
            template="aws-standalone-cp-0-0-5",
            regional_domain=REGIONALS[child.regional]["regional_domain"],
        )
    return made


def by_name(items: Any) -> dict[str, FoundCluster]:
    return {cluster.name: cluster for cluster in found_clusters(items, RELEASE)}


def test_variables_come_back() -> None:
    found = by_name(rendered(SHARED).values())
    assert {name: cluster.layer for name, cluster in found.items()} == {
        **dict.fromkeys(REGIONALS, "regional"),
        **dict.fromkeys(CHILDREN, "child"),
    }
    wanted = {
        **REGIONALS["us1"],
        "regional_config": {"location": "westus", "workersNumber": 3},
        "regional_cluster_labels": {"a": "b", "team": "x"},
        "regional_external_dns_owner": "prod-us1",
    }
    wanted["regional_extra_services"] = [{**wanted["regional_extra_services"][0], "namespace": "dex"}]
    state = {"cluster_conditions": {}, "cluster_deleting": False, "cluster_ready": False}
    assert found["us1"].variables == {**wanted, **state}
    assert "regional_cluster_labels" not in found["eu1"].variables
    assert found["eu1-child1"].variables["child_regional"] == "eu1"
    assert found["us1-child1"].variables["child_service_values"] == CHILDREN["us1-child1"]["child_service_values"]
    assert {(cluster.fleet, cluster.namespace) for cluster in found.values()} == {("prod", "observability")}
    assert not any(cluster.left_out for cluster in found.values())


def owned(item: dict[str, Any], manager: str, fields: dict[str, Any], operation: str = "Update") -> None:
    """Have managedFields say so: `fields` as a FieldsV1."""
    entry = {"manager": manager, "operation": operation, "fieldsType": "FieldsV1", "fieldsV1": fields}
    item["metadata"].setdefault("managedFields", []).append(entry)


KCM = "k0rdent.mirantis.com/component"


def ours_with_strangers() -> dict[str, Any]:
    """us1 as it is on a management cluster: applied by us, and kcm, Helm, an autoscaler and people were at it."""
    item = rendered(SHARED)["us1"]
    labels = {f"f:{key}": {} for key in item["metadata"]["labels"]}
    config = {f"f:{key}": {} for key in item["spec"]["config"]}
    spec = {**{f"f:{key}": {} for key in item["spec"] if key != "config"}, "f:config": config}
    owned(item, "k0rdent.kof", {"f:metadata": {"f:labels": labels}, "f:spec": spec}, "Apply")
    item["metadata"]["labels"] |= {KCM: "kcm", "helm.sh/chart": "x", "controller.example.com/seen": "1", "owner": "me"}
    theirs = {f"f:{KCM}": {}, "f:helm.sh/chart": {}, "f:controller.example.com/seen": {}}
    item["spec"]["config"]["autoscaled"] = 7
    owned(item, "manager", {"f:metadata": {"f:labels": theirs}, "f:spec": {"f:config": {"f:autoscaled": {}}}})
    owned(item, "kubectl-label", {"f:metadata": {"f:labels": {"f:owner": {}}}})
    return item


def test_what_others_own_is_no_variable() -> None:
    """The same variables with kcm's label, a controller's field and a person's label as without."""
    bare = by_name([rendered(SHARED)["us1"]])["us1"]
    assert by_name([ours_with_strangers()])["us1"] == bare


def test_an_edit_of_what_we_author_is_how_the_cluster_is() -> None:
    item = ours_with_strangers()
    item["spec"]["config"]["workersNumber"] = 5
    del item["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:config"]["f:workersNumber"]
    owned(item, "kubectl-edit", {"f:spec": {"f:config": {"f:workersNumber": {}}}})
    assert by_name([item])["us1"].variables["regional_config"] == {"location": "westus", "workersNumber": 5}


def test_of_a_hand_made_cluster_peoples_labels_are_variables_and_controllers_are_not() -> None:
    item = guide_made("r", "storage", "kof-storage", "")
    item["metadata"]["labels"] |= {KCM: "kcm", "team": "x", "controller.example.com/seen": "1"}
    item["spec"]["config"] = {"region": "a", "autoscaled": 7}
    labels = {"f:kof": {}, "f:team": {}, f"f:{KCM}": {}}  # an exported manifest, applied again
    spec = {**{f"f:{key}": {} for key in item["spec"] if key != "config"}, "f:config": {"f:region": {}}}
    owned(item, "kubectl-client-side-apply", {"f:metadata": {"f:labels": labels}, "f:spec": spec})
    theirs = {"f:metadata": {"f:labels": {"f:controller.example.com/seen": {}}}}
    owned(item, "manager", {**theirs, "f:spec": {"f:config": {"f:autoscaled": {}}}})
    variables = by_name([item])["r"].variables
    assert variables["regional_labels"] == {"team": "x"}
    assert variables["regional_config"] == {"region": "a"}


def test_a_cluster_by_gitops_or_of_unknown_owners_is_taken_as_it_is() -> None:
    """Labels that the model would refuse, or that are never a wish, are left out all the same."""
    known = {KCM: "kcm", "app.kubernetes.io/managed-by": "Helm", "kustomize.toolkit.fluxcd.io/name": "fleet"}
    for manager in ("", "kustomize-controller"):
        item = guide_made("r", "storage", "kof-storage", "")
        item["spec"]["config"] = {"region": "a"}
        item["metadata"]["labels"] |= {**known, "team": "x"}
        if manager:
            labels = {f"f:{key}": {} for key in item["metadata"]["labels"]}
            spec = {f"f:{key}": {} for key in item["spec"]}
            owned(item, manager, {"f:metadata": {"f:labels": labels}, "f:spec": spec}, "Apply")
            owned(item, "kubectl-label", {"f:metadata": {"f:labels": {"f:team": {}}}})
        variables = by_name([item])["r"].variables
        assert variables["regional_labels"] == {"team": "x"}
        assert variables["regional_config"] == {"region": "a"}
        assert parse_regional("r", {**SHARED, **MINIMAL, "regional_labels": variables["regional_labels"]})[0]


def test_what_no_variable_can_say_is_told() -> None:
    item = rendered(SHARED)["eu1"]
    item["spec"] |= {"dryRun": True, "propagateCredentials": True}
    item["spec"]["serviceSpec"] |= {"stopOnConflict": False, "syncMode": "OneTime"}
    item["spec"]["serviceSpec"]["services"][0]["dependsOn"] = [{"name": "x"}]
    assert by_name([item])["eu1"].left_out == [
        "spec.dryRun",
        "spec.serviceSpec.syncMode",
        "dependsOn of service ingress-nginx",
    ]


@pytest.mark.parametrize(("ours", "theirs"), [(True, 1), (1, True), (0, False), (1, 1.0)])
def test_a_number_is_no_boolean(ours: Any, theirs: Any) -> None:
    """YAML and Helm tell them apart, Python's == doesn't: what differs from our value is a service value."""
    assert live_fleet._beyond({"a": {"enabled": theirs}}, {"a": {"enabled": ours}}) == {"a": {"enabled": theirs}}
    item = rendered(SHARED)["eu1"]
    service = item["spec"]["serviceSpec"]["services"][-1]
    values = yaml.safe_load(service["values"])
    values["victoria-logs-single"]["server"]["persistentVolume"]["enabled"] = 1
    service["values"] = yaml.safe_dump(values)
    found = by_name([item])["eu1"].variables["regional_service_values"]
    enabled = found["kof-storage"]["victoria-logs-single"]["server"]["persistentVolume"]["enabled"]
    assert enabled == 1
    assert enabled is not True


def test_state() -> None:
    item = rendered(SHARED)["eu1"]
    item["metadata"]["generation"] = 3
    ready = {"type": "Ready", "status": "True", "reason": "Succeeded", "message": "ok", "lastTransitionTime": "x"}
    item["status"] = {"observedGeneration": 3, "conditions": [ready]}
    variables = by_name([item])["eu1"].variables
    assert variables["cluster_ready"] is True
    assert variables["cluster_conditions"] == {"Ready": {"status": "True", "reason": "Succeeded", "message": "ok"}}
    item["status"]["observedGeneration"] = 2  # what is ready is yesterday's
    assert by_name([item])["eu1"].variables["cluster_ready"] is False


def guide_made(name: str, label: str, service: str, values: str) -> dict[str, Any]:
    service_of = {"name": service, "namespace": "kof", "template": f"{service}-0-1-1", "values": values}
    return {
        "metadata": {"name": name, "labels": {"kof": label}},
        "spec": {"template": "aws", "credential": "c", "serviceSpec": {"services": [service_of] if service else []}},
    }


def test_a_fleet_made_by_hand() -> None:
    storage = yaml.safe_dump({"victoriametrics": {"vmauth": {"ingress": {"host": "vmauth.r.example.com"}}}})
    endpoint = yaml.safe_dump({"kof": {"metrics": {"endpoint": "https://vmauth.r.example.com/x"}}})
    found = by_name(
        [
            guide_made("r", "storage", "kof-storage", storage),
            guide_made("c", "collector", "kof-collectors", endpoint),
            guide_made("bare", "collector", "", ""),
            guide_made("other", "none", "prometheus", ""),
        ]
    )
    assert {name: (each.layer, each.fleet) for name, each in found.items()} == {
        "bare": ("child", None),
        "c": ("child", None),
        "r": ("regional", None),
    }
    assert found["r"].variables["regional_domain"] == "r.example.com"
    assert found["c"].variables["child_regional"] == "r"
    assert "child_regional" not in found["bare"].variables


def test_what_no_chart_reads_is_named_and_makes_no_values_that_the_role_would_refuse() -> None:
    said = {
        "victoriametrics": {
            "security": {"credentials_secret_name": "storage-vmuser-credentials"},
            "vmauth": {"ingress": {"host": "vmauth.r.example.com"}},
        },
        "cert-manager": {"email": "somebody-else@example.com"},
        "external-dns": {"policy": "sync"},
    }
    item = guide_made("r", "storage", "kof-storage", yaml.safe_dump(said))
    (cluster,) = found_clusters([item], RELEASE)
    assert [each for each in cluster.left_out if "doesn't read" in each] == [
        "victoriametrics.security of service kof-storage, which its chart doesn't read"
    ]
    assert cluster.variables["regional_admin_email"] == "somebody-else@example.com"
    assert cluster.variables["regional_service_values"] == {"kof-storage": {"external-dns": {"policy": "sync"}}}
    item["spec"]["serviceSpec"]["services"][0]["template"] = "patched"
    (cluster,) = found_clusters([item], RELEASE)
    assert "security" in cluster.variables["regional_service_values"]["kof-storage"]["victoriametrics"]


@pytest.mark.parametrize("values", ["cluster: {{ .Cluster.metadata.name }}", 'a: "{{ .x }}"', "a: [", "- a", "null: b"])
def test_values_no_variable_can_say_are_named(values: str) -> None:
    cluster = by_name([guide_made("c", "collector", "kof-collectors", values)])["c"]
    assert cluster.left_out == ["the values of service kof-collectors, a template or no YAML map"]
    assert "child_service_values" not in cluster.variables


def test_values_are_read_as_helm_reads_them() -> None:
    inside = "1: b, day: 2025-01-02, enum: [=, '1:30', 0o7], base: &x {on: 1}, merged: {<<: *x, b: 2}"
    written = f"opencost: {{{inside}}}\n"
    cluster = by_name([guide_made("c", "collector", "kof-collectors", written)])["c"]
    base = {"true": 1}
    expected = {"1": "b", "day": "2025-01-02", "enum": ["=", "1:30", 7], "base": base, "merged": {**base, "b": 2}}
    assert cluster.variables["child_service_values"]["kof-collectors"] == {"opencost": expected}
    assert not cluster.left_out


# -- the plugin, against a real API server


@pytest.fixture(scope="module")
def live(control_plane: ControlPlane) -> Iterator[Connection]:
    """A connection to a control plane with the fleet above in its own namespace, and another fleet's cluster."""
    objects = rendered(SHARED)
    stranger, _faults = parse_regional(
        "stranger", {**SHARED, **MINIMAL, "regional_domain": "s.example.com", "kof_fleet": "other"}
    )
    assert stranger
    objects["stranger"] = cluster_deployment.regional(
        stranger, release=RELEASE, kcm_version="v1alpha1", template="aws-standalone-cp-0-0-5"
    )
    objects["stranger"]["spec"]["config"]["clusterLabels"]["note"] = TEMPLATE  # kubectl edit can do it
    with connect({"kubeconfig": str(control_plane.kubeconfig)}) as connection:
        namespace = SHARED["kof_kcm_namespace"]
        connection.request("POST", "/api/v1/namespaces", body={"metadata": {"name": namespace}})
        path = connection.path("k0rdent.mirantis.com/v1alpha1", "ClusterDeployment", namespace)
        for item in objects.values():
            connection.request("POST", path, body=item)
        yield connection
        connection.request("DELETE", path)  # no controller here takes a namespace's objects away with it
        connection.request("DELETE", f"/api/v1/namespaces/{namespace}")


def config(folder: pathlib.Path, kubeconfig: pathlib.Path | str, **options: Any) -> pathlib.Path:
    file = folder / "fleet.kof.yml"
    where = {"kubeconfig": str(kubeconfig)} if kubeconfig else {}
    text = {"plugin": "k0rdent.kof.clusters", **where, "namespace": "fleet-a", **options}
    file.write_text(yaml.safe_dump(text))
    return file


def inventory(file: pathlib.Path, cache: bool = True, data: InventoryData | None = None) -> InventoryData:
    data = data or InventoryData()
    plugin = inventory_loader.get("k0rdent.kof.clusters")
    assert plugin.verify_file(str(file))
    plugin.parse(data, DataLoader(), str(file), cache=cache)
    if plugin.get_option("cache"):
        plugin.update_cache_if_changed()
    return data


def hosts(data: InventoryData, group: str) -> list[str]:
    return sorted(host.name for host in data.groups[group].get_hosts())


def test_a_cluster_s_release_is_that_of_its_own_service_s_template() -> None:
    items = rendered(SHARED)
    assert {cluster.version for cluster in by_name(items.values()).values()} == {"0.1.1"}
    for service in items["us1"]["spec"]["serviceSpec"]["services"]:
        if service["name"] == "kof-storage":
            service["template"] = "kof-storage-of-ours"
    versions = {name: cluster.version for name, cluster in by_name(items.values()).items()}
    assert (versions["us1"], versions["eu1"]) == (None, "0.1.1")


def test_groups_and_composed_variables(live: Connection, control_plane: ControlPlane, tmp_path: pathlib.Path) -> None:
    data = inventory(
        config(
            tmp_path,
            control_plane.kubeconfig,
            fleet="prod",
            strict=False,
            name="hub",
            groups={"late": "not cluster_ready | default(true)"},
            compose={"note": "regional_config.description", "wait": "1 + 1"},
            keyed_groups=[{"key": "regional_config.region", "prefix": "region"}],
        )
    )
    assert hosts(data, "kof_mothership") == ["hub"]
    assert hosts(data, "kof_regional") == ["eu1", "us1"]
    assert hosts(data, "kof_child") == ["eu1-child1", "us1-child1"]
    assert hosts(data, "late") == ["eu1", "eu1-child1", "us1", "us1-child1"]
    assert hosts(data, "region_eu_west_1") == ["eu1"]
    eu1 = data.hosts["eu1"].vars
    assert (eu1["note"], eu1["wait"]) == (TEMPLATE, 2)
    shared = data.groups["kof_child"].vars
    assert shared == {**SHARED, "kof_kubeconfig": str(control_plane.kubeconfig)}


def test_a_cluster_that_a_source_before_has_by_another_name_is_that_host(
    live: Connection, control_plane: ControlPlane, tmp_path: pathlib.Path
) -> None:
    """hosts.yml first, as docs/uninstall.md has it."""
    before = InventoryData()
    said = {
        "kof_mothership": {"management": {}},
        "kof_regional": {"europe": {"regional_cluster_name": "eu1", "team": "red"}, "us1": {}},
        "kof_child": {"shop": {"child_cluster_name": "eu1-child1"}, "odd": {"child_cluster_name": 7}},
    }
    for group, hosts_of in said.items():
        before.add_group(group)
        for host, variables in hosts_of.items():
            before.add_host(host, group=group)
            for name, value in variables.items():
                before.set_variable(host, name, value)
    file = config(tmp_path, control_plane.kubeconfig, namespace="fleet-a", fleet="prod")
    data = inventory(file, data=before)
    assert hosts(data, "kof_mothership") == ["management"]
    assert hosts(data, "kof_regional") == ["europe", "us1"]
    assert hosts(data, "kof_child") == ["odd", "shop", "us1-child1"]
    assert data.hosts["europe"].vars["team"] == "red"
    assert data.hosts["europe"].vars["regional_domain"] == "eu1.example.com"
    assert data.hosts["shop"].vars["child_regional"] == "europe"


def test_without_fleet_all_are_found(live: Connection, control_plane: ControlPlane, tmp_path: pathlib.Path) -> None:
    data = inventory(config(tmp_path, control_plane.kubeconfig))
    assert hosts(data, "kof_regional") == ["eu1", "stranger", "us1"]
    # Two fleets: each host says which is its own.
    assert "kof_fleet" not in data.groups["kof_regional"].vars
    assert [data.hosts[name].vars["kof_fleet"] for name in ("eu1", "stranger")] == ["prod", "other"]


def test_strings_of_the_cluster_are_no_templates(
    live: Connection, control_plane: ControlPlane, tmp_path: pathlib.Path
) -> None:
    data = inventory(config(tmp_path, control_plane.kubeconfig, compose={"again": "regional_cluster_labels.note"}))
    variables = data.hosts["stranger"].vars
    templar = Templar(DataLoader(), variables=variables)
    assert templar.template(variables)["regional_cluster_labels"] == {"note": TEMPLATE}
    assert templar.template(variables["again"]) == TEMPLATE
    assert templar.template(trust_as_template(TEMPLATE)) == 2  # it would have been one


def test_cache(live: Connection, control_plane: ControlPlane, tmp_path: pathlib.Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    shutil.copy(control_plane.kubeconfig, kubeconfig)
    file = config(
        tmp_path,
        kubeconfig,
        cache=True,
        cache_plugin="ansible.builtin.jsonfile",
        cache_connection=str(tmp_path / "cache"),
    )
    first = inventory(file)
    kubeconfig.unlink()
    again = inventory(file)
    assert {name: host.vars for name, host in again.hosts.items()} == {n: host.vars for n, host in first.hosts.items()}
    with pytest.raises(AnsibleParserError, match="kubeconfig"):  # refreshing asks the server
        inventory(file, cache=False)


def test_no_management_cluster(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Connection, "api_groups", lambda *_args: None)
    with pytest.raises(AnsibleParserError, match=r"http://127.0.0.1:9 serves no k0rdent.mirantis.com API"):
        inventory(config(tmp_path, "", host="http://127.0.0.1:9"))


def test_secrets_of_the_file_are_not_handed_on(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory_loader.get("k0rdent.kof.clusters").__class__, "_ask", lambda *_args: [])
    file = config(tmp_path, "", host="https://127.0.0.1:9", api_key="t0ken", password="s3cret", validate_certs=False)
    text = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump({**text, "kubeconfig": {"users": ["s3cret"]}}))
    shared = inventory(file).groups["kof_mothership"].vars
    assert shared == {"kof_host": "https://127.0.0.1:9", "kof_validate_certs": False, "kof_kcm_namespace": "fleet-a"}


def test_unreachable(tmp_path: pathlib.Path) -> None:
    with pytest.raises(AnsibleParserError, match=r"127.0.0.1:9"):
        inventory(config(tmp_path, "", host="http://127.0.0.1:9"))


def test_a_host_named_as_the_mothership(live: Connection, control_plane: ControlPlane, tmp_path: pathlib.Path) -> None:
    with pytest.raises(AnsibleParserError, match="set option name"):
        inventory(config(tmp_path, control_plane.kubeconfig, name="eu1"))


def test_renders_the_same_again(live: Connection, control_plane: ControlPlane, tmp_path: pathlib.Path) -> None:
    """The whole way: ansible-playbook with this inventory writes the ClusterDeployments that it was read from."""
    file = config(tmp_path, control_plane.kubeconfig, fleet="prod")
    folder = tmp_path / "rendered"
    settings = {"ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
    extra = json.dumps({"render_folder": str(folder)})
    arguments = ["playbooks/render.yml", "-i", str(file), "-e", extra]
    code, told = FORKS.run(arguments, os.environ | settings, timeout=900)
    assert code == 0, told
    written = {}
    for each in folder.rglob("*.y*ml"):
        for item in yaml.safe_load_all(each.read_text()):
            if isinstance(item, dict) and item.get("kind") == "ClusterDeployment":
                written[item["metadata"]["name"]] = item
    assert written == rendered(SHARED)
