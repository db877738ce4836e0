"""manifests/: what variables change in the objects beyond the guide's example, and that what is accepted comes back."""

from __future__ import annotations

import base64
import copy
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.k0rdent.kof.plugins.module_utils.dns.aws.secret import external_dns_secret
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.blueprint import Given
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.parts import objects
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests import (
    alerts,
    cluster_deployment,
    common,
    mothership_values,
    promxy_config,
    promxy_server_group,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.dns_records import NoAddress, dns_records
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.namespace import namespace
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.service_values import merged
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import (
    Mothership,
    Regional,
    parse_child,
    parse_mothership,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import parse_regional as parse
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import RELEASES

RELEASE = RELEASES["0.1.1"]
LABEL = "k0rdent.mirantis.com/kof-aws-dns-secrets"


def regional(host: str = "eu1", **variables: Any) -> Regional:
    base = {"kof_version": "0.1.1", "regional_domain": f"{host}.example.com", "regional_admin_email": "a@example.com"}
    found, faults = parse(host, {**base, **variables})
    assert found is not None, faults
    return found


def mothership(**variables: Any) -> Mothership:
    found, faults = parse_mothership("mothership", {"kof_version": "0.1.1", **variables})
    assert found is not None, faults
    return found


def deployment(cluster: Regional) -> dict[str, Any]:
    return cluster_deployment.regional(cluster, release=RELEASE, kcm_version="v1alpha1", template="t")


def services(cluster: Regional) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in deployment(cluster)["spec"]["serviceSpec"]["services"]}


def values(cluster: Regional, service: str = "kof-storage") -> dict[str, Any]:
    return yaml.safe_load(services(cluster)[service]["values"])


def test_the_storage_class_is_for_grafana_metrics_and_logs() -> None:
    made = values(regional(regional_storage_class="gp3", regional_logs_storage_size="50Gi"))
    assert made["global"] == {"storageClass": "gp3"}
    assert made["victoria-logs-single"]["server"] == {
        "persistentVolume": {"enabled": True, "size": "50Gi", "storageClassName": "gp3"}
    }


def test_retention_keeps_its_unit() -> None:
    assert values(regional(regional_retention="30d"))["victoriametrics"]["vmcluster"] == {"retentionPeriod": "30d"}
    assert "vmcluster" not in values(regional())["victoriametrics"]


def test_external_dns_with_the_secret() -> None:
    made = regional(regional_external_dns="secret")
    assert values(made)["external-dns"] == {
        "enabled": True,
        "txtOwnerId": "kof-eu1",
        "domainFilters": ["eu1.example.com"],
        "extraArgs": ["--aws-zone-match-parent"],
    }
    assert deployment(made)["spec"]["config"]["clusterLabels"][LABEL] == "true"


def test_external_dns_by_the_nodes_mounts_no_secret_that_is_not_there() -> None:
    made = regional(regional_external_dns="node")
    external = values(made)["external-dns"]
    assert external["enabled"] is True
    assert external["extraVolumes"] == external["extraVolumeMounts"] == []
    assert [entry["name"] for entry in external["env"]] == ["AWS_DEFAULT_REGION"]
    assert LABEL not in deployment(made)["spec"]["config"]["clusterLabels"]


def test_no_external_dns() -> None:
    made = regional(regional_external_dns="none")
    assert values(made)["external-dns"] == {"enabled": False}
    assert LABEL not in deployment(made)["spec"]["config"]["clusterLabels"]


def test_a_user_secret_of_another_name_is_used_where_the_chart_reads_it() -> None:
    made = regional(regional_vmuser_secret="other")
    assert values(made)["victoriametrics"]["vmauth"]["credentials"]["credentials_secret_name"] == "other"
    group = promxy_server_group.of_regional(made, RELEASE)
    assert group["spec"]["http_client"]["basic_auth"]["credentials_secret_name"] == "other"


def test_users_values_are_merged_over_every_services_values() -> None:
    made = regional(
        regional_service_values={
            "ingress-nginx": {"ingress-nginx": {"controller": {"replicaCount": 2}}},
            "cert-manager": {"cert-manager": {"crds": {"keep": True}}},
            "kof-storage": {
                "grafana": {"ingress": {"host": "g.example.com"}},
                "promxy": None,
                "external-dns": {"list": [1]},
            },
        }
    )
    assert values(made, "ingress-nginx") == {"ingress-nginx": {"controller": {"replicaCount": 2}}}
    assert values(made, "cert-manager") == {"cert-manager": {"crds": {"enabled": True, "keep": True}}}
    storage = values(made)
    assert storage["grafana"]["ingress"] == {"host": "g.example.com"}
    assert storage["grafana"]["security"]  # what isn't named stays
    assert storage["promxy"] is None  # Helm: takes the chart's default away
    assert storage["external-dns"]["enabled"]
    assert storage["external-dns"]["list"] == [1]


def test_merging_changes_neither_side() -> None:
    ours, theirs = {"a": {"b": 1, "c": [1]}}, {"a": {"b": None, "d": {"e": 1}}}
    before = copy.deepcopy((ours, theirs))
    assert merged(ours, theirs) == {"a": {"b": None, "c": [1], "d": {"e": 1}}}
    assert (ours, theirs) == before


def test_rendering_changes_no_shared_data() -> None:
    before = copy.deepcopy(RELEASE)
    deployment(regional(regional_service_values={"cert-manager": {"cert-manager": {"crds": {"enabled": False}}}}))
    assert before == RELEASE


def test_extra_services_come_last_with_their_defaults_written_out() -> None:
    made = regional(
        regional_extra_services=[
            {"name": "velero", "template": "velero-8-1-0", "values": {"a": {"b": 1}}, "disable": False},
            {
                "name": "nfs",
                "template": "nfs-4-0-18",
                "namespace": "storage",
                "valuesFrom": [{"kind": "ConfigMap", "name": "nfs"}],
                "disable": True,
            },
        ],
        regional_service_values={"velero": {"a": {"c": 2}}},
    )
    found = services(made)
    assert list(found) == ["ingress-nginx", "cert-manager", "kof-storage", "velero", "nfs"]
    assert found["velero"] == {
        "name": "velero",
        "namespace": "velero",
        "template": "velero-8-1-0",
        "values": "a:\n  b: 1\n  c: 2\n",
    }
    assert found["nfs"] == {
        "name": "nfs",
        "namespace": "storage",
        "template": "nfs-4-0-18",
        "valuesFrom": [{"kind": "ConfigMap", "name": "nfs"}],
        "disable": True,
    }


def test_a_service_that_is_there_already_is_left_out_by_kcm() -> None:
    # kcm wants its template all the same, and to switch it on again changes nothing else.
    made, other = regional(regional_disabled_services=["cert-manager"]), regional()
    found, usual = services(made), services(other)
    assert found.pop("cert-manager") == {**usual.pop("cert-manager"), "disable": True}
    assert found == usual


def test_other_service_templates() -> None:
    found = services(regional(regional_service_templates={"cert-manager": "cert-manager-1-17-0"}))
    assert found["cert-manager"]["template"] == "cert-manager-1-17-0"


def test_labels_of_object_and_cluster() -> None:
    made = deployment(
        regional(
            regional_labels={"team": "a"},
            regional_cluster_labels={"tier": "x"},
            regional_config={"clusterLabels": {"tier": "y", "zone": "z"}},
        )
    )
    assert made["metadata"]["labels"]["team"] == "a"
    assert made["spec"]["config"]["clusterLabels"] == {
        "zone": "z",
        "tier": "x",
        "k0rdent.mirantis.com/kof-storage-secrets": "true",
        LABEL: "true",
    }


def test_credentials_that_are_not_propagated() -> None:
    for switch, there in ((True, False), (False, True)):
        wanted = cluster_deployment.regional(
            regional(regional_propagate_credentials=switch), release=RELEASE, kcm_version="v1alpha1", template="t"
        )
        assert ("propagateCredentials" in wanted["spec"]) is there
        assert wanted["spec"].get("propagateCredentials") is not True


def test_nothing_empty_is_written() -> None:
    def empties(value: Any, path: str = "") -> list[str]:
        if isinstance(value, dict):
            found = [path] if not value else []
            return found + [each for key, item in value.items() for each in empties(item, f"{path}.{key}")]
        if isinstance(value, list):
            found = [path] if not value else []
            return found + [each for index, item in enumerate(value) for each in empties(item, f"{path}[{index}]")]
        return [path] if value is None or value == "" else []

    assert empties(deployment(regional())) == []
    assert empties(promxy_server_group.of_regional(regional(), RELEASE)) == []


def test_another_namespace_is_used_everywhere() -> None:
    cluster = regional(kof_namespace="obs", kof_kcm_namespace="kcm", kof_fleet="f")
    assert services(cluster)["kof-storage"]["namespace"] == "obs"
    assert deployment(cluster)["metadata"]["namespace"] == "kcm"
    group = promxy_server_group.of_regional(cluster, RELEASE)
    assert group["metadata"]["namespace"] == "obs"
    assert group["metadata"]["labels"]["app.kubernetes.io/part-of"] == "f"


def test_a_child_without_opencost() -> None:
    child, faults = parse_child("a", {"kof_version": "0.1.1", "child_regional": "eu1", "child_opencost": False})
    assert child is not None, faults
    made = cluster_deployment.child(child, release=RELEASE, kcm_version="v1alpha1", template="t", regional_domain="d.e")
    collectors = yaml.safe_load(made["spec"]["serviceSpec"]["services"][2]["values"])
    assert collectors["opencost"] == {"enabled": False}
    assert collectors["kof"]["logs"]["endpoint"] == "https://vmauth.d.e/vls/insert/opentelemetry/v1/logs"


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=40) | st.booleans() | st.none(), max_size=5))
def test_whatever_users_values_are_kcm_gets_them_unchanged(theirs: dict[str, Any]) -> None:
    made = regional(regional_service_values={"ingress-nginx": {"ingress-nginx": theirs}})
    text = services(made)["ingress-nginx"]["values"]
    assert "{{" not in text  # kcm runs Go templates over it
    assert yaml.safe_load(text) == {"ingress-nginx": theirs}


