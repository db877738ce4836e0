"""Reconciling on a real API server: what is sent, what isn't, and that check mode tells beforehand what happens."""

from __future__ import annotations

import contextlib
import copy
import http.server
import itertools
import json
import threading
import time
from typing import Any

import pytest
from deciding.server import meddle

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import counts, diff_of
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import (
    ApiError,
    ApiUnavailable,
    Connection,
    connect,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.reconcile import (
    Outcome,
    Pending,
    Policy,
    Ref,
    delete,
    foreseen,
    reconcile,
    ref_of,
)

NAMESPACE = "reconcile-test"
_NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def connection(control_plane):
    with connect({"kubeconfig": str(control_plane.kubeconfig)}) as connection:
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": {"kof": "test"}}}
        assert run(connection, space).action in ("created", "unchanged")
        yield connection


def cluster(**config: Any) -> dict[str, Any]:
    services = [
        {"name": "kof-storage", "namespace": "kof", "template": "kof-storage-0-1-1", "values": "password: hunter2\n"}
    ]
    return {
        "apiVersion": "k0rdent.mirantis.com/v1alpha1",
        "kind": "ClusterDeployment",
        "metadata": {"name": f"c{next(_NUMBERS)}-{time.time_ns()}", "namespace": NAMESPACE, "labels": {"fleet": "kof"}},
        "spec": {
            "template": "aws-standalone-cp-0-1-0",
            "credential": "aws",
            "config": {"region": "us-east-2", "workersNumber": 3, "clusterLabels": {"a.b/c": "true"}, **config},
            "serviceSpec": {"priority": 100, "services": services},
        },
    }


def run(connection: Connection, *wanted: dict[str, Any], check: bool = False, **policy: Any) -> Outcome:
    outcomes = reconcile(connection, wanted, policy=Policy(**policy), check_mode=check)
    return outcomes[0]


#: By the CRD's schema.
DEFAULTED = {"spec.propagateCredentials", "spec.serviceSpec.stopOnConflict", "spec.serviceSpec.syncMode"}


def _paths(outcome: Outcome) -> list[str]:
    """Of a new object the server adds its own."""
    return [] if outcome.action == "created" else sorted(change.path for change in outcome.changes)


def both(connection: Connection, wanted: dict[str, Any], **policy: Any) -> Outcome:
    """Check mode, then really; both must say the same, and check mode must have changed nothing."""
    before = live(connection, wanted)
    foretold = foreseen(wanted, before, policy=Policy(**policy))
    predicted = run(connection, wanted, check=True, **policy)
    assert live(connection, wanted) == before
    real = run(connection, wanted, **policy)
    ours = ("owned by field manager", "is being deleted", "belongs to")
    if real.action != "refused" or any(each in str(real.reason) for each in ours):
        assert (foretold.action, foretold.reason) == (real.action, real.reason)
        # Of an object that a hand made the server's defaults were the hand's, and are set again.
        more = set(_paths(foretold)) - set(_paths(real))
        assert more <= (DEFAULTED if real.action == "adopted" else set())
        assert set(_paths(real)) <= set(_paths(foretold))
    assert (predicted.action, predicted.changes, predicted.took_back, predicted.reason) == (
        real.action,
        real.changes,
        real.took_back,
        real.reason,
    )
    return real


def live(connection: Connection, wanted: dict[str, Any]) -> Any:
    ref = ref_of(wanted)
    try:
        return connection.request("GET", connection.path(ref.api_version, ref.kind, ref.namespace, ref.name))
    except ApiError as error:
        if error.status != 404:
            raise
        return None


def writes(connection: Connection) -> int:
    return sum(number for method, number in connection.counts.items() if method not in ("GET", "WATCH"))


def paths(outcome: Outcome) -> list[str]:
    return [change.path for change in outcome.changes]


def managers(connection: Connection, wanted: dict[str, Any]) -> list[tuple[str, str]]:
    found = live(connection, wanted)
    assert found is not None
    return [(entry["manager"], entry["operation"]) for entry in found["metadata"]["managedFields"]]


def edit(connection: Connection, wanted: dict[str, Any], manager: str, change: dict[str, Any]) -> None:
    ref = ref_of(wanted)
    path = connection.path(ref.api_version, ref.kind, ref.namespace, ref.name)
    query = {"fieldManager": manager}
    connection.request("PATCH", path, query=query, body=change, content_type="application/merge-patch+json")


def test_create_then_nothing_then_update(connection):
    wanted = cluster()
    created = both(connection, wanted)
    assert created.action == "created"
    assert "spec.config.region" in paths(created)
    assert "hunter2" not in str(created)
    before = writes(connection)
    assert run(connection, wanted).action == "unchanged"
    assert run(connection, wanted, check=True).action == "unchanged"
    assert writes(connection) == before, "an unchanged object was written to"
    wanted["spec"]["config"]["region"] = "eu-west-1"
    del wanted["spec"]["config"]["workersNumber"]
    updated = both(connection, wanted)
    assert updated.action == "updated"
    assert paths(updated) == ["spec.config.region", "spec.config.workersNumber"]
    assert not updated.took_back


def test_a_hand_s_change_is_taken_back_with_one_patch_and_named(connection, control_plane):
    wanted = cluster()
    run(connection, wanted)
    patch = json.dumps({"spec": {"config": {"region": "elsewhere"}}})
    name = wanted["metadata"]["name"]
    control_plane.kubectl(
        "patch", "clusterdeployment", name, "-n", NAMESPACE, "--type=merge", "--field-manager=kubectl-edit", "-p", patch
    )
    before = writes(connection)
    outcome = both(connection, wanted)
    assert writes(connection) == before + 2  # one dry run, one patch
    assert outcome.action == "updated"
    ((field, manager, when),) = outcome.took_back
    assert (field, manager) == ("spec.config.region", "kubectl-edit")
    assert when.startswith("20")
    assert outcome.changes[0].taken_from == "kubectl-edit"
    assert run(connection, wanted).action == "unchanged"
    assert managers(connection, wanted) == [("k0rdent.kof", "Apply")]


def test_what_a_hand_added_goes_too_but_a_label_of_theirs_stays(connection):
    wanted = cluster()
    run(connection, wanted)
    edit(connection, wanted, "kubectl-edit", {"spec": {"dryRun": True, "config": {"extra": 1}}})
    edit(connection, wanted, "kubectl-label", {"metadata": {"labels": {"mine": "1"}}})
    outcome = both(connection, wanted)
    assert {field for field, _manager, _time in outcome.took_back} == {"spec.dryRun", "spec.config.extra"}
    assert (live(connection, wanted) or {})["metadata"]["labels"]["mine"] == "1"
    assert run(connection, wanted).action == "unchanged"


def test_never_and_always(connection):
    wanted = cluster()
    run(connection, wanted)
    edit(connection, wanted, "kubectl-edit", {"spec": {"config": {"region": "elsewhere"}}})
    before = writes(connection)
    outcome = both(connection, wanted, force_conflicts="never")
    assert outcome.action == "refused"
    assert "spec.config.region" in (outcome.reason or "")
    assert "kubectl-edit" in (outcome.reason or "")
    assert writes(connection) == before
    edit(connection, wanted, "manager", {"spec": {"config": {"region": "by a controller"}}})
    outcome = both(connection, wanted)
    assert outcome.action == "refused"
    assert "'manager'" in (outcome.reason or "")
    assert writes(connection) == before + 1  # the edit
    assert both(connection, wanted, force_conflicts="always").action == "updated"
    assert run(connection, wanted).action == "unchanged"


def test_an_object_applied_by_hand_is_adopted(connection, control_plane):
    wanted = cluster()
    guide = copy.deepcopy(wanted)
    guide["metadata"]["labels"] = {"kof": "storage", "fleet": "kof"}
    guide["spec"]["config"] |= {"region": "elsewhere", "publicIP": True, "old": {"deep": 1}}
    control_plane.kubectl("apply", "-f", "-", stdin=json.dumps(guide))
    assert "belongs to kubectl" in (both(connection, wanted, adopt=False).reason or "")
    outcome = both(connection, wanted)
    assert outcome.action == "adopted"
    gone = {change.path for change in outcome.changes if change.after is None}
    assert {"spec.config.publicIP", "spec.config.old.deep", "metadata.labels.kof"} <= gone
    assert managers(connection, wanted) == [("k0rdent.kof", "Apply")]
    found = live(connection, wanted) or {}
    assert "old" not in found["spec"]["config"]
    assert "annotations" not in found["metadata"]
    before = writes(connection)
    assert run(connection, wanted).action == "unchanged"
    assert writes(connection) == before


def test_kubectl_apply_server_side_and_create_are_adopted(connection, control_plane):
    for command in (("apply", "--server-side"), ("create",)):
        wanted = cluster()
        control_plane.kubectl(*command, "-f", "-", stdin=json.dumps(wanted))
        outcome = both(connection, wanted)
        assert outcome.action == "adopted"
        assert managers(connection, wanted) == [("k0rdent.kof", "Apply")]
        assert run(connection, wanted).action == "unchanged"


def test_a_controller_s_object_is_joined_only_where_it_agrees(connection):
    wanted = cluster()
    query = {"fieldManager": "helm"}
    path = connection.path(wanted["apiVersion"], wanted["kind"], NAMESPACE)
    connection.request("POST", path, query=query, body=wanted)
    assert both(connection, wanted).action == "adopted"
    wanted["spec"]["config"]["region"] = "elsewhere"
    outcome = both(connection, wanted)
    assert outcome.action == "refused"
    assert "'helm'" in (outcome.reason or "")


def test_what_is_being_deleted_is_refused(connection):
    wanted = cluster()
    run(connection, wanted)
    edit(connection, wanted, "manager", {"metadata": {"finalizers": ["example.com/held"]}})
    (gone,) = delete(connection, [ref_of(wanted)], policy=Policy(), check_mode=False)
    assert gone.action == "deleted"
    before = writes(connection)
    outcome = both(connection, wanted)
    assert outcome.action == "refused"
    assert "example.com/held" in (outcome.reason or "")
    assert "being deleted since 20" in (outcome.reason or "")
    (again,) = delete(connection, [ref_of(wanted)], policy=Policy(), check_mode=False)
    assert (again.action, again.changed) == ("unchanged", False)
    assert writes(connection) == before
    edit(connection, wanted, "manager", {"metadata": {"finalizers": None}})
    assert both(connection, wanted).action == "created"


def test_delete(connection):
    wanted = cluster()
    run(connection, wanted)
    ref = ref_of(wanted)
    (predicted,) = delete(connection, [ref], policy=Policy(), check_mode=True)
    assert predicted.action == "deleted"
    assert live(connection, wanted) is not None
    seen = live(connection, wanted)
    (done,) = delete(connection, [ref], policy=Policy(), check_mode=False)
    assert done.action == "deleted"
    assert live(connection, wanted) is None
    (absent,) = delete(connection, [ref], policy=Policy(), check_mode=False)
    assert absent.action == "absent"
    unserved = Ref("nothing.example.com/v1", "Nothing", "x", "y")
    assert delete(connection, [unserved], policy=Policy(), check_mode=False)[0].action == "absent"
    run(connection, wanted)
    (other,) = delete(connection, [ref], policy=Policy(), check_mode=False, live={ref: seen})
    assert other.action == "refused"
    assert live(connection, wanted) is not None, "another object of that name was deleted"


class Missing(Connection):
    """The real server behind a webhook that misses something else: kcm's answers 404 for a missing Credential."""

    message = (
        'admission webhook "validation.clusterdeployment.k0rdent.mirantis.com" denied the request: '
        'Credential.k0rdent.mirantis.com "aws" not found'
    )

    def request(self, method: str, path: str, **options: Any) -> Any:
        self.tries = getattr(self, "tries", 0) + (method != "GET")
        if method in ("DELETE", "PATCH"):
            raise ApiError(404, "NotFound", self.message)
        return super().request(method, path, **options)


def test_a_delete_that_a_webhook_answers_with_404_has_deleted_nothing(connection, control_plane):
    wanted = cluster()
    run(connection, wanted)
    ref = ref_of(wanted)
    refusing = Missing(connection._settings)
    for check in (True, False):
        (refused,) = delete(refusing, [ref], policy=Policy(), check_mode=check)
        assert refused.action == "refused"
        assert 'Credential.k0rdent.mirantis.com "aws" not found' in (refused.reason or "")
    assert live(connection, wanted) is not None
    seen = live(connection, wanted)
    delete(connection, [ref], policy=Policy(), check_mode=False)
    (gone,) = delete(refusing, [ref], policy=Policy(), check_mode=False, live={ref: seen})
    assert gone.action == "deleted"  # somebody else was quicker
    refusing.close()


@pytest.mark.parametrize("there", [True, False])
def test_an_apply_that_a_webhook_answers_with_404_is_refused_at_once(connection, there):
    wanted = cluster()
    if there:
        run(connection, wanted)
        wanted["spec"]["config"]["workersNumber"] = 9
    with Missing(connection._settings) as refusing:
        (refused,) = reconcile(refusing, [wanted], policy=Policy(), check_mode=False)
        assert refusing.tries == 1
    assert refused.action == "refused"
    assert 'Credential.k0rdent.mirantis.com "aws" not found' in (refused.reason or "")


def test_refusals_say_the_field_and_no_secret(connection):
    unknown = cluster()
    unknown["spec"]["tempalte"] = "x"
    outcome = both(connection, unknown)
    assert outcome.reason == "doesn't fit the schema: spec.tempalte: field not declared in schema"
    wrong = cluster()
    wrong["spec"]["serviceSpec"]["services"][0]["values"] = {"password": "hunter2"}
    outcome = both(connection, wrong)
    assert "spec.serviceSpec.services" in (outcome.reason or "")
    assert "hunter2" not in str(outcome)
    missing = cluster()
    del missing["spec"]["serviceSpec"]["services"][0]["template"]
    assert "spec.serviceSpec.services[0].template: Required value" in (both(connection, missing).reason or "")
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "S_hunter2", "namespace": NAMESPACE}}
    assert "hunter2" not in (both(connection, secret).reason or "")
    secret = {**secret, "metadata": {"name": "s", "namespace": NAMESPACE}, "data": {"a": "hunter2!"}}
    outcome = both(connection, secret)
    assert outcome.action == "refused"
    assert "hunter2" not in str(outcome)
    surrogate = both(connection, cluster(text="\ud800"))
    assert "spec.config.text" in (surrogate.reason or "")
    for one in (outcome, surrogate):
        assert len(one.reason or "") <= 300


