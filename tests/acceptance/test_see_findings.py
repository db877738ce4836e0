"""Every finding switched on: each cluster has one fault, and status names that, what to do, and nothing else.

A whole fleet at once: a fault that shows at a neighbour would be seen. Faults are real ones where one can have them
(objects that somebody deleted or changed), else the simulator's switches, which say what the real programs were heard
to say.
"""

from __future__ import annotations

import base64
import dataclasses
import gzip
import json
import pathlib
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import example_fleet
import pytest
from support import DEPLOYMENTS, REPOSITORY, Run, Sandbox, finish

Findings = set[tuple[str, str, str]]
KCM, KOF = ("-n", "kcm-system"), ("-n", "kof")
MOTHERSHIP = "mothership"
FAILED, WARNING, PROGRESS = "failed", "warning", "progress"
SECRETS_LABEL = "k0rdent.mirantis.com/kof-storage-secrets"
PROMXY_LABEL = "k0rdent.mirantis.com/promxy-secret-name"
GROUPS = "/apis/kof.k0rdent.mirantis.com/v1alpha1/namespaces/kof/promxyservergroups"
SOURCES = "/apis/grafana.integreatly.org/v1beta1/namespaces/kof/grafanadatasources"
#: Findings that status has none of here, and why.
NOT_HERE = {
    **dict.fromkeys(("alert-rule-fails", "alert-rule-never-fires"), "only k0rdent.kof.alerts asks for it"),
    **dict.fromkeys(("alert-rules-missing", "alert-rules-refused"), "no cluster here has rules: units of the judge"),
    "cluster-left-inventory": "this inventory isn't declared whole: test_leave_prune.py",
    "alert-rules-left": "no cluster here has rules: test_operate_alert_rules.py",
    **dict.fromkeys(
        (
            "dashboard-left",
            "dashboard-missing",
            "dashboard-not-in-grafana",
            "dashboard-refused",
            "dashboard-unmatched",
        ),
        "no cluster here has dashboards: test_operate_dashboards.py, and units of the judge",
    ),
    "not-being-deleted": "only a deletion's wait looks for it",
    "object-malformed": "the CRDs that are served here let none be stored",
    "secrets-still-copied": "only a deletion's wait looks for it",
    "sveltos-cluster-missing": "Sveltos takes the ClusterSummary away with its SveltosCluster",
}


class Bed:
    """A fleet of which each cluster is given one fault."""

    def __init__(self, sandbox: Sandbox, folder: pathlib.Path, fleet: example_fleet.Fleet) -> None:
        self.sandbox, self.folder, self.fleet = sandbox, folder, fleet
        self.where = sandbox.inventory(folder / "fleet", fleet)
        self.expected: Findings = set()
        self.switches: dict[str, list[str]] = {}
        self.shown: set[str] = set()
        self.last: Run | None = None

    def look(self, *arguments: str) -> dict[str, Any]:
        faces = json.dumps({"status_format": ["text", "json"], "status_folder": str(self.folder / "faces")})
        self.last = self.sandbox.playbook("status", "-e", faces, *arguments, inventory=self.where)
        assert self.last.code in (0, 2), self.last.output
        return json.loads((self.folder / "faces" / "status.json").read_text())

    def until_expected(self, *arguments: str) -> dict[str, Any]:
        """Look until all that is expected is found, and nothing else; controllers take their time."""
        end = time.monotonic() + 600
        while (found := told(seen := self.look(*arguments))) != self.expected:
            assert time.monotonic() < end, {"more": found - self.expected, "less": self.expected - found}
            time.sleep(2)
        self.shown |= {code for _host, _severity, code in found}
        assert self.last is not None
        output = " ".join(self.last.output.split())
        for each in seen["findings"]:
            assert each["why"]
            assert each["remedy"]
            # Of progress the table has the code alone; of many reasons for one code, the first three.
            assert each["code"] in output
        failed = {host for host, severity, _code in self.expected if severity == FAILED}
        assert {host for host, counts in self.last.stats.items() if counts["failures"]} == failed
        return seen

    def expect(self, host: str, severity: str, code: str) -> None:
        self.expected.add((host, severity, code))

    def switch(self, name: str, value: str) -> None:
        self.switches.setdefault(name, []).append(value)

    def turn(self) -> None:
        """All switches as they have been set."""
        self.sandbox.command("fault", *(f"{name}={','.join(values)}" for name, values in self.switches.items()))

    def patch(self, kind: str, name: str, body: Any, *place: str, how: str = "merge", status: bool = False) -> None:
        where = ["--subresource=status"] if status else []
        self.sandbox.kubectl("patch", kind, name, *place, f"--type={how}", *where, "-p", json.dumps(body))

    def apply(self, *objects: dict[str, Any]) -> None:
        listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.sandbox.kubectl("apply", "-f", "-", stdin=json.dumps(listed))

    def edit(self, cluster: str, values: str = "# another text of the same\n", service: int = 2) -> None:
        """Another text of a service's values."""
        live = next(each for each in self.sandbox.items(DEPLOYMENTS) if each["metadata"]["name"] == cluster)
        place = f"/spec/serviceSpec/services/{service}/values"
        before = live["spec"]["serviceSpec"]["services"][service].get("values") or ""
        change = {"op": "add", "path": place, "value": before + values}
        self.patch("clusterdeployment", cluster, [change], *KCM, how="json")


