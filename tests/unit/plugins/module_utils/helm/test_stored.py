"""What a release's stored state means: decoding, comparing, deciding, masking. No helm and no API server."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.k0rdent.kof.plugins.module_utils.helm import stored as helm
from ansible_collections.k0rdent.kof.plugins.module_utils.helm.command import HelmFailed, kubeconfig
from ansible_collections.k0rdent.kof.plugins.module_utils.helm.stored import Revision, Wanted
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.kubeconfig import settings
from ansible_collections.k0rdent.kof.plugins.module_utils.text import telling

BORN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
WANTED = Wanted("kof-mothership", "0.1.1", {"a": {"b": 1}})
ALL_STATUSES = ("deployed", "failed", "superseded", "uninstalled", "unknown", *helm.PENDING)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=12,
)


def secret(version: int = 1, status: str = "deployed", *, zipped: bool = True, **payload: Any) -> dict[str, Any]:
    """A release Secret as the API server gives it."""
    content = {
        "name": "x",
        "version": version,
        "info": {"status": status, "description": "Install complete", "last_deployed": "2026-01-02T03:04:05Z"},
        "chart": {"metadata": {"name": WANTED.chart, "version": WANTED.chart_version, "appVersion": "v7"}},
        "config": {"a": {"b": 1.0}},
        "manifest": "",
    } | payload
    raw = json.dumps(content).encode()
    stored = base64.b64encode(gzip.compress(raw) if zipped else raw)
    return {
        "metadata": {
            "name": f"sh.helm.release.v1.x.v{version}",
            "creationTimestamp": "2026-01-02T03:04:05Z",
            "resourceVersion": "77",
            "labels": {"status": status},
        },
        "data": {"release": base64.b64encode(stored).decode()},
    }


def revision(version: int, status: str, **changes: Any) -> Revision:
    return dataclasses.replace(helm.decode(secret(version, status)), **changes)


def history(*statuses: str, **changes_of_last: Any) -> list[Revision]:
    made = [revision(number, status) for number, status in enumerate(statuses, 1)]
    made[-1] = dataclasses.replace(made[-1], **changes_of_last)
    return made


@pytest.mark.parametrize("zipped", [True, False])
def test_decode(zipped: bool) -> None:
    found = helm.decode(secret(3, "pending-upgrade", zipped=zipped))
    assert (found.version, found.status, found.chart, found.chart_version, found.app_version) == (
        *(3, "pending-upgrade", "kof-mothership", "0.1.1", "v7"),
    )
    assert (found.started, found.config, found.resource_version) == (BORN, {"a": {"b": 1.0}}, "77")


@pytest.mark.parametrize(
    "release", ["", "!!", base64.b64encode(b"H4sIA").decode(), base64.b64encode(b"bnVsbA==").decode()]
)
def test_what_is_no_release_is_said(release: str) -> None:
    with pytest.raises(helm.NotARelease, match=r"sh\.helm\.release\.v1\.x\.v1"):
        helm.decode(secret() | {"data": {"release": release}})


def test_a_truncated_release_is_said() -> None:
    whole = base64.b64decode(base64.b64decode(secret()["data"]["release"]))
    cut = base64.b64encode(base64.b64encode(whole[:-20])).decode()
    with pytest.raises(helm.NotARelease):
        helm.decode(secret() | {"data": {"release": cut}})


@given(config=st.dictionaries(st.text(), json_values, max_size=4), text=st.text())
def test_marking_failed_changes_nothing_else(config: dict[str, Any], text: str) -> None:
    before = helm.decode(secret(2, "pending-install", config=config, manifest=text, chart={"files": [{"data": text}]}))
    patch = helm.marked_failed(before, "why")
    assert patch["metadata"] == {"resourceVersion": "77", "labels": {"status": "failed"}}
    after = helm.decode(secret() | {"data": patch["data"]})
    assert (after.status, after.payload["info"]["description"]) == ("failed", "why")
    for name in before.payload:
        if name != "info":
            assert after.payload[name] == before.payload[name]
    assert helm.marked_failed(before, "why") == patch


@pytest.mark.parametrize(
    ("revisions", "step", "base"),
    [
        ([], "install", None),
        (history("superseded", "uninstalled"), "install", None),
        (history("deployed"), "check", None),
        (history("superseded", "deployed"), "check", None),
        (history("deployed", config={}), "upgrade", None),
        (history("deployed", chart_version="0.1.0"), "upgrade", None),
        (history("deployed", chart="other"), "upgrade", None),
        (history("failed"), "upgrade", None),
        (history("failed", config={"other": 1}), "upgrade", None),
        (history("unknown"), "upgrade", None),
        (history("deployed", "failed"), "upgrade", None),
        (history("superseded", "failed"), "upgrade", None),
        (history("superseded", "deployed", "failed", config={"x": 1}), "rollback", 2),
        (history("superseded", "failed", config={"x": 1}), "rollback", 1),
        (history("superseded", "deployed", "failed", chart_version="0.2.0"), "rollback", 2),
        *[(history("deployed", status), "wait", None) for status in helm.PENDING],
    ],
)
def test_decide(revisions: list[Revision], step: str, base: int | None) -> None:
    decision = helm.decide(revisions, WANTED)
    assert (decision.step, decision.base) == (step, base)
    assert decision.why


def test_one_of_several_abandoned_revisions_with_other_values_needs_a_rollback() -> None:
    revisions = [revision(1, "deployed"), revision(2, "failed", config={"x": 1}), revision(3, "failed")]
    assert helm.decide(revisions, WANTED).base == 1


@given(st.lists(st.sampled_from(ALL_STATUSES), max_size=5), st.lists(st.booleans(), min_size=5, max_size=5))
def test_decide_holds_for_any_history(statuses: list[str], same: list[bool]) -> None:
    revisions = [
        revision(number, status, config=WANTED.values if equal else {})
        for number, (status, equal) in enumerate(zip(statuses, same, strict=False), 1)
    ]
    decision = helm.decide(revisions, WANTED)
    last = revisions[-1] if revisions else None
    assert (decision.step == "wait") == (last is not None and last.status in helm.PENDING)
    assert (decision.step == "install") == (last is None or last.status == "uninstalled")
    if decision.step == "check":
        assert last is not None
        assert last.status == "deployed"
        assert not helm.differs(last, WANTED)
    if decision.step == "rollback":
        good = next(each for each in revisions if each.version == decision.base)
        assert good.status in ("deployed", "superseded")
        assert last is not None
        assert last.status not in ("deployed", *helm.PENDING)


@pytest.mark.parametrize(
    ("deployed", "failed", "wanted", "newer"),
    [
        ("1.10.0", None, "0.1.1", "1.10.0"),
        ("v0.1.2", None, "0.1.1", "v0.1.2"),
        ("0.1.1", None, "0.1.1", None),
        ("0.1.1-rc1", None, "0.1.1", None),
        ("0.1.0", None, "0.1.1", None),
        # Back from an upgrade that failed.
        ("0.1.1", "0.1.2", "0.1.1", None),
        ("0.1.1", None, None, None),
        ("custom", None, "0.1.1", None),
    ],
)
def test_what_comes_down(deployed: str, failed: str | None, wanted: str | None, newer: str | None) -> None:
    revisions = [revision(1, "deployed", chart_version=deployed)]
    revisions += [revision(2, "failed", chart_version=failed)] if failed else []
    assert helm.downgrade(revisions, dataclasses.replace(WANTED, chart_version=wanted)) == newer
    assert helm.downgrade([], WANTED) is None
    assert helm.downgrade(revisions, Wanted("another", "0.0.1", {})) is None


@pytest.mark.parametrize(
    ("labels", "keeper"),
    [
        ("    helm.toolkit.fluxcd.io/name: a\n    helm.toolkit.fluxcd.io/namespace: b\n", "b/a"),
        ("    'helm.toolkit.fluxcd.io/name': 'a'\n", "?/a"),
        ("    note: helm.toolkit.fluxcd.io/name\n", None),
        ("", None),
    ],
)
def test_a_flux_release_is_known_by_the_labels_in_its_manifest(labels: str, keeper: str | None) -> None:
    assert helm.flux_keeper(f"metadata:\n  labels:\n{labels}") == keeper


def test_what_flux_keeps_it_keeps_over_somebodys_failed_try() -> None:
    flux = {"manifest": "metadata:\n  labels:\n    helm.toolkit.fluxcd.io/name: a\n"}
    theirs, ours = revision(1, "deployed", **flux), revision(2, "failed")
    assert helm.keeper([theirs]) == "?/a"
    assert helm.keeper([theirs, ours]) == "?/a"
    # Taken from Flux: what came after it worked.
    assert helm.keeper([dataclasses.replace(theirs, status="superseded"), revision(2, "deployed")]) is None
    assert helm.keeper([dataclasses.replace(theirs, status="uninstalled")]) is None
    assert helm.keeper([]) is None


@pytest.mark.parametrize(
    ("status", "times"),
    [("pending-install", 3), ("pending-upgrade", 2), ("pending-rollback", 1), ("uninstalling", 2)],
)
def test_a_helm_may_take_its_time_out_for_each_hook_anew(status: str, times: int) -> None:
    hooks = [
        {"name": "a", "events": ["pre-install", "pre-upgrade"]},
        {"name": "b", "events": ["post-install", "post-delete"]},
        {"name": "c", "events": ["test"]},
        {"name": "d"},
    ]
    assert helm.patience(history(status, hooks=hooks)[-1], 100) == times * 100 + helm.GRACE
    assert helm.patience(history(status)[-1], 100) == 100 + helm.GRACE


def test_install_hooks_that_did_not_run_make_it_an_install_again() -> None:
    hooks = [
        {"kind": "HelmRepository", "name": "catalog", "events": ["pre-install"], "last_run": {"phase": ""}},
        {"kind": "Job", "name": "ran", "events": ["pre-install", "pre-upgrade"], "last_run": {"phase": "Succeeded"}},
        {"kind": "Job", "name": "tidy", "events": ["pre-delete"]},
    ]
    failed = history("failed", hooks=hooks)
    assert helm.missed_hooks(failed[-1]) == ["pre-install hook HelmRepository catalog"]
    assert helm.decide(failed, WANTED).step == "reinstall"
    assert helm.decide(history("deployed", "failed", hooks=hooks), WANTED).step == "upgrade"


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ({}, {}, True),
        (1, 1.0, True),
        (True, 1, False),
        (False, 0, False),
        (None, False, False),
        ("1", 1, False),
        ("", None, False),
        ([1, 2], [2, 1], False),
        ([1], [1, 1], False),
        ({"a": None}, {}, False),
        ({"a": {"b": [True, "x"]}}, {"a": {"b": [True, "x"]}}, True),
        (10**20, 1e20, True),
    ],
)
def test_same_values(left: Any, right: Any, same: bool) -> None:
    assert helm.same_values(left, right) is same
    assert helm.same_values(right, left) is same


@given(json_values)
def test_values_equal_themselves_after_helm_stored_them(values: Any) -> None:
    assert helm.same_values(values, json.loads(json.dumps(values)))


@pytest.mark.parametrize(
    ("wanted", "found", "same"), [("0.1.1", "v0.1.1", True), ("0.1.1", "0.1.10", False), (None, "9", True)]
)
def test_version(wanted: str | None, found: str, same: bool) -> None:
    assert (
        not helm.differs(
            revision(1, "deployed", chart_version=found), dataclasses.replace(WANTED, chart_version=wanted)
        )
    ) is same


def test_objects_of_a_manifest() -> None:
    manifest = """