def test_one_refused_holds_back_no_other(connection):
    wanted = [cluster() for _number in range(12)]
    wanted[5]["spec"]["nonsense"] = 1
    outcomes = reconcile(connection, wanted, policy=Policy(), check_mode=False)
    assert counts(outcomes) == {"created": 11, "refused": 1}
    assert [outcome.ref for outcome in outcomes] == [ref_of(one) for one in wanted]
    assert outcomes[5].action == "refused"


def test_what_is_not_there_yet_is_predicted_when_it_is_pending(connection):
    homeless = cluster()
    homeless["metadata"]["namespace"] = "not-there-yet"
    unserved = {
        "apiVersion": "new.example.com/v1",
        "kind": "New",
        "metadata": {"name": "x"},
        "spec": {"password": "hunter2"},
    }
    for pending in (None, Pending({("Namespace", "another"), ("crd", "new.example.com/Other")})):
        outcomes = reconcile(connection, [homeless, unserved], policy=Policy(), check_mode=True, pending=pending)
        assert [outcome.action for outcome in outcomes] == ["refused", "refused"]
    pending = Pending({("Namespace", "not-there-yet"), ("crd", "new.example.com/New")})
    outcomes = reconcile(connection, [homeless, unserved], policy=Policy(), check_mode=True, pending=pending)
    assert [outcome.action for outcome in outcomes] == ["created", "created"]
    assert outcomes[0].not_checked == "Namespace not-there-yet"
    assert outcomes[1].not_checked == "CustomResourceDefinition of New (new.example.com)"
    assert "not checked by the server: needs Namespace not-there-yet" in diff_of(outcomes)[0]["after_header"]
    assert "hunter2" not in str(diff_of(outcomes))
    really = reconcile(connection, [homeless, unserved], policy=Policy(), check_mode=False, pending=pending)
    assert [outcome.action for outcome in really] == ["refused", "refused"]


