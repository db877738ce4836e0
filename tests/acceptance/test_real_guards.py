"""No object of another fleet or style is ever written or deleted, and none of ours refused for good: random owners,
styles and changes on a real API server, a tenth of them with somebody else writing between our look and our write.

What is right is known from how each object was made, not from asking the guards. 1,000 clusters in the long test, fewer
in the short one; KOF_GUARD_FIRST says from which on. An API server is all it needs.
"""

from __future__ import annotations

import base64
import copy
import dataclasses
import os
import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from deciding.server import APPLY, MERGE, OURS, Server, meddle

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Outcome, Policy
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import connect
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.reconcile import delete, reconcile, ref_of
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import guards, model
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests import (
    cluster_deployment,
    grafana_datasource,
    promxy_server_group,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.common import labels
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import RELEASES

FIRST = int(os.environ.get("KOF_GUARD_FIRST", "0"))
RENDERING: dict[str, Any] = {"kcm_version": "v1alpha1", "template": "t"}
MINE, OTHERS = "ours", ("team-b", "team-c")
NAMESPACE = "guards"
ROLE = "k0rdent.mirantis.com/kof-cluster-role"
BATCH = 20  # clusters of one run, which has one set of permissions

Object = dict[str, Any]


@dataclasses.dataclass
class Case:
    """One object: what is wanted, and what is there in truth.

    :ivar owner: the fleet it belongs to; None for nobody's, and where it isn't there.
    :ivar forbidden: why writing it is no run's right, whatever is permitted.
    :ivar danger: whether writing it is dangerous.
    :ivar meddling: what somebody does just before our first write.
    :ivar version: its resourceVersion after the last write of others; None for an object that isn't there.
    """

    wanted: Object
    owner: str | None = None
    forbidden: str = ""
    danger: bool = False
    made: str = "absent"
    meddling: str = ""
    version: str | None = None


def variants(rng: random.Random, name: str) -> list[Object]:
    """The objects of a random cluster at a random release; whose they are is left to `labelled`."""
    release = RELEASES[rng.choice(sorted(RELEASES))]
    if rng.random() < 0.5:
        given = {
            "kof_version": release.version,
            "child_regional": "r",
            "child_config": {"workersNumber": rng.randint(1, 5)},
        }
        child, _faults = model.parse_child(name, given)
        assert child is not None
        return [cluster_deployment.child(child, **RENDERING, release=release, regional_domain="r.example.com")]
    given = {"kof_version": release.version, "regional_domain": f"{name}.example.com"}
    given |= {"regional_admin_email": "a@example.com", "regional_logs_storage_size": "10Gi"}
    regional, _faults = model.parse_regional(name, given)
    assert regional is not None
    deployment = cluster_deployment.regional(regional, **RENDERING, release=release)
    group, datasource = (
        of(dataclasses.replace(regional, namespace=NAMESPACE), release)
        for of in (promxy_server_group.of_regional, grafana_datasource.of_regional)
    )
    data = {"key": base64.b64encode(name.encode()).decode()}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": NAMESPACE}, "data": data}
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"{NAMESPACE}-{name}"}}
    return [deployment, group, datasource, secret, space]


def labelled(obj: Object, fleet: str | None, more: Object | None = None) -> Object:
    """`obj` as a fleet's, or nobody's."""
    kept = {} if fleet is None else labels(fleet)
    found = copy.deepcopy(obj)
    if obj["metadata"].get("namespace"):
        found["metadata"]["namespace"] = NAMESPACE
    found["metadata"]["labels"] = {**kept, **(more or {})}
    return found


def services(obj: Object) -> list[Object]:
    return obj["spec"]["serviceSpec"]["services"]


