"""Looks inside of clusters: that one doesn't hold up or spoil another, where its login is from, and what is told."""

from __future__ import annotations

import base64
import threading
import time
from typing import Any

import pytest
import yaml
from test_status import fleet

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import inside
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError, ApiUnavailable
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.kubeconfig import Settings
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.blueprint import Given
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.line_0_1 import KOF_0_1_1
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.parts import inside as inside_of

PARTS = inside_of(fleet().of("child")[0], Given(KOF_0_1_1, "v1alpha1"))
KOF = "/api/v1/namespaces/kof"


def kubeconfig(server: str, **user: Any) -> dict[str, Any]:
    config = {
        "current-context": "a",
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        "clusters": [{"name": "a", "cluster": {"server": server}}],
        "users": [{"name": "a", "user": user or {"token": "CANARY"}}],
    }
    return {"data": {"value": base64.b64encode(yaml.safe_dump(config).encode()).decode()}}


class Management:
    """Has Secrets by name, and says what of them was asked."""

    def __init__(self, **secrets: Any) -> None:
        self.secrets, self.asked = secrets, list[str]()
        self.observe: Any = None

    def resource(self, *_kind: str) -> None:
        return None

    def path(self, _api: str, _kind: str, namespace: str, name: str) -> str:
        return f"{namespace}/{name}"

    def request(self, _method: str, path: str) -> Any:
        self.asked.append(path)
        found = self.secrets.get(path.partition("/")[2].replace("-", "_"))
        if isinstance(found, Exception):
            raise found
        if found is None:
            raise ApiError(404, "NotFound")
        return found


class Cluster:
    """Stands for a Connection: by its server's name it is well, slow, hangs, or refuses."""

    made: list[Settings] = []  # noqa: RUF012

    def __init__(self, chosen: Settings, most: int) -> None:
        assert most == inside.LARGEST
        self.made.append(chosen)
        self.how = chosen.server.removeprefix("https://").partition(".")[0]

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_exc: object) -> None:
        pass

    def _wait(self, deadline: float) -> None:
        if self.how == "hangs":
            threading.Event().wait(30)  # a name that is being resolved heeds no deadline
        if self.how == "slow":
            time.sleep(0.45)
        if self.how == "refused":
            raise ApiError(401, "Unauthorized", "renew it")
        if self.how == "dead" or time.monotonic() >= deadline:
            raise ApiUnavailable("connection refused")
        if self.how == "broken":
            raise ZeroDivisionError("CANARY")

    def request(self, _method: str, path: str, *, deadline: float, query: Any = None) -> Any:
        self._wait(deadline)
        if path == "/api/v1/pods":
            assert query == {"limit": "100"}
            return {"kind": "PodList", "items": [{"metadata": {"uid": "of-another-namespace"}}]}
        kind, name = path.split("/")[-2:]
        data = {"username": "YQ==", "password": "Yg=="}
        return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, "data": data}

    def list_objects(self, path: str, *, deadline: float) -> tuple[list[Any], str]:
        self._wait(deadline)
        if self.how == "some" and path.endswith("/pods"):
            raise ApiError(403, "Forbidden", "cannot list pods")
        if path.endswith("certificates"):
            raise ApiError(404)
        plural = path.rpartition("/")[2]
        kinds = {
            "deployments": "Deployment",
            "daemonsets": "DaemonSet",
            "opentelemetrycollectors": "OpenTelemetryCollector",
        }
        return [whole(each) for each in PARTS if each.what.ref.kind == kinds.get(plural)], "1"  # type: ignore[union-attr]


def whole(part: Any) -> dict[str, Any]:
    numbers = {
        "Deployment": {"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1},
        "DaemonSet": {"desiredNumberScheduled": 1, "numberReady": 1, "updatedNumberScheduled": 1},
        "OpenTelemetryCollector": {"scale": {"statusReplicas": "1/1"}},
    }
    ref = part.what.ref
    head = {"apiVersion": ref.api_version, "kind": ref.kind, "metadata": {"name": ref.name, "namespace": "kof"}}
    return {**head, "spec": {}, "status": numbers[ref.kind]}


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inside, "Connection", Cluster)
    monkeypatch.setattr(inside, "GRACE", 0.4)
    Cluster.made.clear()


def visited(*hows: str, seconds: float = 3.0, management: Management | None = None, **more: Any) -> dict[str, Any]:
    """By how a cluster is, what was found: (code, why)."""
    secrets = {f"{each}_kubeconfig": kubeconfig(f"https://{each}.example.com") for each in hows}
    visits = [inside.Visit(each, PARTS, [("kcm-system", f"{each}-kubeconfig")], seconds) for each in hows]
    inside.look(management or Management(**{**secrets, **more}), visits, lambda _when: True)  # type: ignore[arg-type]
    return {visit.name: [(each.verdict.code, each.verdict.why) for each in visit.found] for visit in visits}


def codes(found: list[tuple[str, str]]) -> list[str]:
    return [code for code, _why in found]


