"""The proof of "unchanged" and what it must not prove; the API server's own opinion is asked in test_decider.py."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.ownership import (
    FIELD_MANAGER,
    claims,
    handover,
    is_hand,
    of_people,
    same,
    subtract,
    unchanged,
    union,
)

WANT: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Thing",
    "metadata": {"name": "x", "namespace": "n", "labels": {"l": "1"}},
    "spec": {"a": 1, "b": {"c": True}, "list": [{"x": 1}], "selector": {"m": {"k": "v"}}},
}
FIELDS: Any = {
    "f:metadata": {"f:labels": {"f:l": {}}},
    "f:spec": {"f:a": {}, "f:b": {"f:c": {}}, "f:list": {}, "f:selector": {}},
}


def entry(fields, manager=FIELD_MANAGER, operation="Apply", **more):
    return {
        "manager": manager,
        "operation": operation,
        "apiVersion": "v1",
        "fieldsType": "FieldsV1",
        "time": "2026-01-01T00:00:00Z",
        "fieldsV1": fields,
        **more,
    }


def live(*others, own=None, **changes):
    """WANT as the server has it: our entry with the fields `own` (None: FIELDS), then `others`."""
    ours = entry(FIELDS if own is None else own)
    result = copy.deepcopy(WANT)
    result["spec"].update(changes)
    result["metadata"] |= {"uid": "u", "resourceVersion": "1", "managedFields": [ours, *others]}
    return result


def test_proved():
    assert unchanged(WANT, live())
    assert unchanged(WANT, live(a=1.0))
    assert unchanged(WANT, live(defaulted_by_server=5))
    assert unchanged(WANT, live(entry({"f:status": {"f:x": {}}}, "manager", "Update", subresource="status")))
    assert unchanged(WANT, live(entry({"f:metadata": {"f:finalizers": {".": {}}}}, "manager", "Update")))
    assert unchanged(WANT, live(entry({"f:metadata": {"f:labels": {"f:mine": {}}}}, "kubectl-label", "Update")))


@pytest.mark.parametrize(
    "found",
    [
        live(a=2),
        live(a=True),
        live(a="1"),
        live(b={"c": 1}),
        live(b={}),
        live(list=[{"x": 1}, {}]),
        live(list=[{"x": True}]),
        live(selector={"m": {"k": "w"}}),
        live(own={**FIELDS, "f:more": {}}),
        live(own={"f:spec": FIELDS["f:spec"]}),
        live(own={**FIELDS, "f:spec": {**FIELDS["f:spec"], "f:old": {}}}, old=1),
        live(own={**FIELDS, "f:spec": {**FIELDS["f:spec"], "f:b": {}}}),
        live(own={**FIELDS, "f:spec": {**FIELDS["f:spec"], "f:list": {'k:{"x":2}': {}}}}),
        live(entry({"f:spec": {"f:extra": {}}}, "kubectl-edit", "Update"), extra=1),
        live(entry({"f:spec": {"f:a": {}}}, "kubectl-client-side-apply", "Update")),
        live(entry({"f:spec": {"f:a": {}}}, operation="Update")),
        live(entry({}, subresource="scale")),
    ],
)
def test_not_proved(found):
    assert not unchanged(WANT, found)


def keyed(items, wanted=None, steps=None, others=()):
    """A wish for a list with keys, and a live object that has `items` there, of which `steps` are ours."""
    want = {**WANT, "spec": {"list": [{"n": "a", "v": 1}, {"n": "b"}] if wanted is None else wanted}}
    own: Any = {'k:{"n":"a"}': {".": {}, "f:n": {}, "f:v": {}}, 'k:{"n":"b"}': {".": {}, "f:n": {}}}
    found = live(
        *others, own={"f:metadata": FIELDS["f:metadata"], "f:spec": {"f:list": own if steps is None else steps}}
    )
    found["spec"] = {"list": items}
    return want, found


A, B = {"n": "a", "v": 1}, {"n": "b"}
LEAVES: Any = {'k:{"n":"a"}': {}, 'k:{"n":"b"}': {}}
SET: Any = {'v:"a"': {}, 'v:"b"': {}}


@pytest.mark.parametrize(
    "pair",
    [
        keyed([A, B]),
        keyed([{**A, "defaulted": 1}, B]),
        keyed([A, B], steps=LEAVES),  # items that are one value
        keyed(["a", "b"], ["a", "b"], SET),
        keyed([A, B], others=[entry({"f:spec": {"f:list": {'k:{"n":"b"}': {".": {}, "f:n": {}}}}}, "helm")]),
    ],
)
def test_lists_with_keys_proved(pair):
    assert unchanged(*pair)


@pytest.mark.parametrize(
    "pair",
    [
        keyed([B, A]),
        keyed([A]),
        keyed([A, B, {"n": "c"}]),
        keyed([{**A, "v": True}, B]),
        keyed([{**A, "v": 2}, B]),
        keyed([{"n": "a"}, B]),
        keyed([A, B], wanted=[A]),
        keyed([A, B], wanted=[A, A]),
        keyed([A, {**B, "v": 2}], wanted=[A, {**B, "v": 2}]),  # a field of the item isn't ours
        keyed([A, B], wanted=[{"n": "a"}, B]),  # a field of ours that isn't wanted any more
        keyed([A, B], wanted={"n": "a", "v": 1}),
        keyed({"n": "a", "v": 1}),
        keyed([{**A, "defaulted": 1}, B], steps=LEAVES),
        keyed([A, B], steps=LEAVES, others=[entry({"f:spec": {"f:list": {'k:{"n":"a"}': {"f:v": {}}}}}, "helm")]),
        keyed(["b", "a"], ["a", "b"], SET),
        keyed(["a", "a"], ["a", "a"], SET),
        keyed([1, True], [1, True], {"v:1": {}, "v:2": {}}),
    ],
)
def test_lists_with_keys_not_proved(pair):
    assert not unchanged(*pair)


def test_not_proved_for_reasons_of_the_object():
    being_deleted = live()
    being_deleted["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert not unchanged(WANT, being_deleted)
    assert not unchanged({**WANT, "apiVersion": "v2"}, live())
    unowned = live()
    unowned["metadata"]["managedFields"] = []
    assert not unchanged(WANT, unowned)
    older = live()
    older["metadata"]["managedFields"][0]["apiVersion"] = "v0"
    assert not unchanged(WANT, older)


def test_an_empty_object_of_ours_that_others_filled_is_not_proved():
    want: dict[str, Any] = {"apiVersion": "v1", "kind": "Thing", "metadata": {"name": "x"}, "spec": {"m": {"k": 1}}}
    found = copy.deepcopy(want)
    found["metadata"]["managedFields"] = [
        entry({"f:spec": {"f:m": {}}}),
        entry({"f:spec": {"f:m": {"f:k": {}}}}, "helm"),
    ]
    assert not unchanged(want, found)


def test_claims_name_field_and_manager():
    edit = entry({"f:spec": {"f:a": {}, "f:b": {"f:c": {}}, "f:other": {}}}, "kubectl-edit", "Update")
    found, complete = claims(WANT, live(edit, a=5))
    assert [(claim.field, claim.manager, claim.time) for claim in found] == [
        ("spec.a", "kubectl-edit", "2026-01-01T00:00:00Z")
    ]
    assert complete
    # Only the server knows what an associative list's items conflict with.
    _found, complete = claims(WANT, live(entry({"f:spec": {"f:list": {'k:{"x":2}': {}}}}, "helm"), list=[{"x": 2}]))
    assert not complete


def test_handover_takes_a_manifest_whole_and_of_an_edit_what_we_author():
    applied = entry(
        {
            "f:metadata": {
                "f:annotations": {".": {}, "f:kubectl.kubernetes.io/last-applied-configuration": {}},
                "f:labels": {"f:guide": {}},
            },
            "f:spec": {"f:old": {}},
        },
        "kubectl-client-side-apply",
        "Update",
    )
    label = entry({"f:metadata": {"f:labels": {"f:l": {}, "f:mine": {}}}}, "kubectl-label", "Update")
    helm = entry({"f:spec": {"f:a": {}}}, "helm", "Update")
    found = live(applied, label, helm)
    result = handover(WANT, found, "2026-02-02T00:00:00Z")
    assert result is not None
    assert result.drop_last_applied
    by_manager = {one["manager"]: one["fieldsV1"] for one in result.managed_fields}
    assert by_manager["helm"] == {"f:spec": {"f:a": {}}}
    assert by_manager["kubectl-label"] == {"f:metadata": {"f:labels": {"f:mine": {}}}}
    assert "kubectl-client-side-apply" not in by_manager
    ours = by_manager[FIELD_MANAGER]
    assert set(ours["f:metadata"]["f:labels"]) == {"f:l", "f:guide"}
    assert set(ours["f:spec"]) == {*FIELDS["f:spec"], "f:old"}
    assert not (ours["f:metadata"].get("f:annotations") or {}).get("f:kubectl.kubernetes.io/last-applied-configuration")


def test_a_namespace_applied_by_hand_keeps_its_labels():
    want: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "kof", "labels": {"ours": "1"}},
    }
    found = copy.deepcopy(want)
    found["metadata"]["managedFields"] = [
        entry(
            {
                "f:metadata": {
                    "f:annotations": {"f:kubectl.kubernetes.io/last-applied-configuration": {}},
                    "f:labels": {"f:ours": {}, "f:pod-security.kubernetes.io/enforce": {}},
                }
            },
            "kubectl-client-side-apply",
            "Update",
        )
    ]
    result = handover(want, found, "now")
    assert result is not None
    assert not result.drop_last_applied
    assert result.taken[0][2] == {"f:metadata": {"f:labels": {"f:ours": {}}}}


def test_hands():
    for manager in ("kubectl-edit", "kubectl-client-side-apply", "kubectl", "k9s", "lens-5", "Mozilla", FIELD_MANAGER):
        assert is_hand(manager)
    for manager in ("manager", "application/apply-patch", "helm", "kof-operator", "my-kubectl", "Kubectl"):
        assert not is_hand(manager)


TRIES: Any = st.recursive(
    st.just({}), lambda inner: st.dictionaries(st.sampled_from(["f:a", "f:b", "."]), inner, max_size=3)
)
TREES: Any = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from([0.0, 1.0, "1", "a"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
)


def leaves(trie, path=()):
    if not len(trie) - ("." in trie):
        return {path}
    return {leaf for step, below in trie.items() if step != "." for leaf in leaves(below, (*path, step))}


@given(TRIES, TRIES)
def test_tries_are_sets_of_leaves(left, right):
    assert leaves(union(left, right)) <= leaves(left) | leaves(right)
    rest = subtract(union(left, right), right)
    if rest is not None:
        assert leaves(rest) <= leaves(left)
    assert subtract(left, left) is None


@given(TREES, TREES)
def test_same_is_an_equivalence(one, other):
    assert same(one, one)
    assert same(one, other) == same(other, one)
    if same(one, other):
        assert repr(one).replace(".0", "") == repr(other).replace(".0", "") or isinstance(one, dict | list)


def of(manager: str, fields: dict[str, Any], operation: str = "Apply", **more: Any) -> dict[str, Any]:
    return {"manager": manager, "operation": operation, "apiVersion": "v1", "fieldsV1": fields, **more}


MADE = {
    "apiVersion": "a/v1",
    "kind": "K",
    "metadata": {
        "name": "n", "namespace": "s", "uid": "u", "finalizers": ["f"], "ownerReferences": [{}],
        "labels": {"ours": "1", "theirs": "2", "controllers": "3"},
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "seen": "x"},
    },
    "spec": {
        "a": 1, "defaulted": True, "map": {}, "opened": {"by": "controller"}, "set": ["x", "y"],
        "list": [{"n": "one", "v": 1, "d": 2}, {"n": "two"}], "atomic": [{"n": 1}], "shared": {"b": 1, "c": 2},
    },
    "status": {"ready": True},
}  # fmt: skip
KEYED = {'k:{"n":"one"}': {".": {}, "f:v": {}}}


def test_what_we_and_people_have_said_is_told_from_what_others_have() -> None:
    ours = {
        "f:metadata": {"f:labels": {"f:ours": {}}, "f:annotations": {"f:seen": {}}},
        "f:spec": {
            "f:a": {}, "f:map": {}, "f:opened": {".": {}}, "f:set": {'v:"y"': {}}, "f:list": KEYED, "f:atomic": {},
            "f:shared": {"f:b": {}}, "f:gone": {},
        },
    }  # fmt: skip
    person = {"f:metadata": {"f:labels": {"f:theirs": {}}}, "f:spec": {"f:shared": {"f:c": {}}}}
    entries = [
        of("k0rdent.kof", ours),
        of("kubectl-edit", person, "Update"),
        of("kcm", {"f:metadata": {"f:labels": {"f:controllers": {}}}, "f:spec": {"f:defaulted": {}}}, "Update"),
        of("kubectl", {"f:status": {"f:ready": {}}}, "Update", subresource="status"),
    ]
    live = {**MADE, "metadata": {**MADE["metadata"], "managedFields": entries}}
    assert of_people(live) == {
        "apiVersion": "a/v1",
        "kind": "K",
        "metadata": {
            "name": "n", "namespace": "s", "labels": {"ours": "1", "theirs": "2"}, "annotations": {"seen": "x"},
        },
        "spec": {
            "a": 1, "map": {}, "opened": {}, "set": ["y"], "list": [{"n": "one", "v": 1}], "atomic": [{"n": 1}],
            "shared": {"b": 1, "c": 2},
        },
    }  # fmt: skip
    assert of_people(live, ("nobody",))["metadata"]["labels"] == {"ours": "1"}


def test_what_the_api_server_puts_on_a_namespace_is_of_nobody() -> None:
    """It books its label on who made the namespace; kept in a backup it would come back as ours."""
    label = {"kubernetes.io/metadata.name": "kof"}
    entry = of("kubectl-create", {"f:metadata": {"f:labels": {".": {}, "f:kubernetes.io/metadata.name": {}}}}, "Update")
    live = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "kof", "labels": label, "managedFields": [entry]},
    }
    assert of_people(live)["metadata"] == {"name": "kof"}


def test_of_what_nobody_known_has_said_all_but_the_servers_is_kept() -> None:
    for entries in ([], None, [of("somebody", {"f:spec": {"f:a": {}}})]):
        live = {**MADE, "metadata": {**MADE["metadata"], "managedFields": entries}}
        found = of_people(live)
        assert found["spec"] == MADE["spec"]
        assert found["metadata"] == {
            "name": "n", "namespace": "s", "labels": MADE["metadata"]["labels"], "annotations": {"seen": "x"},
        }  # fmt: skip
        assert "status" not in found
