"""What holds for every check of the preflight; what each says is in test_checks_*.py, as the checks are split."""

from __future__ import annotations

import pytest
import test_checks_alerting
import test_checks_budgets
import test_checks_cluster
import test_checks_dashboards
import test_checks_images
import test_checks_live
import test_checks_references
import test_checks_shared
from unit.situations import CHILD, EU1, US1, secret, situation

from ansible_collections.k0rdent.kof.plugins.module_utils.preflight import checks
from ansible_collections.k0rdent.kof.plugins.module_utils.report.row import ANNOUNCED, FAILED, OK

CASES = [
    case
    for cases in (
        test_checks_alerting,
        test_checks_budgets,
        test_checks_cluster,
        test_checks_dashboards,
        test_checks_images,
        test_checks_live,
        test_checks_references,
        test_checks_shared,
    )
    for case in cases.CASES
]


@pytest.mark.parametrize("check", checks.ALL, ids=lambda check: check.__name__)
def test_a_healthy_cluster_passes_every_check(check):
    assert [one.line() for one in check(situation()) if one.status not in (OK, ANNOUNCED)] == []


def test_every_check_has_a_case_that_fails():
    may_not_fail = {
        checks.services_of_others,  # one cluster's is no reason to hold up the others
        checks.adopted_clusters,  # the others go on
        checks.external_dns_owner,  # a live cluster's is kept
        checks.instance_profiles,  # all else of the cluster works
        checks.left_inventory,  # a cluster is never in the way of others
        checks.moved_children,
        checks.internet,  # what isn't reached from here may be from there
        checks.api_server,  # an API server that is away never gets as far as facts
        checks.replaced_maps,  # it may be meant so
        checks.promxy_reloads,  # the budgets of test_checks_budgets.py, which warn
        checks.promxy_memory,
        checks.certificates,
        checks.route53_requests,
    }
    assert {case[0] for case in CASES if case[2] == FAILED} | may_not_fail == {*checks.ALL, checks.unchosen_kof}


def test_no_secret_value_is_ever_told():
    spoilt = situation(secrets=secret(username=b'user-"TOPSECRET', password=b"pass\\TOPSECRET"))
    assert "TOPSECRET" not in repr(spoilt)
    assert "TOPSECRET" not in str([(one, one.line()) for one in checks.made(spoilt)])


def test_layers_that_are_not_run_ask_for_nothing():
    spoilt = situation(layers=frozenset({"child"}), subjects=(CHILD,), others=(EU1, US1), helm=None, storage_classes=())
    for check in (checks.helm, checks.storage_class, checks.operator_charts, checks.vmuser_secret, checks.external_dns):
        assert check(spoilt) == []
