"""What is told of something that is being deleted and stays."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import stuck
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.wait import Lookup

WHEN = "2026-11-30T21:00:00Z"
REF = Ref("operator.victoriametrics.com/v1beta1", "VMCluster", "kof", "cluster")
OPERATOR = "kof-mothership-victoria-metrics-operator"


def going(*finalizers: str, ref: Ref = REF, **more: Any) -> dict[str, Any]:
    metadata = {"name": ref.name, "namespace": ref.namespace, "deletionTimestamp": WHEN, "finalizers": [*finalizers]}
    return {"apiVersion": ref.api_version, "kind": ref.kind, "metadata": metadata, **more}


def with_operator(available: int | None) -> Lookup:
    lookup = Lookup()
    deployment = {"metadata": {"namespace": "kof", "name": OPERATOR}, "status": {"availableReplicas": available}}
    lookup._put("Deployment", None, deployment, False)
    return lookup


def test_what_is_gone_is_gone() -> None:
    assert stuck.gone(REF).judge(None, Lookup()).ready


def test_the_holder_is_named_with_its_log_where_it_works() -> None:
    found = stuck.gone(REF).judge(going("apps.victoriametrics.com/finalizer"), with_operator(1))
    assert found.why == (
        f"is being deleted since {WHEN}, held by apps.victoriametrics.com/finalizer, which the VictoriaMetrics "
        "operator takes off"
    )
    assert found.advice == f"see its log: kubectl logs deployment/{OPERATOR} -n kof"
    assert (found.code, found.since) == ("being-deleted", WHEN)


@pytest.mark.parametrize(
    ("lookup", "why", "advice"),
    [
        (Lookup(), f"but there is no Deployment kof/{OPERATOR}", "kubectl edit vmcluster cluster -n kof"),
        (with_operator(None), f"but its Deployment {OPERATOR} isn't available", f"describe deployment {OPERATOR}"),
    ],
)
def test_a_holder_that_can_not_work_is_the_cause(lookup: Lookup, why: str, advice: str) -> None:
    found = stuck.gone(REF).judge(going("apps.victoriametrics.com/finalizer"), lookup)
    assert why in found.why
    assert advice in found.advice
    assert found.code == "deletion-held"


def test_a_collectors_finalizer_is_the_opentelemetry_operators() -> None:
    """internal/controllers/opentelemetrycollector_controller.go, collectorFinalizer."""
    found = stuck.gone(REF).judge(going("opentelemetrycollector.opentelemetry.io/finalizer"), Lookup())
    assert "which the OpenTelemetry operator takes off; but there is no Deployment kof/kof-operators-" in found.why


def test_an_unknown_finalizer_is_named_as_it_is() -> None:
    found = stuck.gone(REF).judge(going("example.com/never"), Lookup())
    assert found.why == f"is being deleted since {WHEN}, held by example.com/never"
    assert "see its log" in found.advice


def test_a_namespace_tells_what_is_in_it() -> None:
    ref = Ref("v1", "Namespace", None, "kof")
    remaining = "Some content in the namespace has finalizers remaining: apps.victoriametrics.com/finalizer in 1"
    conditions = [
        {"type": "NamespaceDeletionDiscoveryFailure", "status": "False", "message": "All resources discovered"},
        {"type": "NamespaceFinalizersRemaining", "status": "True", "message": remaining},
    ]
    found = stuck.gone(ref).judge(going(ref=ref, status={"conditions": conditions}), Lookup())
    assert found.why == f"is being deleted since {WHEN}: {remaining}"
    assert found.code == "deletion-held"
    assert stuck.gone(ref).judge(going(ref=ref), Lookup()).code == "being-deleted"