def told(seen: dict[str, Any]) -> Findings:
    return {(each["host"], each["severity"], each["code"]) for each in seen["findings"]}


def summary(cluster: str) -> str:
    return f"p--{cluster}-capi-{cluster}"


def copied(item: dict[str, Any], name: str, **spec: Any) -> dict[str, Any]:
    """An object of the same content under another name."""
    meta = {"name": name, **({"namespace": item["metadata"]["namespace"]} if "namespace" in item["metadata"] else {})}
    made = {"apiVersion": item["apiVersion"], "kind": item["kind"], "metadata": meta}
    made |= {key: item[key] for key in ("data", "type") if key in item}
    return {**made, "spec": {**item["spec"], **spec}} if "spec" in item else made


# -- faults of a cluster, by code: each is given a child of its own

Fault = Callable[[Bed, str], None]


def says_no(condition: str) -> Fault:
    return lambda bed, child: bed.switch("says_no", f"{child}/{condition}")


def switched(name: str, service: str = "") -> Fault:
    """With a switch that shows once a service changes."""

    def set_on(bed: Bed, child: str) -> None:
        bed.switch(name, f"{child}/{service}" if service else child)

    return set_on


def of_summary(*path: Any, value: Any, status: bool = False) -> Fault:
    pointer = "/" + "/".join(map(str, path))

    def change(bed: Bed, child: str) -> None:
        edit = [{"op": "add", "path": pointer, "value": value}]
        bed.patch("clustersummary", summary(child), edit, *KCM, how="json", status=status)

    return change


def gone(bed: Bed, child: str) -> None:
    bed.sandbox.kubectl("delete", "clusterdeployment", child, *KCM, "--wait=false")


def taken(bed: Bed, child: str) -> None:
    bed.patch("clusterdeployment", child, {"metadata": {"labels": {"app.kubernetes.io/part-of": "other"}}}, *KCM)


def without_credential(bed: Bed, child: str) -> None:
    bed.sandbox.kubectl("delete", "credential", f"own-{child}", *KCM)


def gone_without_credential(bed: Bed, child: str) -> None:
    without_credential(bed, child)
    gone(bed, child)


def spec(**parts: Any) -> Fault:
    return lambda bed, child: bed.patch("clusterdeployment", child, {"spec": parts}, *KCM)


