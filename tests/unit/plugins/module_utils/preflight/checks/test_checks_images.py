"""Where images come from: what a mirror doesn't reach and whether its login is there, on facts as data."""

from __future__ import annotations

from dataclasses import replace

import pytest
from unit.situations import Case, assert_told, case_names, situation

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.line_0_0 import KOF_0_0
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.checks import images as checks
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.situation import Mirrored
from ansible_collections.k0rdent.kof.plugins.module_utils.report.row import FAILED, WARNING

OWN = Mirrored("m", "mothership", ("kof-operators", "kof-mothership"), True, ())
WITH_LOGIN = replace(OWN, registry=False, secrets=("our-registry",))
REGION = Mirrored("eu1", "regional", ("ingress-nginx", "cert-manager", "kof-storage"), True, ("our-registry",))
CHILD = Mirrored("eu1-a", "child", ("cert-manager", "kof-operators", "kof-collectors"), True, ())
HERE = {"mothership_host": "m", "mothership_in_batch": True}

CASES: list[Case] = [
    (
        checks.mirrors,
        {"mirrored": (OWN,)},
        WARNING,
        r"^m: mothership_image_registry: images: jimmidyson/configmap-reload:v0\.5\.0, .*/grafana:10\.4\.7: written",
    ),
    (
        checks.mirrors,
        {"mirrored": (OWN,), "release": KOF_0_0},
        WARNING,
        r"images: docker\.io/curlimages/curl:latest, jimm",
    ),
    (
        checks.mirrors,
        {"mirrored": (CHILD, replace(CHILD, host="eu1-b"))},
        WARNING,
        r"^eu1-a, eu1-b: child_image_registry: images: ghcr\.io/.*target-allocator:main, .*autoinstrumentation-go",
    ),
    (
        checks.mirrors,
        {"mirrored": (WITH_LOGIN,), "secrets": {"our-registry": {".dockerconfigjson": b"{}"}}},
        WARNING,
        r"^m: mothership_image_pull_secrets: images: the pods of Grafana, VictoriaMetrics, the .* get no pull secret",
    ),
    (
        checks.mirrors,
        {"mirrored": (WITH_LOGIN,), "secrets": {"our-registry": None}, **HERE},
        FAILED,
        r"^m: mothership_image_pull_secrets: Secret our-registry: not in kof .*docker-registry our-registry -n kof",
    ),
    (
        checks.mirrors,
        {"mirrored": (WITH_LOGIN,), "secrets": {"our-registry": {"username": b"TOPSECRET"}}, **HERE},
        FAILED,
        r"Secret our-registry: has no key \.dockerconfigjson",
    ),
]


@pytest.mark.parametrize(("check", "spoilt", "status", "pattern"), CASES, ids=case_names(CASES))
def test_what_is_wrong_is_told(check, spoilt, status, pattern):
    assert_told(check, spoilt, status, pattern)


def test_of_what_is_on_other_clusters_and_of_what_may_not_be_read_nothing_is_said():
    told = checks.mirrors(situation(mirrored=(REGION, WITH_LOGIN), unread={"Secret our-registry": "403"}))
    assert {each.status for each in told} == {WARNING}
    assert not [each for each in told if each.name.startswith("Secret")]


def test_of_services_that_are_not_there_nothing_is_said():
    # Neither ingress-nginx nor cert-manager has an image written in, or pods without a pull secret.
    assert checks.mirrors(situation(mirrored=(replace(REGION, charts=("ingress-nginx", "cert-manager")),))) == []