def test_an_object_that_moves_under_our_hands_is_decided_again(connection):
    wanted = cluster()
    run(connection, wanted)
    edit(connection, wanted, "kubectl-edit", {"spec": {"config": {"region": "elsewhere"}}})
    stale = live(connection, wanted)
    edit(connection, wanted, "manager", {"metadata": {"annotations": {"x": "y"}}})
    outcomes = reconcile(connection, [wanted], policy=Policy(), check_mode=False, live={ref_of(wanted): stale})
    assert outcomes[0].action == "updated"
    assert outcomes[0].took_back[0][1] == "kubectl-edit"
    assert run(connection, wanted).action == "unchanged"


def test_a_status_write_in_between_is_no_change_of_ours(connection):
    wanted = cluster()
    run(connection, wanted)
    stale = copy.deepcopy(live(connection, wanted) or {})
    stale["metadata"]["managedFields"].append(
        {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {"f:metadata": {"f:labels": {"f:fleet": {}}}}}
    )
    ref = ref_of(wanted)
    path = connection.path(ref.api_version, ref.kind, ref.namespace, ref.name) + "/status"
    connection.request(
        "PATCH", path, body={"status": {"observedGeneration": 1}}, content_type="application/merge-patch+json"
    )
    (outcome,) = reconcile(connection, [wanted], policy=Policy(), check_mode=False, live={ref: stale})
    assert outcome.action in ("unchanged", "adopted")
    assert not outcome.changes