def test_braces_of_alert_rules_are_no_templates_of_kcm() -> None:
    rule = "{{ $labels.cluster }} is down"
    text = services(regional(regional_service_values={"kof-storage": {"defaultRules": {"rule": rule}}}))["kof-storage"][
        "values"
    ]
    assert "{{" not in text
    assert yaml.safe_load(text)["defaultRules"] == {"rule": rule}


def test_the_same_values_in_another_order_are_the_same_text() -> None:
    one = regional(
        regional_service_values={
            "kof-storage": {"defaultRules": 1, "promxy": {"enabled": True}, "external-dns": {"c": 1, "d": 2}}
        }
    )
    other = regional(
        regional_service_values={
            "kof-storage": {"external-dns": {"d": 2, "c": 1}, "promxy": {"enabled": True}, "defaultRules": 1}
        }
    )
    assert deployment(one) == deployment(other)


def test_a_mirror_is_for_helm_and_for_kcm() -> None:
    wanted = mothership(kof_chart_repository="oci://127.0.0.1:5000/kof/charts", kof_chart_repository_plain_http=True)
    releases = mothership_values.releases(wanted, RELEASE)
    assert releases[1]["chart_ref"] == "oci://127.0.0.1:5000/kof/charts/kof-mothership"
    assert releases[1]["values"]["kcm"]["kof"]["repo"] == {"url": "oci://127.0.0.1:5000/kof/charts", "insecure": True}