def test_one_cluster_neither_holds_up_nor_spoils_another() -> None:
    began = time.monotonic()
    found = visited("well", "dead", "hangs", "slow", "refused", "some", "fine")
    assert time.monotonic() - began < 25  # what hangs does for 30
    assert (found["well"], found["fine"]) == ([], [])
    for name in ("dead", "hangs", "slow"):
        assert codes(found[name]) == ["cluster-not-answering"], found[name]
    assert found["hangs"][0][1] == "no answer within 3 s"
    assert "(after " in found["slow"][0][1]
    assert codes(found["refused"]) == codes(found["some"]) == ["kubeconfig-refused"]
    assert "cannot list pods" in found["some"][0][1]


def test_those_that_hang_take_nobodys_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each that answers once and then no more holds one, until its deadline is over."""
    monkeypatch.setattr(inside, "TURNS", 1)
    monkeypatch.setattr(Cluster, "list_objects", lambda self, *_path, **_more: _hang_if(self.how == "half"))
    found = visited("half", "well", seconds=2)
    assert codes(found["half"]) == ["cluster-not-answering"]
    assert "cluster-not-answering" not in codes(found["well"])


def _hang_if(hangs: bool) -> tuple[list[Any], str]:
    if hangs:
        threading.Event().wait(30)
    return [], "1"


def test_a_fault_of_ours_isnt_taken_for_the_clusters() -> None:
    with pytest.raises(ZeroDivisionError):
        visited("broken")


def test_nothing_of_this_process_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor the service account of a pod."""
    for name in ("PROXY", "API_KEY", "HOST", "SSL_CA_CERT", "CONTEXT", "KUBECONFIG", "IMPERSONATE_USER", "USERNAME"):
        monkeypatch.setenv(f"K8S_AUTH_{name}", "/CANARY")
    for name in ("HTTPS_PROXY", "https_proxy", "KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.setenv(name, "http://CANARY:1")
    assert visited("well")["well"] == []
    (chosen,) = Cluster.made
    assert (chosen.server, chosen.authorization) == ("https://well.example.com", "Bearer CANARY")
    assert (chosen.proxy, chosen.ca_pem, chosen.headers, chosen.client_pem) == (None, None, (), None)


def test_where_there_is_no_usable_kubeconfig_that_is_told() -> None:
    by_command = kubeconfig("https://a.example.com", exec={"command": "touch"}, tokenFile="/etc/shadow")
    found = visited("a", "b", "c", "d", a_kubeconfig=by_command, b_kubeconfig=None, c_kubeconfig={"data": {"x": "!"}},
                    d_kubeconfig=kubeconfig("nowhere at all"))  # fmt: skip
    assert [codes(found[each]) for each in "abcd"] == [
        ["kubeconfig-unusable"], ["kubeconfig-missing"], ["kubeconfig-missing"], ["kubeconfig-unusable"],
    ]  # fmt: skip
    assert "exec, tokenFile" in found["a"][0][1]
    assert "kcm-system/b-kubeconfig doesn't exist" in found["b"][0][1]
    assert "CANARY" not in str(found)
    assert not Cluster.made


def test_an_authority_in_a_file_is_told_and_not_taken_for_a_certificate_that_isn_t_trusted() -> None:
    config = yaml.safe_load(base64.b64decode(kubeconfig("https://a.example.com")["data"]["value"]))
    config["clusters"][0]["cluster"]["certificate-authority"] = "/etc/shadow"
    of_file = {"data": {"value": base64.b64encode(yaml.safe_dump(config).encode()).decode()}}
    found = visited("a", a_kubeconfig=of_file)["a"]
    assert codes(found) == ["kubeconfig-unusable"]
    assert "has its authority in a file" in found[0][1]
    assert not Cluster.made


def test_a_kubeconfig_that_may_not_be_read_is_left_to_who_asked() -> None:
    visit = inside.Visit("a", PARTS, [("kcm-system", "a-kubeconfig")], 1)
    inside.look(Management(a_kubeconfig=ApiError(403, "Forbidden", "cannot get")), [visit], bool)  # type: ignore[arg-type]
    assert (visit.found, visit.forbidden) == ([], "cannot get")


def test_an_adopted_clusters_is_that_of_its_credential() -> None:
    management = Management(identity=kubeconfig("https://well.example.com"))
    visit = inside.Visit("a", PARTS, [("kcm-system", "a-kubeconfig"), ("kcm-system", "identity")], 1)
    inside.look(management, [visit], bool)  # type: ignore[arg-type]
    assert visit.found == []
    assert management.asked == ["kcm-system/a-kubeconfig", "kcm-system/identity"]


def test_what_data_is_known_by_is_kept_where_it_is_asked_for() -> None:
    hows = ("well", "dead", "refused")
    secrets = {f"{each}_kubeconfig": kubeconfig(f"https://{each}.example.com") for each in hows}
    visits = [inside.Visit(each, PARTS, [("kcm-system", f"{each}-kubeconfig")], 1, keeps=True) for each in hows]
    inside.look(Management(**secrets), visits, bool)  # type: ignore[arg-type]
    well, *others = (visit.kept for visit in visits)
    assert well.pods == ["of-another-namespace"]
    names = {each["metadata"]["name"] for each in well.collectors or ()}
    assert names == {"kof-collectors-node-exporter", "kof-collectors-k8s-cluster"}
    assert others == [inside.Kept(None, None)] * 2
    # Nor is anything made up of one that went away before its collectors were asked for.
    reader = inside._Reader(Cluster(Cluster.made[0], inside.LARGEST), visits[0], time.monotonic() + 1)  # type: ignore[arg-type]
    reader._gone = "connection refused"
    assert reader.kept() == inside.Kept(None, None)


# -- what is told of what is there


def told(*changes: tuple[str, str, Any], namespace: bool = True) -> set[tuple[str, str]]:
    """(code, name of the object) with some objects as they are said to be; None takes one away."""
    objects: dict[Any, dict[str, Any]] = {}
    for part in PARTS:
        ref = part.what.ref  # type: ignore[union-attr]
        place = objects.setdefault((ref.api_version, ref.kind, ref.namespace), {})
        if ref.kind == "Secret":
            place[ref.name] = {"metadata": {"name": ref.name}, "data": {"username": "YQ==", "password": "Yg=="}}
        elif ref.kind == "Namespace":
            place[ref.name] = {"metadata": {"name": ref.name}}
        else:
            place[ref.name] = whole(part)
    apis = {"Deployment": "apps/v1", "DaemonSet": "apps/v1", "OpenTelemetryCollector": "opentelemetry.io/v1beta1"}
    for kind, name, obj in changes:
        api = apis.get(kind, "v1")
        place = objects.setdefault((api, kind, "kof"), {})
        if obj is None:
            del place[name]
        else:
            metadata = {"name": name, "namespace": "kof", **obj.get("metadata", {})}
            place[name] = {"apiVersion": api, "kind": kind, **obj, "metadata": metadata}
    if not namespace:  # nothing is listed in it then, and asked for by name nothing is there
        objects = {place: {} for place in objects if place[1] in ("Namespace", "Secret")}
    found = inside.judged("eu1-a", PARTS, objects, {}, lambda _when: True)
    return {(each.verdict.code, each.what) for each in found}


def of_deployment(name: str) -> dict[str, Any]:
    owner = {"kind": "ReplicaSet", "name": f"{name}-abc", "controller": True}
    return {"ownerReferences": [owner], "labels": {"pod-template-hash": "abc"}}


OPENCOST = "kof-collectors-opencost"
CRASHING = {"name": "a", "restartCount": 4, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}


def test_of_a_cluster_that_is_well_nothing_is_told() -> None:
    assert told() == set()


def test_what_is_missing_is_told_by_name_and_of_a_missing_namespace_that_alone() -> None:
    assert told(("Deployment", OPENCOST, None)) == {("workload-missing", f"Deployment kof/{OPENCOST} inside of eu1-a")}
    assert told(namespace=False) == {("workload-missing", "Namespace kof inside of eu1-a")}


def test_a_pod_says_why_its_workload_isnt_ready_and_is_told_once() -> None:
    late = {"spec": {"replicas": 1}, "status": {"replicas": 1}}
    pod = {"metadata": of_deployment(OPENCOST), "status": {"containerStatuses": [CRASHING]}}
    found = told(("Deployment", OPENCOST, late), ("Pod", "x", pod))
    assert found == {("pod-crashing", f"Deployment kof/{OPENCOST} inside of eu1-a")}
    assert told(("Deployment", OPENCOST, late)) == {
        ("deployment-not-available", f"Deployment kof/{OPENCOST} inside of eu1-a")
    }
    assert told(("Pod", "x", pod)) == {("pod-crashing", "Pod kof/x inside of eu1-a")}


def test_a_collector_with_an_old_login_and_one_that_isnt_ready() -> None:
    name = "kof-collectors-k8s-cluster"
    auth = {"basicauth/logs": {"client_auth": {"username": "a", "password": "before"}}}
    collector = {"spec": {"config": {"extensions": auth}}, "status": {"scale": {"statusReplicas": "1/1"}}}
    what = f"OpenTelemetryCollector kof/{name} inside of eu1-a"
    assert told(("OpenTelemetryCollector", name, collector)) == {("login-outdated", what)}
    # Half a login is told as such: it says nothing of who uses it.
    half = ("Secret", "storage-vmuser-credentials", {"data": {"username": "YQ=="}})
    assert told(half, ("OpenTelemetryCollector", name, collector)) == {
        ("secret-empty", "Secret kof/storage-vmuser-credentials inside of eu1-a")
    }
    less = {"status": {"scale": {"statusReplicas": "0/1"}}}
    assert told(("OpenTelemetryCollector", name, less)) == {("collector-not-ready", what)}


def test_a_volume_and_a_load_balancer() -> None:
    claim = {"spec": {"storageClassName": "gone"}, "status": {"phase": "Pending"}}
    assert told(("PersistentVolumeClaim", "x", claim)) == {
        ("volume-not-bound", "PersistentVolumeClaim kof/x inside of eu1-a")
    }
    assert told(("Service", "x", {"spec": {"type": "LoadBalancer"}})) == {
        ("load-balancer-missing", "Service kof/x inside of eu1-a")
    }