def test_an_unchanged_fleet_costs_one_list_and_no_write(connection):
    wanted = [cluster() for _number in range(60)]
    outcomes = reconcile(connection, wanted, policy=Policy(), check_mode=False)
    assert counts(outcomes) == {"created": 60}
    before = dict(connection.counts)
    steps: list[tuple[int, int]] = []
    outcomes = reconcile(
        connection, wanted, policy=Policy(), check_mode=False, progress=lambda done, total: steps.append((done, total))
    )
    assert counts(outcomes) == {"unchanged": 60}
    assert connection.counts["GET"] - before["GET"] <= 2
    assert connection.counts["PATCH"] == before["PATCH"]
    assert steps == []
    wanted[7]["spec"]["config"]["region"] = "elsewhere"
    outcomes = reconcile(connection, wanted, policy=Policy(), check_mode=False)
    assert counts(outcomes) == {"unchanged": 59, "updated": 1}
    assert connection.counts["PATCH"] == before["PATCH"] + 1


def test_diffs_are_capped_and_say_so(connection):
    outcomes = reconcile(connection, [cluster() for _number in range(30)], policy=Policy(), check_mode=True)
    entries = diff_of(outcomes, cap_object=5, cap_total=20)
    assert len(entries) == 5
    assert "more lines" in entries[0]["after"]
    assert entries[-1]["after"].startswith("26 more changed objects")