def test_mothership_values_of_the_user_go_over_ours() -> None:
    wanted = mothership(
        mothership_values={"promxy": {"image": {"tag": "v9"}}, "kcm": {"namespace": "x"}},
        mothership_operators_values={"opentelemetry-operator": {"a": 1}},
        mothership_retention="2w",
        mothership_install_templates=False,
        kof_kcm_namespace="kcm",
        mothership_helm_timeout=60,
    )
    operators, charts = mothership_values.releases(wanted, RELEASE)
    assert operators["values"] == {"opentelemetry-operator": {"a": 1}}
    assert charts["values"] == {
        "promxy": {"image": {"tag": "v9"}},
        "kcm": {"installTemplates": False, "namespace": "x"},
        "victoriametrics": {"vmcluster": {"retentionPeriod": "2w"}},
    }
    assert operators["timeout"] == charts["timeout"] == 60


def test_deployments_that_the_values_switch_off_are_not_waited_for() -> None:
    everything = mothership_values.expected_deployments(mothership(), RELEASE)
    assert "kof-mothership-promxy" in everything
    without = mothership_values.expected_deployments(
        mothership(
            mothership_values={"promxy": {"enabled": False}},
            mothership_operators_values={"opentelemetry-operator": {"enabled": False}},
        ),
        RELEASE,
    )
    assert set(everything) - set(without) == {
        "kof-mothership-promxy",
        "kof-mothership-promxy-operator",
        "kof-operators-opentelemetry-operator",
    }