---
# Source: chart/templates/empty.yaml
---
apiVersion: v1
kind: List
items:
  - {apiVersion: v1, kind: Service, metadata: {name: a}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: b, namespace: kof}
"""
    found = helm.objects(manifest)
    assert found == [Ref("v1", "Service", None, "a"), Ref("apps/v1", "Deployment", "kof", "b")]
    assert list(map(str, found)) == ["Service a", "Deployment kof/b"]
    assert helm.objects("") == []


def test_a_manifest_is_read_as_helm_reads_it() -> None:
    crd = "apiVersion: v1\nkind: CustomResourceDefinition\nmetadata: {name: a.b}\nspec: {enum: [=, <<, 2025-01-01]}\n"
    manifest = f"---\n# Source: x\n{crd}---\n# Source: y\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: 1_0x}}\n"
    assert [str(each) for each in helm.objects(manifest)] == ["CustomResourceDefinition a.b", "ConfigMap 1_0x"]


def test_a_manifest_that_nobody_can_read_is_named_by_its_line() -> None:
    with pytest.raises(helm.NotARelease, match=r"can't be read: line 3: "):
        helm.objects("---\na: 1\nb: ]\n")


def test_secret_data_of_a_manifest() -> None:
    manifest = """
{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {a: YQ==}}
---
{apiVersion: v1, kind: Secret, metadata: {name: t, namespace: other}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {a: b}}
"""
    assert helm.secret_data(manifest) == {(None, "s"): {"a": "YQ=="}, ("other", "t"): {}}


@pytest.mark.parametrize(
    ("text", "expected"), [("10m", 600), ("600", 600), ("1h30m", 5400), ("1.5s", 1.5), ("250ms", 0.25), (" 5m ", 300)]
)
def test_seconds(text: str, expected: float) -> None:
    assert helm.seconds(text) == expected


@pytest.mark.parametrize("text", ["", "ten", "5 m", "-5m", "1d", "m", "5mm"])
def test_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="no duration"):
        helm.seconds(text)


@pytest.mark.parametrize("said", ["v3.14.0", "v3.19.5+g1234", "3.20.1\n", "v3.19.5+unreleased"])
def test_helm_that_will_do(said: str) -> None:
    assert helm.fault_of_version(said) is None


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("v3.13.3", "3.14 or newer"),
        ("v2.17.0", "3.14"),
        ("v4.0.0", "binary_path"),
        ("v10.1.0", "helm 10"),
        ("", "no version"),
    ],
)
def test_helm_that_will_not_do(said: str, why: str) -> None:
    assert why in (helm.fault_of_version(said) or "")


@pytest.mark.parametrize(
    ("revisions", "versions"),
    [
        ([], []),
        (history("deployed"), [1]),
        (history("superseded", "deployed"), [2]),
        (history("superseded", "deployed", "failed"), [3, 2]),
        (history("failed", "failed"), [2]),
        (history("deployed", "uninstalled"), []),
    ],
)
def test_what_is_in_place(revisions: list[Revision], versions: list[int]) -> None:
    assert [each.version for each in helm.in_place(revisions)] == versions


@given(st.text(min_size=3, max_size=20), st.text(max_size=30), st.text(max_size=30))
def test_no_secret_stays_in_a_text(hidden: str, before: str, after: str) -> None:
    shown = telling.scrubbed(f"{before}{hidden}{after} {base64.b64encode(hidden.encode()).decode()}", [hidden])
    # The mask's own word may of course be what is hidden, or complete it.
    assert hidden not in shown.replace("(hidden)", "\0")


def test_secrets_of_values() -> None:
    values = {"password": "one", "auth": {"tokens": ["two", {"x": 3}], "secretName": "harmless"}, "name": "harmless"}
    assert sorted(helm.secrets_of(values)) == ["3", "one", "two"]
    named = {"env": [{"name": "PASSWORD", "value": "one"}, {"name": "HOME", "value": "/"}], "args": ["--token", "two"]}
    assert sorted(helm.secrets_of(named)) == ["one", "two"]


@pytest.mark.parametrize(
    ("text", "secrets"),
    [
        ("db:\n  password: CANARY-1\n  host: a.example.com\n", ["CANARY-1"]),
        ('{"users": [{"token": "CANARY-1"}, {"token": 100}]}', ["CANARY-1", "100"]),
        ("host=a.example.com\npassword=CANARY-1\nuser=b\nsecret=CANARY-2", ["CANARY-1", "CANARY-2"]),
        ("https://b:CANARY-1@a.example.com/", ["CANARY-1"]),
        ("https://b:CANARY-1@a.example.com/?password=CANARY-2", ["CANARY-1", "CANARY-2"]),
        ("password: [", ["password: ["]),
    ],
)
def test_of_a_text_that_holds_secrets_they_are_told_apart(text: str, secrets: list[str]) -> None:
    assert sorted(set(helm.secrets_of({"config": text}))) == sorted(secrets)


def test_switches_are_no_secrets() -> None:
    labels = {"k0rdent.mirantis.com/secret-of-dns": "true", "secretToken": "False"}
    assert helm.secrets_of({"matchLabels": labels, "password": True}) == []


def test_diff_of_values_shows_what_differs_and_masks() -> None:
    old = {"same": 1, "gone": "x", "db": {"password": "old-secret", "host": "a"}}
    new = {"same": 1, "db": {"password": "new-secret", "host": "b"}, "list": [1]}
    before, after = helm.values_diff(old, new)
    assert 'db.host: "a"' in before
    assert 'db.host: "b"' in after
    assert 'gone: "x"' in before
    assert "list: [1]" in after
    assert not [line for line in [*before, *after] if "same" in line or "secret" in line.lower().replace("(hidden", "")]
    assert helm.values_diff({"a": 1}, {"a": 1}) == ([], [])


@pytest.mark.parametrize(
    ("old", "new", "before", "after"),
    [
        ({}, {"kcm": {"kof": {"profiles": {"a-b": None}}}}, [], ["kcm.kof.profiles.a-b: null"]),
        ({"a": None}, {}, ["a: null"], []),
        ({"a": None}, {"a": None}, [], []),
        ({"a": {"b": 1}}, {"a": None}, ['a: {"b": 1}'], ["a: null"]),
        ({"a": None}, {"a": False}, ["a: null"], ["a: false"]),
        ({"a.b/c": 1}, {"a.b/c": None}, ["[a.b/c]: 1"], ["[a.b/c]: null"]),
        ({"a": [{"b": 1}]}, {"a": [{"b": None}]}, ["a[0].b: 1"], ["a[0].b: null"]),
        ({}, {"a": [None, {"b": None}]}, [], ["a[0]: null", "a[1].b: null"]),
        ({"password": "one-secret"}, {"password": None}, ['password: "(hidden)"'], ["password: null"]),
    ],
)
def test_a_null_is_a_value(old: dict[str, Any], new: dict[str, Any], before: list[str], after: list[str]) -> None:
    assert helm.values_diff(old, new) == (before, after)


@given(json_values, json_values)
def test_values_that_differ_show_it(one: Any, other: Any) -> None:
    shown = helm.values_diff({"x": one}, {"x": other})
    assert any(shown) == (not helm.same_values(one, other))


@pytest.mark.parametrize(
    "words",
    [
        "Error: INSTALLATION FAILED: release: already exists",
        "Error: UPGRADE FAILED: release: already exists",
        "Error: release: already exists",
        "Error: INSTALLATION FAILED: cannot re-use a name that is still in use",
        "Error: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress",
        'Error: UPGRADE FAILED: "demo" has no deployed releases',
        "Error: release has no 2 version",
        "Error: uninstall: Failed to purge the release: release: not found",
        'Error: UPGRADE FAILED: update: failed to update: secrets "sh.helm.release.v1.demo.v2" not found',
    ],
)
def test_a_lost_race_is_known_by_helms_words(words: str) -> None:
    assert HelmFailed("helm", words).overtaken


@pytest.mark.parametrize("words", ['Error: secrets "mine" already exists', "Error: ghcr.io/x:9.9.9: not found"])
def test_what_is_no_race(words: str) -> None:
    assert not HelmFailed("helm", words).overtaken


@pytest.mark.parametrize(
    ("words", "unreachable", "lacking"),
    [
        (
            'Error: failed to do request: Head "https://x": dial tcp 127.0.0.1:1: connect: connection refused',
            True,
            None,
        ),
        ("Error: tls: failed to verify certificate: x509: certificate signed by unknown authority", True, None),
        ("Error: ghcr.io/x:9.9.9: not found", False, None),
        (
            'no matches for kind "B" in version "x/v1"\nno matches for kind "A" in version "x/v1"',
            False,
            "needs CustomResourceDefinition of A (x/v1), B (x/v1)",
        ),
        ("Error: execution error at (x.yaml:1:2): nil pointer", False, None),
    ],
)
def test_what_helms_words_mean(words: str, unreachable: bool, lacking: str | None) -> None:
    error = HelmFailed("helm", words)
    assert (error.unreachable, error.lacking) == (unreachable, lacking)


def test_helm_gets_the_same_cluster_and_the_same_identity(tmp_path: Any) -> None:
    authority = tmp_path / "ca.crt"
    authority.write_text("CA")
    given = {
        "host": "https://api.example:6443",
        "api_key": "sesame",
        "ca_cert": str(authority),
        "proxy": "http://proxy:3128",
        "proxy_headers": {"proxy_basic_auth": "me:p@ss"},
        "impersonate_user": "jane",
        "impersonate_groups": ["a", "b"],
    }
    made = kubeconfig(settings(given, {}))
    assert made["clusters"][0]["cluster"] == {
        "server": "https://api.example:6443",
        "certificate-authority-data": base64.b64encode(b"CA").decode(),
        "proxy-url": "http://me:p%40ss@proxy:3128",
    }
    assert made["users"][0]["user"] == {"token": "sesame", "as": "jane", "as-groups": ["a", "b"]}


def test_helm_gets_a_proxy_that_a_kubeconfig_can_name_and_extras_as_they_were() -> None:
    user = {"token": "x", "as": "jane", "as-user-extra": {"a b/%c": ["1", "2"]}}
    given = {"clusters": [{"name": "k", "cluster": {"server": "https://x"}}], "users": [{"name": "u", "user": user}]}
    given |= {"contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}], "current-context": "c"}
    made = kubeconfig(settings({"kubeconfig": given}, {"HTTPS_PROXY": "socks5h://me:p@proxy"}))
    assert made["clusters"][0]["cluster"]["proxy-url"] == "socks5://me:p@proxy"
    assert made["users"][0]["user"] == user


def test_helm_gets_password_and_unchecked_certificates_too() -> None:
    options = {"host": "https://x", "username": "u", "password": "p:w", "validate_certs": False}
    made = kubeconfig(settings(options, {}))
    assert made["users"][0]["user"] == {"username": "u", "password": "p:w"}
    assert made["clusters"][0]["cluster"] == {"server": "https://x", "insecure-skip-tls-verify": True}