def test_the_whole_run_s_time_limit(connection):
    wanted = [cluster() for _number in range(20)]
    outcomes = reconcile(connection, wanted, policy=Policy(deadline=1e-9), check_mode=False, live={})
    assert all("time limit" in (outcome.reason or "") for outcome in outcomes)


# -- through a proxy that breaks things


@pytest.fixture
def meddled(control_plane):
    """meddled(before): a connection of its own, see `meddle`."""
    with contextlib.ExitStack() as stack:

        def make(before: Any) -> Connection:
            own = stack.enter_context(connect({"kubeconfig": str(control_plane.kubeconfig)}))
            meddle(own, before)
            return own

        yield make


def once(action: Any) -> Any:
    """`action` before the first write only."""
    left = [action]
    return lambda _method, _path: left.pop()() if left else None


def test_a_forced_apply_takes_nothing_from_who_came_in_between(connection, meddled):
    wanted = cluster()
    run(connection, wanted)
    edit(connection, wanted, "kubectl-edit", {"spec": {"config": {"region": "elsewhere"}}})

    def controller() -> None:
        edit(connection, wanted, "a-controller", {"spec": {"config": {"region": "eu-west-1"}}})

    (outcome,) = reconcile(meddled(once(controller)), [wanted], policy=Policy(), check_mode=False)
    assert outcome.action == "refused"
    assert "'a-controller'" in (outcome.reason or "")
    assert live(connection, wanted)["spec"]["config"]["region"] == "eu-west-1"


def test_a_take_over_s_apply_is_of_the_object_that_was_handed_over(connection, control_plane, meddled):
    wanted = cluster()
    control_plane.kubectl("apply", "-f", "-", stdin=json.dumps({**wanted, "spec": {**wanted["spec"], "dryRun": True}}))
    seen: list[str] = []

    def before(method: str, _path: str) -> None:
        seen.append(method)
        if len(seen) == 2:  # the owners are handed over, the apply comes next
            edit(connection, wanted, "a-controller", {"metadata": {"labels": {"owner": "other"}}})

    outcomes = reconcile(meddled(before), [wanted], policy=Policy(), check_mode=False, guards=[not_another_s])
    assert outcomes[0].action == "refused"
    assert "template" in live(connection, wanted)["spec"]


def not_another_s(found: Any, _wanted: Any) -> str | None:
    return "it is another's" if found["metadata"].get("labels", {}).get("owner") == "other" else None