def test_what_people_open_is_told_with_the_names_of_secrets() -> None:
    grafana, promxy, metrics, sveltos, clusters, region = mothership_values.entrances(
        mothership(kof_namespace="obs"), RELEASE
    )
    assert grafana == (
        "Grafana: kubectl port-forward -n obs svc/grafana-vm-service 3000:3000, then http://127.0.0.1:3000; "
        "login: Secret obs/grafana-admin-credentials, keys GF_SECURITY_ADMIN_USER and GF_SECURITY_ADMIN_PASSWORD"
    )
    assert promxy == (
        "promxy: kubectl port-forward -n obs svc/kof-mothership-promxy 8082:8082, then http://127.0.0.1:8082"
    )
    assert metrics.endswith("svc/vmselect-cluster 8481:8481, then http://127.0.0.1:8481/select/0/vmui")
    assert sveltos.endswith("svc/dashboard 8081:80, then http://127.0.0.1:8081/login")
    assert clusters.endswith("svc/capi-visualizer 8083:8081, then http://127.0.0.1:8083")
    assert "https://grafana.<regional_domain>" in region
    assert "Secret obs/grafana-admin-credentials" in region
    without = mothership_values.entrances(mothership(mothership_values={"promxy": {"enabled": False}}), RELEASE)
    assert [line.partition(":")[0] for line in without] == [
        "Grafana",
        "VictoriaMetrics",
        "Sveltos",
        "Cluster API",
        "each region",
    ]


def test_the_namespace_and_the_dns_secret() -> None:
    labels = {"app.kubernetes.io/managed-by": "k0rdent.kof", "app.kubernetes.io/part-of": "f"}
    assert namespace("kof", "f") == {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "kof", "labels": labels},
    }
    secret = external_dns_secret("kof", common.labels("f"), "AKIAEXAMPLE", "geheim")
    text = base64.b64decode(secret["data"]["external-dns-aws-credentials"]).decode()
    assert text == "[default]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = geheim\n"
    assert secret["metadata"] == {"name": "external-dns-aws-credentials", "namespace": "kof", "labels": labels}
    assert "stringData" not in secret


def groups(*names: str) -> list[dict[str, Any]]:
    return [promxy_server_group.of_regional(regional(name), RELEASE) for name in names]


def test_promxys_configuration_has_all_regions() -> None:
    text = promxy_config.render(groups("eu1", "us1"), {"storage-vmuser-credentials": ("user", "pass")})
    config = yaml.safe_load(text)
    assert config["global"] == {"evaluation_interval": "5s", "external_labels": {"source": "promxy"}}
    assert config["remote_write"] == [{"url": "http://vminsert-cluster:8480/insert/0/prometheus/api/v1/write"}]
    first, second = config["promxy"]["server_groups"]
    assert first == {
        "static_configs": [{"targets": ["vmauth.eu1.example.com:443"]}],
        "path_prefix": "/vm/select/0/prometheus/",
        "scheme": "https",
        "http_client": {
            "dial_timeout": "5s",
            "tls_config": {"insecure_skip_verify": False},
            "basic_auth": {"username": "user", "password": "pass"},
        },
        "labels": {"promxyCluster": "eu1"},
    }
    assert second["labels"] == {"promxyCluster": "us1"}
    assert yaml.safe_load(promxy_config.render([]))["promxy"] == {"server_groups": []}


@pytest.mark.parametrize(
    ("said", "skips"), [(True, True), (False, False), ("false", False), ("true", False), (None, False)]
)
def test_text_does_not_switch_promxys_checks_off(said: Any, skips: bool) -> None:
    group = {"spec": {"http_client": {"tls_config": {"insecure_skip_verify": said}}}}
    rendered = yaml.safe_load(promxy_config.render([group]))["promxy"]["server_groups"][0]
    assert rendered["http_client"]["tls_config"]["insecure_skip_verify"] is skips