def services(*edits: dict[str, Any]) -> Fault:
    return lambda bed, child: bed.patch("clusterdeployment", child, list(edits), *KCM, how="json")


def registered(status: dict[str, Any] | None) -> Fault:
    """A SveltosCluster whose status is somebody's word."""

    def make(bed: Bed, child: str) -> None:
        meta = {"name": child, "namespace": "kcm-system"}
        bed.apply(
            {"apiVersion": "lib.projectsveltos.io/v1beta1", "kind": "SveltosCluster", "metadata": meta, "spec": {}}
        )
        if status:
            bed.patch("sveltoscluster", child, {"status": status}, *KCM, status=True)

    return make


def paused(bed: Bed, child: str) -> None:
    bed.patch("clusters.cluster.x-k8s.io", child, {"spec": {"paused": True}}, *KCM)


def unlabelled(bed: Bed, child: str) -> None:
    bed.patch("clusters.cluster.x-k8s.io", child, {"metadata": {"labels": {SECRETS_LABEL: None}}}, *KCM)


def without_its_config_map(bed: Bed, child: str) -> None:
    bed.sandbox.kubectl("delete", "configmap", f"own-{child}-resource-template", *KCM)


def of_another_version(bed: Bed, child: str) -> None:
    template = bed.sandbox.get("servicetemplate", "cert-manager-1-16-2", *KCM)
    bed.apply(copied(template, "cert-manager-own"))
    end = time.monotonic() + 300
    while not (bed.sandbox.get("servicetemplate", "cert-manager-own", *KCM).get("status") or {}).get("valid"):
        assert time.monotonic() < end
        time.sleep(0.2)
    services({"op": "replace", "path": "/spec/serviceSpec/services/0/template", "value": "cert-manager-own"})(
        bed, child
    )


#: What waits in the last summary of another time.
OLD_RELEASE = {"releaseName": "old", "releaseNamespace": "kof", "status": "Managing", "valuesHash": "eA=="}
HELD = {"op": "add", "path": "/spec/serviceSpec/services/2/disable", "value": True}
#: Those that need a Credential of their own, and those of which a service has to change for it to show.
OWN = ("deletion-held", "credential-missing", "credential-not-ready", "service-reference-missing")
EDITED = ("cluster-unreached", "service-failed", "service-of-others", "service-conflict", "change-not-seen")
CHILDREN: dict[str, tuple[str, Fault]] = {
    "cluster-missing": (PROGRESS, gone),
    "cluster-of-another-fleet": (WARNING, taken),
    "being-deleted": (WARNING, switched("stuck_finalizer")),
    "deletion-held": (FAILED, gone_without_credential),
    "cluster-dry-run": (FAILED, spec(dryRun=True)),
    "change-not-seen": (PROGRESS, switched("kcm_asleep")),
    "cluster-not-ready": (PROGRESS, says_no("CAPIClusterSummary")),
    "cluster-template-not-ready": (FAILED, says_no("TemplateReady")),
    "cluster-chart-not-ready": (PROGRESS, says_no("HelmChartReady")),
    "cluster-release-not-ready": (PROGRESS, says_no("HelmReleaseReady")),
    "infrastructure-not-ready": (PROGRESS, says_no("InfrastructureReady")),
    "control-plane-not-ready": (PROGRESS, says_no("ControlPlaneReady")),
    "machines-not-ready": (PROGRESS, says_no("Available")),
    "services-not-handed-over": (PROGRESS, says_no("SveltosProfileReady")),
    "service-status-unread": (PROGRESS, says_no("FetchServicesStatusSuccess")),
    "cluster-config-refused": (FAILED, spec(config={"workersNumber": "three"})),
    "credential-missing": (FAILED, without_credential),
    "credential-not-ready": (FAILED, lambda bed, child: bed.switch("credential_not_ready", f"own-{child}")),
    "cluster-not-connected": (PROGRESS, registered(None)),
    "cluster-unsteady": (WARNING, registered({"connectionStatus": "Healthy", "ready": True, "connectionFailures": 1})),
    "cluster-unreached": (FAILED, switched("unreachable")),
    "cluster-paused": (WARNING, paused),
    "services-not-taken-over": (
        PROGRESS,
        of_summary("spec", "clusterProfileSpec", "helmCharts", 2, "values", value="of: somebody\n"),
    ),
    "service-failed": (FAILED, switched("helm_failed_non_retriable", "kof-collectors")),
    "service-of-others": (FAILED, switched("helm_of_others", "kof-operators")),
    "service-conflict": (FAILED, switched("helm_conflict", "kof-operators")),
    "service-reference-missing": (FAILED, without_its_config_map),
    "service-still-deployed": (
        PROGRESS,
        of_summary("status", "helmReleaseSummaries", "-", value=OLD_RELEASE, status=True),
    ),
    "service-being-retried": (PROGRESS, lambda bed, child: bed.edit(child, "x: {{ .Values.of.nothing }}\n")),
    "secrets-not-copied": (PROGRESS, unlabelled),
    "another-repository": (
        WARNING,
        of_summary(
            "spec", "clusterProfileSpec", "helmCharts", 1, "repositoryURL", value="oci://old.example.com/kof/charts"
        ),
    ),
    "service-missing": (PROGRESS, services(HELD)),
    "version-skew": (PROGRESS, of_another_version),
    # The last: Sveltos gets slow with it.
    "service-not-deployed": (PROGRESS, lambda _bed, _child: None),
}