@pytest.mark.parametrize("check", [True, False])
def test_a_guard_keeps_an_object_as_it_is(connection, check):
    wanted, free = cluster(), cluster()
    run(connection, {**wanted, "metadata": {**wanted["metadata"], "labels": {"owner": "other"}}})
    before = live(connection, wanted)
    outcomes = reconcile(connection, [wanted, free], policy=Policy(), check_mode=check, guards=[not_another_s])
    assert [outcome.action for outcome in outcomes] == ["refused", "created"]
    assert outcomes[0].reason == "it is another's"
    refs = [ref_of(wanted)]
    (kept,) = delete(connection, refs, policy=Policy(), check_mode=check, guards=[not_another_s])
    assert (kept.action, kept.reason) == ("refused", "it is another's")
    assert live(connection, wanted) == before


def test_a_guard_costs_no_request_and_is_not_asked_of_the_unchanged(connection):
    wanted = [cluster() for _number in range(5)]
    asked: list[Any] = []

    def guard(found: Any, want: Any) -> str | None:
        asked.append((found, want))
        return None

    reconcile(connection, wanted, policy=Policy(), check_mode=False)
    before = dict(connection.counts)
    reconcile(connection, wanted, policy=Policy(), check_mode=False, guards=[guard])
    assert not asked
    wanted[2]["spec"]["config"]["workersNumber"] = 5
    reconcile(connection, wanted, policy=Policy(), check_mode=False, guards=[guard])
    sent = {method: number - before[method] for method, number in connection.counts.items() if number > before[method]}
    assert sent == {"GET": 2, "PATCH": 1}, "one LIST each, and one apply"
    assert [(found["metadata"]["name"], want) for found, want in asked] == [(wanted[2]["metadata"]["name"], wanted[2])]


def another_fleet_writes(connection: Connection, wanted: dict[str, Any]) -> Any:
    """By the same field manager, as all fleets do."""
    theirs = copy.deepcopy(wanted)
    theirs["metadata"]["labels"]["owner"] = "other"

    def write() -> None:
        ref = ref_of(wanted)
        connection.request(
            "PATCH",
            connection.path(ref.api_version, ref.kind, ref.namespace, ref.name),
            query={"fieldManager": "k0rdent.kof", "force": "true"},
            body=theirs,
            content_type="application/apply-patch+yaml",
        )

    return write


@pytest.mark.parametrize("there", [False, True])
def test_what_another_fleet_made_its_own_in_between_is_not_written(connection, meddled, there):
    wanted = cluster()
    if there:
        run(connection, wanted)
        wanted["spec"]["config"]["workersNumber"] = 7
    own = meddled(once(another_fleet_writes(connection, wanted)))
    (outcome,) = reconcile(own, [wanted], policy=Policy(), check_mode=False, guards=[not_another_s])
    assert (outcome.action, outcome.reason) == ("refused", "it is another's")
    assert live(connection, wanted)["metadata"]["labels"]["owner"] == "other"


def test_what_another_fleet_made_its_own_in_between_is_not_deleted(connection, meddled):
    wanted = cluster()
    run(connection, wanted)
    own = meddled(once(another_fleet_writes(connection, wanted)))
    (outcome,) = delete(own, [ref_of(wanted)], policy=Policy(), check_mode=False, guards=[not_another_s])
    assert (outcome.action, outcome.reason) == ("refused", "it is another's")
    assert live(connection, wanted) is not None


def test_who_keeps_writing_is_outlasted_and_who_never_ends_is_named(connection, meddled):
    wanted = cluster()
    run(connection, wanted)
    wanted["spec"]["config"]["workersNumber"] = 7
    numbers = itertools.count()

    def status(_method: str = "", _path: str = "") -> None:
        ref = ref_of(wanted)
        path = connection.path(ref.api_version, ref.kind, ref.namespace, ref.name) + "/status"
        body = {"status": {"observedGeneration": next(numbers)}}
        connection.request("PATCH", path, body=body, content_type="application/merge-patch+json")

    def thrice(_method: str, _path: str) -> None:
        if next(calls) < 3:
            status()

    calls = itertools.count()
    (outcome,) = reconcile(meddled(thrice), [wanted], policy=Policy(), check_mode=False)
    assert outcome.action == "updated"
    wanted["spec"]["config"]["workersNumber"] = 8
    (outcome,) = reconcile(meddled(status), [wanted], policy=Policy(), check_mode=False)
    assert outcome.action == "refused"
    assert "others kept changing it" in (outcome.reason or "")
    calls = itertools.count()
    (outcome,) = delete(meddled(thrice), [ref_of(wanted)], policy=Policy(), check_mode=False)
    assert outcome.action == "deleted"
    assert live(connection, wanted) is None