def test_without_credentials_it_says_so() -> None:
    config = yaml.safe_load(promxy_config.render(groups("eu1")))
    assert config["promxy"]["server_groups"][0]["http_client"]["basic_auth"]["password"] == "<from Secret>"


def spoilt(**changes: Any) -> list[str]:
    (group,) = groups("eu1")
    for path, value in changes.items():
        at = group["spec"]
        *parents, last = path.split("__")
        for parent in parents:
            at = at[parent]
        at[last] = value
    return [f"{fault.variable} {fault.problem}" for fault in promxy_config.faults([group])]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"cluster_name": 'a"b'}, "double quote"),
        ({"cluster_name": ""}, "cluster_name is empty"),
        ({"targets": []}, "targets is empty"),
        ({"targets": ["a\\b:443"]}, "targets[0] has a backslash"),
        ({"path_prefix": "/a\n"}, "line break"),
        ({"scheme": ""}, "scheme must be http or https"),
        ({"http_client__dial_timeout": "5"}, "Go duration"),
        ({"http_client__basic_auth__credentials_secret_name": ""}, "no configuration for any region"),
    ],
)
def test_what_would_break_promxy(changes: dict[str, Any], why: str) -> None:
    (found,) = spoilt(**changes)
    assert why in found


def test_a_bad_password_is_found_and_not_quoted() -> None:
    faults = promxy_config.faults(groups("eu1"), {"storage-vmuser-credentials": ("user", 'gehe"im')})
    assert [fault.variable for fault in faults] == ["Secret storage-vmuser-credentials"]
    assert "double quote" in faults[0].problem
    assert "gehe" not in str(faults[0])


def test_two_groups_for_one_cluster_and_a_configuration_too_large() -> None:
    (twice,) = promxy_config.faults(groups("eu1", "eu1"))
    assert "every series" in twice.problem
    assert promxy_config.faults(groups("eu1", "us1")) == []
    many = [
        {"metadata": {"name": f"g{i}"}, "spec": {**groups("eu1")[0]["spec"], "cluster_name": f"c{i}"}}
        for i in range(3500)
    ]
    (large,) = promxy_config.faults(many)
    assert "1048576" in large.problem


def test_one_region_takes_as_much_as_the_model_reckons() -> None:
    from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import _PROMXY_GROUP_BYTES

    size = len(promxy_config.render(groups("eu1", "us1"))) - len(promxy_config.render(groups("eu1")))
    assert 0.7 * _PROMXY_GROUP_BYTES < size - len("us1us1.example.com") <= _PROMXY_GROUP_BYTES


@pytest.mark.parametrize(
    ("text", "as_go_writes_it"),
    [
        ("5s", "5s"),
        ("60s", "1m0s"),
        ("1500ms", "1.5s"),
        ("0s", "0s"),
        ("100ms", "100ms"),
        ("90m", "1h30m0s"),
        ("1h", "1h0m0s"),
        ("1.5h1.5s", "1h30m1.5s"),
        ("1500us", "1.5ms"),
        ("250ns", "250ns"),
        ("1us", "1µs"),
        ("nonsense", "nonsense"),
    ],
)
def test_durations_as_go_writes_them(text: str, as_go_writes_it: str) -> None:
    assert promxy_config.go_duration_text(text) == as_go_writes_it


def test_a_host_name_makes_cnames() -> None:
    assert dns_records([{"hostname": "a1.elb.amazonaws.com."}], "eu1.example.com") == [
        {"name": "vmauth.eu1.example.com", "type": "CNAME", "value": "a1.elb.amazonaws.com"},
        {"name": "grafana.eu1.example.com", "type": "CNAME", "value": "a1.elb.amazonaws.com"},
    ]


def test_addresses_make_a_and_aaaa_records() -> None:
    records = dns_records([{"ip": "192.0.2.1"}, {"ip": "2001:db8::1"}], "a.b")
    assert [(record["name"], record["type"], record["value"]) for record in records] == [
        ("vmauth.a.b", "A", "192.0.2.1"),
        ("vmauth.a.b", "AAAA", "2001:db8::1"),
        ("grafana.a.b", "A", "192.0.2.1"),
        ("grafana.a.b", "AAAA", "2001:db8::1"),
    ]