class Past:
    """Makes what is there before our run, and what comes in between, in the names of others."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def put(self, obj: Object, manager: str, **more: Any) -> None:
        assert self.server.patch(obj, manager, APPLY, force="true", **more) is not None

    def make(self, rng: random.Random, case: Case) -> None:
        """One of the pasts that make sense for the kind; says in `case` what is true then."""
        kind = case.wanted["kind"]
        pasts = ["absent", "ours", "ours as it is", "another fleet's", "by hand"]
        if kind == "ClusterDeployment":
            pasts += ["labels", "labels of a fleet", "more services", "one off", "Istio"]
            pasts += ["less storage"] if any(each["name"] == "kof-storage" for each in services(case.wanted)) else []
        elif kind == "Namespace":
            pasts += ["our Istio", "a person's Istio"]
        elif kind != "Secret":
            pasts += ["the operator's"]
        case.made = rng.choice(pasts)
        before = labelled(case.wanted, MINE)
        if "spec" in before and case.made != "ours as it is":
            self._older(before)
        getattr(self, f"_{case.made.replace(' ', '_').replace(chr(39), '')}")(rng, case, before)

    @staticmethod
    def _older(obj: Object) -> None:
        if obj["kind"] == "ClusterDeployment":
            obj["spec"]["config"]["workersNumber"] = 99
        elif obj["kind"] == "PromxyServerGroup":
            obj["spec"]["http_client"]["dial_timeout"] = "99s"
        else:
            obj["spec"]["resyncPeriod"] = "99m"

    def _absent(self, _rng: random.Random, _case: Case, _obj: Object) -> None:
        pass

    def _ours(self, _rng: random.Random, case: Case, obj: Object) -> None:
        case.owner = MINE
        self.put(obj, OURS)

    _ours_as_it_is = _ours

    def _another_fleets(self, rng: random.Random, case: Case, obj: Object) -> None:
        case.owner = rng.choice(OTHERS)
        self.put(labelled(obj, case.owner), OURS)

    def _by_hand(self, _rng: random.Random, _case: Case, obj: Object) -> None:
        self.put(labelled(obj, None), "kubectl")

    def _the_operators(self, _rng: random.Random, case: Case, obj: Object) -> None:
        case.forbidden = "kept by kof-operator"
        self.put(labelled(obj, None, {"app.kubernetes.io/managed-by": "kof-operator"}), "kubectl")

    def _labels(self, rng: random.Random, case: Case, obj: Object) -> None:
        case.forbidden = "labels style"
        bare = labelled(obj, case.owner, {ROLE: "regional"} if rng.random() < 0.7 else {})
        del bare["spec"]["serviceSpec"]
        bare["spec"]["config"] = {"clusterAnnotations": {"k0rdent.mirantis.com/kof-storage-values": "a: b"}}
        self.put(bare, OURS if case.owner else "kubectl")

    def _labels_of_a_fleet(self, rng: random.Random, case: Case, obj: Object) -> None:
        case.owner = rng.choice((MINE, *OTHERS))
        self._labels(rng, case, obj)

    def _more_services(self, _rng: random.Random, case: Case, obj: Object) -> None:
        case.owner, case.danger = MINE, True
        services(obj).append({"name": "ingress-nginx", "namespace": "elsewhere", "template": "x"})
        self.put(obj, OURS)

    def _one_off(self, rng: random.Random, case: Case, obj: Object) -> None:
        case.owner, case.danger = MINE, True
        self.put(obj, OURS)
        rng.choice(services(case.wanted))["disable"] = True

    def _less_storage(self, _rng: random.Random, case: Case, obj: Object) -> None:
        case.owner, case.danger = MINE, True
        for service in services(obj):
            service["values"] = service.get("values", "").replace("10Gi", "5Gi")
        self.put(obj, OURS)

    def _Istio(self, _rng: random.Random, case: Case, obj: Object) -> None:
        case.owner, case.danger = MINE, True
        self.put(obj, OURS)
        case.wanted["metadata"]["labels"]["k0rdent.mirantis.com/istio-role"] = "member"

    def _our_Istio(self, _rng: random.Random, case: Case, obj: Object) -> None:
        case.owner, case.danger = MINE, True
        self.put(labelled(obj, MINE, {"istio-injection": "enabled"}), OURS)

    def _a_persons_Istio(self, _rng: random.Random, _case: Case, obj: Object) -> None:
        self.put(labelled(obj, None), "kubectl")
        body = {"metadata": {"labels": {"istio-injection": "enabled"}}}
        assert self.server.patch(obj, "kubectl-label", MERGE, body) is not None

    # -- in between

    def plan(self, rng: random.Random, case: Case) -> None:
        kind, there = case.wanted["kind"], ["touched"] if case.made != "absent" else []
        if there and kind != "Namespace":  # nobody empties one here
            there += ["deleted", "made anew"]
        if there and kind == "ClusterDeployment":
            there += ["status", "given a role"]
        case.meddling = rng.choice(["taken", "taken", *there])

    def interfere(self, case: Case) -> None:
        kind, theirs = case.meddling, labelled(case.wanted, "team-b")
        if kind == "touched":
            body: Object = {"metadata": {"annotations": {"example.com/seen": "now"}}}
            assert self.server.patch(case.wanted, "a-controller", MERGE, body) is not None
        elif kind == "status":
            body = {"status": {"observedGeneration": 7}}
            assert self.server.patch(case.wanted, "a-controller", MERGE, body, "status") is not None
        elif kind == "given a role":
            case.forbidden = "labels style"
            body = {"metadata": {"labels": {ROLE: "regional"}}}
            assert self.server.patch(case.wanted, "kubectl-label", MERGE, body) is not None
        elif kind in ("deleted", "made anew"):
            assert self.server.delete(case.wanted)
            case.owner, case.forbidden, case.danger = None, "", False
        if kind in ("taken", "made anew"):
            case.owner, case.danger = "team-b", False  # it has all that is wanted
            # What a person's manifest has beside that stays.
            case.forbidden = case.forbidden if kind == "taken" and case.made == "labels" else ""
            self.put(theirs, OURS)
        self.look(case)

    def look(self, case: Case) -> None:
        found = self.server.get(case.wanted)
        case.version = found["metadata"]["resourceVersion"] if found else None


@dataclasses.dataclass
class Results:
    """How often what was made ended how, and what ended wrongly."""

    counts: Counter[tuple[str, str, str, str]] = dataclasses.field(default_factory=Counter)
    problems: list[str] = dataclasses.field(default_factory=list)
    interfered: int = 0


def wrong(past: Past, case: Case, outcome: Outcome, permissions: guards.Permissions, *, deleting: bool) -> str | None:
    """What an outcome has that it must not."""
    foreign = case.owner not in (None, MINE, *permissions.take_over)
    dangerous = case.danger and case.wanted["metadata"]["name"] not in permissions.dangerous
    unwanted = not deleting and (case.forbidden or dangerous)
    found = past.server.get(case.wanted)
    if found and deleting and "deletionTimestamp" in found["metadata"]:
        found = None  # a namespace, which nobody empties here
    version = found["metadata"]["resourceVersion"] if found else None
    if foreign or unwanted:
        if version != case.version:
            return "was written to"
        return None if outcome.action == "refused" else f"wasn't touched, but told as {outcome.action}"
    if deleting:
        if case.meddling == "made anew":
            return None  # whoever's it is: another object than the one that was looked at
        return None if found is None else f"is still there: {outcome.reason}"
    if outcome.action == "refused":
        return f"was refused: {outcome.reason}"
    kept = (found or {}).get("metadata", {}).get("labels", {})
    return None if kept.get("app.kubernetes.io/part-of") == MINE else "isn't ours afterwards"


def run_batch(past: Past, kubeconfig: str, first: int, size: int, results: Results) -> None:
    """`size` random clusters in one run of ours: applied, or in every fourth batch deleted."""
    rng = random.Random(first)
    deleting = first // BATCH % 4 == 3
    cases: dict[str, list[Case]] = {}
    for number in range(first, first + size):
        name = f"g{number}-{random.Random().randrange(10**9)}"
        cases[name] = [Case(labelled(obj, MINE)) for obj in variants(rng, name)]
    everyone = [case for of_name in cases.values() for case in of_name]
    seeds = {id(case): rng.random() for case in everyone}
    permissions = guards.Permissions(
        take_over=frozenset(each for each in OTHERS if rng.random() < 0.3),
        dangerous=frozenset(case.wanted["metadata"]["name"] for case in everyone if rng.random() < 0.3),
    )

    def prepare(case: Case) -> None:
        own = random.Random(seeds[id(case)])
        past.make(own, case)
        if own.random() < 0.25:  # not all will be written to: a tenth of all have somebody in between
            past.plan(own, case)
        past.look(case)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(prepare, everyone))
    planned = {past.server.path(case.wanted): case for case in everyone if case.meddling}
    lock = threading.Lock()

    def before(_method: str, path: str) -> None:
        with lock:
            case = planned.pop(path, None)
            results.interfered += case is not None
        if case is not None:
            past.interfere(case)

    with connect({"kubeconfig": kubeconfig}) as own:
        meddle(own, before)
        shared: dict[str, Any] = {"policy": Policy(), "check_mode": False}
        if deleting:
            asked = guards.of_deleting(MINE, permissions)
            outcomes = delete(own, [ref_of(case.wanted) for case in everyone], guards=asked, **shared)
        else:
            asked = guards.of_writing(MINE, permissions)
            outcomes = reconcile(own, [case.wanted for case in everyone], guards=asked, **shared)
        for case in planned.values():
            case.meddling = ""  # nothing was written, so nobody came in between
        for case, outcome in zip(everyone, outcomes, strict=True):
            results.counts[case.wanted["kind"], case.made, case.meddling, outcome.action] += 1
            problem = wrong(past, case, outcome, permissions, deleting=deleting)
            if problem:
                told = f"{ref_of(case.wanted)} ({case.made}, {case.meddling or 'left alone'}, owner {case.owner})"
                results.problems.append(f"case {first}: {'delete' if deleting else 'apply'}: {told} {problem}")
        kept = [case.wanted for case, outcome in zip(everyone, outcomes, strict=True) if outcome.action != "refused"]
        again = [] if deleting else reconcile(own, kept, guards=asked, **shared)
        results.problems += [f"{each.ref} needs a second run" for each in again if each.action != "unchanged"]


def run(control_plane: Any, clusters: int) -> Results:
    results = Results()
    with connect({"kubeconfig": str(control_plane.admin)}) as connection:
        server = Server(connection)
        space: Object = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        assert server.patch(space, "test", APPLY, force="true") is not None
        for first in range(FIRST, FIRST + clusters, BATCH):
            run_batch(Past(server), str(control_plane.kubeconfig), first, min(BATCH, FIRST + clusters - first), results)
    for row, number in sorted(results.counts.items()):
        print(number, *row, sep="\t")
    print(f"{sum(results.counts.values())} objects, {results.interfered} with somebody in between")
    assert not results.problems, "\n".join(results.problems[:20])
    return results


def test_of_a_hundred_random_clusters_none_is_wrongly_written_or_refused(control_plane: Any) -> None:
    results = run(control_plane, 100)
    assert results.interfered > 0.08 * sum(results.counts.values())
    assert {action for *_row, action in results.counts} == {
        "absent", "adopted", "created", "deleted", "refused", "unchanged", "updated"
    }  # fmt: skip


@pytest.mark.long
def test_of_a_thousand_random_clusters_none_is_wrongly_written_or_refused(control_plane: Any) -> None:
    results = run(control_plane, 1000)
    assert results.interfered > 0.08 * sum(results.counts.values())