GROUP = "migration.example.com"


def versions(connection: Connection, kind: str, phase: str) -> None:
    """Write the CRD: first with v1alpha1 (only), or with two equal versions (both), then with a v1beta1 that has a
    default: served, unserved or removed says what became of v1alpha1."""

    def version(name: str, **more: Any) -> dict[str, Any]:
        spec = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}, **more}}
        status = {"type": "object", "properties": {"seen": {"type": "string"}}}
        schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec, "status": status}}}
        one = {"name": name, "served": True, "storage": False, "schema": schema, "subresources": {"status": {}}}
        return one

    default = {} if phase == "both" else {"mode": {"type": "string", "default": "fast"}}
    old, new = version("v1alpha1"), version("v1beta1", **default)
    listed = [old] if phase == "only" else [new] if phase == "removed" else [old, new]
    listed[-1]["storage"] = True
    old["served"] = phase != "unserved"
    plural = f"{kind.lower()}s"
    names = {"kind": kind, "plural": plural, "singular": kind.lower()}
    spec = {"group": GROUP, "scope": "Namespaced", "names": names, "versions": listed}
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{plural}.{GROUP}"
    head = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
    if phase == "removed":
        # Nothing is stored at the old version any more: then it may go.
        body = {"status": {"storedVersions": ["v1beta1"]}}
        connection.request("PATCH", f"{path}/status", body=body, content_type="application/merge-patch+json")
    body = {**head, "metadata": {"name": f"{plural}.{GROUP}"}, "spec": spec}
    query = {"fieldManager": "test", "force": "true"}
    connection.request("PATCH", path, query=query, body=body, content_type="application/apply-patch+yaml")
    served = {each["name"] for each in listed if each["served"]}
    end = time.monotonic() + 120
    while {each for each in ("v1alpha1", "v1beta1") if is_served(connection, each, kind)} != served:
        assert time.monotonic() < end
        time.sleep(0.1)


def is_served(connection: Connection, version: str, kind: str) -> bool:
    try:
        found = connection.request("GET", f"/apis/{GROUP}/{version}")["resources"]
    except ApiError:
        return False
    return any(each["kind"] == kind for each in found)


@pytest.mark.parametrize("phase", ["served", "unserved", "removed"])
def test_owners_at_an_older_api_version_are_brought_along(control_plane, phase):
    with connect({"kubeconfig": str(control_plane.admin)}) as admin:
        kind = f"Gadget{phase.capitalize()}{time.time_ns() % 10**9}"
        wanted: dict[str, Any] = {
            "apiVersion": f"{GROUP}/v1alpha1",
            "kind": kind,
            "metadata": {"name": "one", "namespace": NAMESPACE},
            "spec": {"a": "1"},
        }
        versions(admin, kind, "both" if phase == "removed" else "only")
        assert run(admin, wanted).action == "created"
        edit(admin, wanted, "a-controller", {"spec": {"b": "theirs"}})
        path = admin.path(wanted["apiVersion"], kind, NAMESPACE, "one")
        query = {"fieldManager": "a-controller"}
        body = {"status": {"seen": "1"}}
        admin.request("PATCH", f"{path}/status", query=query, body=body, content_type="application/merge-patch+json")
        versions(admin, kind, phase)
    with connect({"kubeconfig": str(control_plane.admin)}) as admin:
        wanted["apiVersion"] = f"{GROUP}/v1beta1"
        assert run(admin, wanted).action != "refused"
        for value in ("2", "3"):
            wanted["spec"] = {"a": value}
            before = live(admin, wanted)
            predicted = run(admin, wanted, check=True)
            assert live(admin, wanted) == before
            outcome = run(admin, wanted)
            assert (outcome.action, predicted.action) == ("updated", "updated"), (outcome.reason, predicted.reason)
        assert paths(outcome) == paths(predicted) == ["spec.a"]
        assert live(admin, wanted)["spec"] == {"a": "3", "b": "theirs", "mode": "fast"}
        assert run(admin, wanted).action == "unchanged"
        owners = {(entry["manager"], entry["operation"]) for entry in live(admin, wanted)["metadata"]["managedFields"]}
        assert {("k0rdent.kof", "Apply"), ("a-controller", "Update")} <= owners
        assert "before-first-apply" not in str(owners)