# -- faults of a region


def without_volume(bed: Bed, region: str) -> None:
    bed.edit(region, "victoria-logs-single: {server: {storage: {enabled: true}}}\n")


def deleted(kind: str, suffix: str) -> Fault:
    return lambda bed, region: bed.sandbox.kubectl("delete", kind, f"{region}-{suffix}", *KOF)


def remade(**parts: Any) -> Fault:
    """A GrafanaDatasource of somebody who has written it anew."""

    def make(bed: Bed, region: str) -> None:
        live = bed.sandbox.get("grafanadatasource", f"{region}-logs", *KOF)
        bed.sandbox.kubectl("delete", "grafanadatasource", f"{region}-logs", *KOF)
        bed.apply(copied(live, f"{region}-logs", **parts))

    return make


def group(body: dict[str, Any]) -> Fault:
    return lambda bed, region: bed.patch("promxyservergroup", f"{region}-metrics", body, *KOF)


NO_GRAFANA = {"matchLabels": {"dashboards": "nobody"}}
NO_SECRET = [{"targetPath": "basicAuthUser", "valueFrom": {"secretKeyRef": {"name": "gone", "key": "username"}}}]
REGIONS: dict[str, tuple[str, Fault]] = {
    "logs-not-kept": (WARNING, without_volume),
    "datasource-missing": (PROGRESS, deleted("grafanadatasource", "logs")),
    "datasource-unmatched": (WARNING, remade(instanceSelector=NO_GRAFANA)),
    "datasource-refused": (WARNING, remade(valuesFrom=NO_SECRET)),
}
#: With both operators asleep: else they would mend it.
ASLEEP: dict[str, tuple[str, Fault]] = {
    "datasource-not-seen": (PROGRESS, remade()),
    "server-group-unlabelled": (WARNING, group({"metadata": {"labels": {PROMXY_LABEL: None}}})),
    "object-missing": (PROGRESS, deleted("promxyservergroup", "metrics")),
    "region-not-in-promxy": (PROGRESS, group({"spec": {"targets": ["vmauth.moved.example.com:443"]}})),
}


# -- faults of the mothership


