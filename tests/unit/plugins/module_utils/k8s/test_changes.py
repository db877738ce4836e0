"""Refusals and diffs as people read them, and what counts as lacking only because check mode made nothing."""

from __future__ import annotations

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import (
    Outcome,
    Pending,
    Ref,
    counts,
    diff_of,
    refusal_reason,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.diff import FieldChange
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError

REF = Ref("k0rdent.mirantis.com/v1alpha1", "ClusterDeployment", "kcm-system", "x")
SECRET = Ref("v1", "Secret", "kof", "s")


@pytest.mark.parametrize(
    ("error", "ref", "text"),
    [
        (
            ApiError(
                403, "Forbidden", 'admission webhook "v.kcm.example" denied the request: the template\nis not valid'
            ),
            REF,
            "webhook v.kcm.example: the template is not valid",
        ),
        (
            ApiError(
                422,
                "Invalid",
                "x is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no",
            ),
            REF,
            "admission policy p: no",
        ),
        (
            ApiError(
                500,
                "",
                "failed to create typed patch object (n/x; v1, Kind=A): .spec.pw: expected string, got &{hunter2}",
            ),
            REF,
            "doesn't fit the schema: spec.pw: expected string, got another type",
        ),
        (
            ApiError(
                422, "Invalid", "m", {"causes": [{"field": "spec.token", "message": 'Invalid value: "hunter2": bad'}]}
            ),
            REF,
            "spec.token: Invalid value: bad",
        ),
        (
            ApiError(
                422, "Invalid", "m", {"causes": [{"field": "data.a", "message": 'Invalid value: "hunter2": bad'}]}
            ),
            SECRET,
            "data.a: Invalid value: bad",
        ),
        (
            ApiError(422, "Invalid", "m", {"causes": [{"field": "spec.region", "message": 'Invalid value: "x": bad'}]}),
            REF,
            'spec.region: Invalid value: "x": bad',
        ),
        (
            ApiError(403, "Forbidden", 'x is forbidden: User "u" cannot'),
            REF,
            'not allowed: x is forbidden: User "u" cannot',
        ),
        (ApiError(400, "BadRequest", "what?"), REF, "what? (status 400)"),
    ],
)
def test_refusals(error, ref, text):
    assert refusal_reason(error, ref) == text


def test_long_refusals_are_cut():
    reason = refusal_reason(ApiError(400, "BadRequest", "word\n" * 1000), REF)
    assert len(reason) <= 300
    assert "\n" not in reason
    assert reason.endswith("…")


def test_pending():
    pending = Pending()
    pending.add("Namespace", "kcm-system")
    pending.add("ServiceTemplate", "kcm-system/kof-storage-0-1-1")
    missing = ApiError(404, "NotFound", 'namespaces "kcm-system" not found')
    assert pending.lacking(missing, REF) == "Namespace kcm-system"
    assert pending.lacking(ApiError(404, "NotFound", 'namespaces "other" not found'), REF) is None
    refused = ApiError(403, "Forbidden", 'the request: ServiceTemplate "kof-storage-0-1-1" not found')
    assert pending.lacking(refused, REF) == "ServiceTemplate kcm-system/kof-storage-0-1-1"
    for message in ("ServiceTemplate kof-storage-0-1-1-2 not found", "a-kof-storage-0-1-1 not found", "something else"):
        assert pending.lacking(ApiError(403, "Forbidden", message), REF) is None
    permission = ApiError(403, "Forbidden", 'User "u" cannot patch kof-storage-0-1-1')
    assert pending.lacking(permission, REF) is None
    assert pending.lacking(ApiError(500, "", "kof-storage-0-1-1"), REF) is None


def test_counts_and_diffs():
    change = FieldChange("spec.a", 1, 2, "kubectl-edit", "2026-01-01T00:00:00Z")
    text = FieldChange("spec.text", "a\nb\n", "a\nc\n")
    outcomes = [
        Outcome(REF, "updated", (change, text)),
        Outcome(REF, "unchanged"),
        Outcome(REF, "refused", reason="no"),
        Outcome(SECRET, "deleted"),
    ]
    assert counts(outcomes) == {"updated": 1, "unchanged": 1, "refused": 1, "deleted": 1}
    first, second = diff_of(outcomes)
    assert first["before"] == "spec.a: 1  # by kubectl-edit at 2026-01-01T00:00:00Z\nspec.text: |\n  a\n  b\n"
    assert first["after"] == "spec.a: 2\nspec.text: |\n  a\n  c\n"
    assert second["before"] == "# exists\n"
    assert second["after"] == ""


def test_refs_read_well():
    assert str(REF) == "ClusterDeployment kcm-system/x"
    assert str(Ref("v1", "Namespace", None, "kof")) == "Namespace kof"