class FaultProxy:
    """HTTP in front of the real API server; `fault(number, method)` may answer, break or delay a request."""

    def __init__(self, upstream: Connection, fault: Any) -> None:
        self.fault = fault
        self.number = 0
        self.upstream = upstream
        lock = threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def forward(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or None
                with lock:
                    outer.number += 1
                    number = outer.number
                kind = outer.fault(number, self.command)
                if kind == "hang":
                    time.sleep(1.5)
                    self.close_connection = True
                    return
                if kind == "reset":
                    self.close_connection = True
                    self.connection.shutdown(2)
                    return
                if isinstance(kind, int):
                    failure = {"kind": "Status", "message": f"made up {kind}", "reason": "InternalError"}
                    self.reply(kind, json.dumps(failure).encode(), {"Retry-After": "1"} if kind == 429 else {})
                    return
                headers = {"Accept": "application/json"}
                if body is not None:
                    headers["Content-Type"] = self.headers["Content-Type"]
                transport = outer.upstream._transport
                answer = transport.ask(self.command, self.path, headers, body, time.monotonic() + 30)
                if kind == "lost":  # done, but the answer never arrives
                    self.close_connection = True
                    self.connection.shutdown(2)
                    return
                self.reply(answer.status, answer.body, {})

            do_GET = do_PATCH = do_POST = do_DELETE = forward

            def reply(self, status: int, data: bytes, headers: dict[str, str]) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_args: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def __enter__(self) -> Connection:
        return connect({"host": f"http://127.0.0.1:{self.server.server_port}"}, {})

    def __exit__(self, *_exc: object) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.mark.parametrize("kind", [429, 500, 502, 503, "reset", "lost", "hang"])
def test_a_fleet_gets_through_every_kind_of_trouble(connection, kind):
    wanted = [cluster() for _number in range(24)]
    victims = {5, 9, 10, 14, 20}

    def fault(number: int, _method: str) -> Any:
        return kind if number in victims else None

    with FaultProxy(connection, fault) as troubled:
        outcomes = reconcile(troubled, wanted, policy=Policy(request_timeout=1), check_mode=False)
        # An answer that was lost may turn a created into an updated; nothing may be refused.
        assert set(counts(outcomes)) <= {"created", "updated"}, [o.reason for o in outcomes if o.reason]
        outcomes = reconcile(connection, wanted, policy=Policy(), check_mode=False)
        assert counts(outcomes) == {"unchanged": 24}


def test_a_server_that_goes_away_for_good_ends_the_run_soon_and_says_so(connection):
    wanted = [cluster() for _number in range(24)]
    with FaultProxy(connection, lambda number, _method: "reset" if number > 10 else None) as troubled:
        started = time.monotonic()
        outcomes = reconcile(troubled, wanted, policy=Policy(deadline=4), check_mode=False)
        assert time.monotonic() - started < 60
    done = counts(outcomes)
    assert done["created"] >= 1
    assert done["refused"] >= 1
    for outcome in outcomes:
        if outcome.action == "refused":
            assert "can't reach the API server" in (outcome.reason or "") or "not tried" in (outcome.reason or "")
    assert set(counts(reconcile(connection, wanted, policy=Policy(), check_mode=False))) <= {"created", "unchanged"}


def test_nothing_can_be_read_at_all(connection):
    with (
        FaultProxy(connection, lambda _number, _method: "reset") as troubled,
        pytest.raises(ApiUnavailable, match="connection broken"),
    ):
        reconcile(troubled, [cluster()], policy=Policy(), check_mode=False)


def test_a_killed_and_restarted_api_server(control_plane, connection):
    wanted = [cluster() for _number in range(150)]
    with connect({"kubeconfig": str(control_plane.kubeconfig)}) as own:
        own.request("GET", "/api")
        done: list[int] = []
        restart = threading.Thread(target=control_plane.restart, kwargs={"down_seconds": 1})

        def progress(number: int, _total: int) -> None:
            done.append(number)
            if len(done) == 20:
                restart.start()

        outcomes = reconcile(own, wanted, policy=Policy(), check_mode=False, progress=progress)
        restart.join(180)
        assert set(counts(outcomes)) <= {"created", "updated"}, [o.reason for o in outcomes if o.reason][:3]
        assert counts(reconcile(own, wanted, policy=Policy(), check_mode=False)) == {"unchanged": 150}