@pytest.mark.parametrize("ingress", [[], [{}], [{"ip": "999.1.1.1"}], [{"hostname": ""}]])
def test_no_address(ingress: list[dict[str, str]]) -> None:
    with pytest.raises(NoAddress):
        dns_records(ingress, "a.b")


CONFIG = {
    "route": {"receiver": "a", "routes": [{"receiver": "b", "matchers": ['x="y"']}]},
    "receivers": [{"name": "a"}, {"name": "b", "slack_configs": [{"api_url_file": "/etc/vm/secrets/slack/url"}]}],
}


def test_the_alertmanager_configuration_is_the_chart_s_text_with_our_way_to_hold_alerts_back() -> None:
    wanted = mothership(mothership_alertmanager_config=CONFIG, mothership_retention="2w")
    metrics = mothership_values.mothership_values(wanted, RELEASE)["victoriametrics"]
    assert metrics["vmcluster"] == {"retentionPeriod": "2w"}
    config = yaml.safe_load(metrics["vmalert"]["vmalertmanager"]["config"])
    assert config["route"]["receiver"] == "a"
    nobody, theirs = config["route"]["routes"]
    assert theirs == CONFIG["route"]["routes"][0]  # type: ignore[index]
    assert nobody == {"receiver": "k0rdent.kof/nobody", "matchers": ['alertname="ClusterUnderMaintenance"']}
    assert config["receivers"] == [*CONFIG["receivers"], {"name": "k0rdent.kof/nobody"}]
    assert config["inhibit_rules"][-1]["equal"] == ["clusterName"]
    assert "victoriametrics" not in mothership_values.mothership_values(mothership(), RELEASE)


def test_what_of_the_alertmanager_is_ours() -> None:
    of_line = RELEASE.alerts
    assert of_line is not None
    for config, spec in (
        (CONFIG, {"secrets": ["slack"]}),
        ({**CONFIG, "receivers": [{"name": "a"}, {"name": "b"}]}, {}),
    ):
        wanted = mothership(mothership_alertmanager_config=config)
        made = alerts.alertmanager(wanted, alerts.alertmanager_ref(wanted, of_line))
        assert made["spec"] == spec
        assert made["metadata"] == {"name": "cluster", "namespace": "kof"}  # its labels are Helm's


def of_alerts(cluster: Any, layer: str) -> list[dict[str, Any]]:
    return [each for each in objects(layer, cluster, Given(RELEASE, "v1beta1")) if each["kind"].startswith("VM")]


def test_rules_carry_their_cluster_and_its_maintenance_an_end() -> None:
    rules = [{"name": "a", "rules": [{"alert": "Down", "expr": 'up{promxyCluster="eu1"} == 0', "labels": {"b": "c"}}]}]
    cluster = regional(regional_alert_rules=rules, regional_maintenance_until="2027-03-01T04:00:00+01:00")
    (made,) = of_alerts(cluster, "regional")
    assert made["metadata"]["name"] == "eu1-alerts"
    assert made["metadata"]["labels"]["app.kubernetes.io/part-of"] == "kof"
    group, maintenance = made["spec"]["groups"]
    assert group["rules"][0]["labels"] == {"b": "c", "clusterName": "eu1"}
    (alert,) = maintenance["rules"]
    assert alert["expr"] == "vector(time()) < 1803870000"
    assert alert["labels"]["clusterName"] == "eu1"
    assert rules[0]["rules"][0]["labels"] == {"b": "c"}  # type: ignore[index]


def test_an_empty_list_takes_rules_away_and_none_leaves_them() -> None:
    assert of_alerts(regional(), "regional") == []
    (made,) = of_alerts(regional(regional_alert_rules=[]), "regional")
    assert made["spec"] == {"groups": []}
    (made,) = of_alerts(
        mothership(mothership_alert_rules=[{"name": "a", "rules": [{"record": "b", "expr": "up"}]}]), "mothership"
    )
    assert made["metadata"]["name"] == "mothership-alerts"
    assert made["spec"]["groups"][0]["rules"] == [{"record": "b", "expr": "up"}]