def deployments(bed: Bed) -> None:
    """Each of kof's Deployments in another way."""
    bed.sandbox.kubectl("delete", "deployment", "kof-mothership-promxy-operator", *KOF)
    bed.patch("deployment", "kof-mothership-grafana-operator", {"spec": {"replicas": 0}}, *KOF)
    changed = {"template": {"metadata": {"annotations": {"of": "somebody"}}}}
    bed.patch("deployment", "kof-mothership-promxy", {"spec": {"paused": True}}, *KOF)
    bed.patch("deployment", "kof-mothership-promxy", {"spec": changed}, *KOF)
    waits = {"metadata": {"name": "waits", "namespace": "kof"}}
    container = {"name": "one", "image": "example.com/one:1"}
    pod_spec = {"nodeSelector": {"of": "nobody"}, "containers": [container]}
    bed.apply({"apiVersion": "v1", "kind": "Pod", **waits, "spec": pod_spec})
    # Its pods are refused, since there is no such ServiceAccount.
    refused = {"template": {"spec": {"serviceAccountName": "nobody"}}}
    bed.patch("deployment", "kof-mothership-victoria-metrics-operator", {"spec": refused}, *KOF)
    stuck = {**refused, "progressDeadlineSeconds": 1}
    bed.patch("deployment", "kof-operators-opentelemetry-operator", {"spec": stuck}, *KOF)


def pods(bed: Bed) -> None:
    """What a kubelet would write; kwok has none."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    killed = {"terminated": {"reason": "OOMKilled", "exitCode": 137, "finishedAt": now}}
    crashed = {"terminated": {"reason": "Error", "exitCode": 2, "finishedAt": now}}
    states: dict[str, tuple[bool, dict[str, Any]]] = {
        "vmalert-cluster": (True, {"state": {"running": {}}, "lastState": killed, "restartCount": 1}),
        "vmstorage-cluster": (
            False,
            {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": crashed, "restartCount": 9},
        ),
        "vmselect-cluster": (False, {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such tag"}}}),
        "vmalertmanager-cluster": (False, {"state": {"running": {}}}),
        "capi-visualizer": (False, {"state": {"waiting": {"reason": "CreateContainerConfigError"}}}),
    }
    for workload, (ready, state) in states.items():
        live = next(
            each for each in bed.sandbox.get("pods", *KOF)["items"] if each["metadata"]["name"].startswith(workload)
        )
        container = live["spec"]["containers"][0]
        entry = {"name": container["name"], "image": container["image"], "imageID": "", "restartCount": 0}
        said = [{"type": kind, "status": str(ready)} for kind in ("Ready", "ContainersReady")]
        status = {"containerStatuses": [{**entry, "ready": ready, **state}], "conditions": said}
        bed.patch("pod", live["metadata"]["name"], {"status": status}, *KOF, how="strategic", status=True)


def others(bed: Bed) -> None:
    claim = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
        "storageClassName": "gone",
    }
    meta = {"name": "nowhere", "namespace": "kof"}
    bed.apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": claim})
    stage = {"status": {"stage": "plugins", "stageStatus": "failed"}}
    bed.patch("grafanas.grafana.integreatly.org", "grafana-vm", stage, *KOF, status=True)
    broken = {"status": {"components": {"capi": {"success": False, "error": "ImagePullBackOff"}}}}
    bed.patch("managements.k0rdent.mirantis.com", "kcm", broken, status=True)
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    fetching = {"type": "Ready", "status": "False", "reason": "Failed", "message": "503", "lastTransitionTime": now}
    bed.patch("helmrepository", "kof", {"status": {"conditions": [fetching]}}, *KCM, status=True)
    bed.sandbox.kubectl("delete", "secret", "grafana-admin-credentials", *KOF)
    group = bed.sandbox.items(GROUPS)[0]
    login = {"credentials_secret_name": "gone", "username_key": "username", "password_key": "password"}
    stranger = copied(group, "theirs", cluster_name="theirs", http_client={"basic_auth": login})
    stranger["metadata"]["labels"] = {PROMXY_LABEL: "kof-mothership-promxy-config"}
    bed.apply(stranger)


HOME: dict[str, str] = {
    "deployment-missing": PROGRESS,
    "deployment-scaled-down": FAILED,
    "deployment-not-available": PROGRESS,
    "deployment-pods-refused": WARNING,
    "deployment-stuck": FAILED,
    "pod-not-scheduled": PROGRESS,
    "pod-out-of-memory": WARNING,
    "pod-crashing": PROGRESS,
    "image-not-pulled": PROGRESS,
    "pod-not-ready": PROGRESS,
    "pod-not-started": PROGRESS,
    "volume-not-bound": PROGRESS,
    "grafana-not-ready": PROGRESS,
    "k0rdent-not-ready": WARNING,
    "chart-repository-not-ready": PROGRESS,
    "secret-missing": PROGRESS,
    "server-group-login-missing": FAILED,
}


@pytest.fixture(scope="module")
def bed(own_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    folder = tmp_path_factory.mktemp("findings")
    fleet = example_fleet.fleet(len({**REGIONS, **ASLEEP}), len(CHILDREN))
    owners = dict(zip(CHILDREN, fleet.children, strict=True))
    own = {owners[code]: {"child_credential": f"own-{owners[code]}"} for code in OWN}
    children = {name: {**variables, **own.get(name, {})} for name, variables in fleet.children.items()}
    made = Bed(own_sandbox, folder, dataclasses.replace(fleet, children=children))
    credential = own_sandbox.get("credential", "aws-cluster-identity-cred", *KCM)
    identity = own_sandbox.get("awsclusterstaticidentity", "aws-cluster-identity")
    for name in own:
        made.apply(
            copied(
                own_sandbox.get("configmap", "aws-cluster-identity-resource-template", *KCM),
                f"own-{name}-resource-template",
            ),
            copied(identity, f"own-{name}"),
            copied(credential, f"own-{name}", identityRef={**credential["spec"]["identityRef"], "name": f"own-{name}"}),
            copied(own_sandbox.get("secret", "aws-cluster-identity-secret", *KCM), f"own-{name}-secret"),
        )
    own_sandbox.command("fault", "--clear")
    done = own_sandbox.playbook("site", "--limit", MOTHERSHIP, inventory=made.where)
    assert done.code == 0, done.output
    try:
        yield made
    finally:
        own_sandbox.command("fault", "--clear")
        # Made anew here, it is no helm's any more; others install kof after this.
        own_sandbox.kubectl("delete", "servicetemplate", "kof-storage-0-1-1", *KCM, "--ignore-not-found")


def test_the_middle_of_a_rollout_is_no_alarm(bed: Bed) -> None:
    bed.sandbox.command("fault", "step_seconds=1")
    started = bed.sandbox.start_playbook("site", "--tags", "regional,child", inventory=bed.where)
    seen: Findings = set()
    while started[0].poll() is None:
        found = told(bed.look())
        assert {severity for _host, severity, _code in found} <= {PROGRESS}, found
        seen |= found
    done = finish(started)
    assert done.code == 0, done.output
    assert {"cluster-missing"} < {code for _host, _severity, code in seen}
    bed.sandbox.command("fault", "--clear")
    bed.until_expected()


def test_each_cluster_has_its_finding_and_no_other(bed: Bed) -> None:
    children, regions = list(bed.fleet.children), list(bed.fleet.regionals)
    owners = dict(zip(CHILDREN, children, strict=True))
    for code, (severity, fault) in CHILDREN.items():
        bed.expect(owners[code], severity, code)
        fault(bed, owners[code])
    for (code, (severity, fault)), region in zip(REGIONS.items(), regions, strict=False):
        bed.expect(region, severity, code)
        fault(bed, region)
    bed.turn()
    gone(bed, owners["being-deleted"])
    for code in EDITED:
        bed.edit(owners[code])
    bed.expected.discard((owners["service-not-deployed"], PROGRESS, "service-not-deployed"))
    bed.until_expected()

    bed.switch("slow_sveltos_seconds", "900")
    for operator in ("promxy", "grafana"):
        bed.switch("asleep", operator)
    bed.turn()
    bed.edit(owners["service-not-deployed"])
    bed.expect(owners["service-not-deployed"], PROGRESS, "service-not-deployed")
    for (code, (severity, fault)), region in zip(ASLEEP.items(), regions[len(REGIONS) :], strict=True):
        bed.expect(region, severity, code)
        fault(bed, region)
    bed.until_expected()


def revision(version: str, status: str) -> dict[str, Any]:
    """A newer revision of kof-mothership, as helm writes it down."""
    payload = {
        "name": "kof-mothership",
        "namespace": "kof",
        "version": 99,
        "info": {"status": status},
        "chart": {"metadata": {"name": "kof-mothership", "version": version}},
        "manifest": "",
    }
    stored = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(payload).encode()))).decode()
    labels = {"owner": "helm", "name": "kof-mothership", "status": status, "version": "99"}
    meta = {"name": "sh.helm.release.v1.kof-mothership.v99", "namespace": "kof", "labels": labels}
    kind = {"apiVersion": "v1", "kind": "Secret", "type": "helm.sh/release.v1"}
    return {**kind, "metadata": meta, "data": {"release": stored}}


def test_of_the_mothership_each_object_has_its_finding(bed: Bed) -> None:
    pods(bed)
    deployments(bed)
    others(bed)
    for code, severity in HOME.items():
        bed.expect(MOTHERSHIP, severity, code)
    seen = bed.until_expected()
    own = [each for each in seen["findings"] if each["host"] == MOTHERSHIP]
    assert len(own) == len({each["object"] for each in own}) == len(HOME)
    objects = {each["code"]: each["object"] for each in own}
    assert objects["deployment-stuck"] == "Deployment kof/kof-operators-opentelemetry-operator"
    assert objects["deployment-pods-refused"] == "Deployment kof/kof-mothership-victoria-metrics-operator"
    assert objects["pod-crashing"].startswith("Pod kof/vmstorage-cluster")
    assert objects["server-group-login-missing"] == "PromxyServerGroup kof/theirs"

    charts = {
        "chart-not-deployed": (FAILED, revision("0.1.1", "failed")),
        "chart-being-installed": (PROGRESS, revision("0.1.1", "pending-upgrade")),
        "kof-version-differs": (WARNING, revision("0.1.0", "deployed")),
    }
    for code, (severity, secret) in charts.items():
        bed.apply(secret)
        bed.expect(MOTHERSHIP, severity, code)
        bed.until_expected()
        bed.expected.remove((MOTHERSHIP, severity, code))
    bed.sandbox.kubectl("delete", "secret", revision("", "")["metadata"]["name"], *KOF)


def test_logins_and_what_promxy_makes_of_them(bed: Bed) -> None:
    regions = list(bed.fleet.regionals)
    login = bed.sandbox.get("secret", "storage-vmuser-credentials", *KOF)["data"]
    changed = base64.b64encode(b"CANARYpassword").decode()
    bed.patch("secret", "storage-vmuser-credentials", {"data": {"password": changed}}, *KOF)
    known = [region for region, code in zip(regions, {**REGIONS, **ASLEEP}, strict=True) if code not in (*ASLEEP,)]
    known.append(regions[len(REGIONS)])
    old = {(region, WARNING, "login-outdated") for region in known}
    bed.expected |= old
    seen = bed.until_expected()
    assert "CANARY" not in json.dumps(seen)
    bed.expected -= old

    bed.patch("secret", "storage-vmuser-credentials", {"data": {"password": ""}}, *KOF)
    bed.expect(MOTHERSHIP, PROGRESS, "secret-empty")
    bed.until_expected()
    bed.expected.remove((MOTHERSHIP, PROGRESS, "secret-empty"))
    bed.patch("secret", "storage-vmuser-credentials", {"data": login}, *KOF)

    # Awake again the operator writes what promxy can't read.
    bed.sandbox.kubectl("delete", "promxyservergroup", "theirs", *KOF)
    bed.expected.remove((MOTHERSHIP, FAILED, "server-group-login-missing"))
    moved = regions[-1]
    bed.patch("promxyservergroup", f"{moved}-metrics", {"spec": {"path_prefix": '/"vm"/'}}, *KOF)
    bed.switches["asleep"] = ["grafana"]
    bed.turn()
    bed.expected.remove((moved, PROGRESS, "region-not-in-promxy"))
    bed.expect(moved, FAILED, "promxy-config-broken")
    bed.until_expected()


def test_a_mothership_that_loses_all(bed: Bed) -> None:
    """Without clusters, which hold what is taken away here."""
    bed.sandbox.command("fault", "--clear")
    bed.sandbox.kubectl("delete", "clusterdeployments", "--all", *KCM, "--wait=false")
    for each in (*CHILDREN,):
        if each in OWN:
            name = dict(zip(CHILDREN, bed.fleet.children, strict=True))[each]
            credential = bed.sandbox.get("credential", "aws-cluster-identity-cred", *KCM)
            ref = {**credential["spec"]["identityRef"], "name": f"own-{name}"}
            bed.apply(copied(credential, f"own-{name}", identityRef=ref))
    bed.sandbox.delete_clusters()
    bed.expected = {each for each in bed.expected if each[0] == MOTHERSHIP and each[2] != "chart-repository-not-ready"}
    only = ("--limit", MOTHERSHIP)
    template = bed.sandbox.get("servicetemplate", "kof-storage-0-1-1", *KCM)
    bed.sandbox.kubectl("delete", "servicetemplate", "kof-storage-0-1-1", "kof-collectors-0-1-1", *KCM)
    chart = {**template["spec"]["helm"]["chartSpec"], "version": "9.9.9"}
    bed.apply(copied(template, "kof-storage-0-1-1", helm={"chartSpec": chart}))
    bed.expect(MOTHERSHIP, PROGRESS, "template-missing")
    bed.expect(MOTHERSHIP, PROGRESS, "template-not-valid")
    # Grafana's operator is awake again, and the volumes of the others are as they were.
    bed.expected.discard((MOTHERSHIP, PROGRESS, "grafana-not-ready"))
    bed.until_expected(*only)

    bed.sandbox.kubectl("delete", "crd", "promxyservergroups.kof.k0rdent.mirantis.com")
    bed.expect(MOTHERSHIP, PROGRESS, "kind-not-served")
    bed.until_expected(*only)

    meta = {"name": "holds", "namespace": "kof", "finalizers": ["apps.victoriametrics.com/finalizer"]}
    bed.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta})
    bed.sandbox.kubectl("delete", "namespace", "kof", "--wait=false")
    bed.expected = {(MOTHERSHIP, FAILED, "namespace-terminating"), (MOTHERSHIP, WARNING, "k0rdent-not-ready")}
    bed.until_expected(*only)
    bed.patch("configmap", "holds", {"metadata": {"finalizers": None}}, *KOF)
    bed.expected = {(MOTHERSHIP, FAILED, "mothership-missing"), (MOTHERSHIP, WARNING, "k0rdent-not-ready")}
    bed.until_expected(*only)


def test_no_finding_was_left_out(bed: Bed) -> None:
    page = (REPOSITORY / "docs" / "findings.md").read_text()
    sections = {part.split("\n")[0]: part for part in re.split(r"^## ", page, flags=re.MULTILINE)[1:]}
    here = {
        code
        for code, text in sections.items()
        if re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", code)
        and "Only of lines in which" not in text
        and not re.search(r"only verify.* sees it", text)
    }
    assert here - bed.shown == set(NOT_HERE)
