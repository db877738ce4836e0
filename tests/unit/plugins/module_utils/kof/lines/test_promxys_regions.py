"""What keeps promxy from its regions: configuration as its operator writes it, groups and logins as people do."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines import promxy as under_test
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.line_0_0 import KOF_0_0
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.line_0_1 import KOF_0_1_1
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests import promxy_config, promxy_server_group

PASSWORD = "CANARY-password"


def group(name: str = "eu1", secret: str = "login", **spec: Any) -> dict[str, Any]:
    made = promxy_server_group.promxy_server_group(
        KOF_0_1_1,
        name=f"{name}-metrics",
        namespace="kof",
        fleet="prod",
        cluster_name=name,
        targets=[f"vmauth.{name}.example.com:443"],
        credentials_secret=secret,
    )
    made["metadata"]["creationTimestamp"] = "2026-03-01T10:00:00Z"
    made["spec"] |= spec
    return made


def secret(**data: str) -> dict[str, Any]:
    return {"data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}}


LOGIN = secret(username="user", password=PASSWORD)


def config(*groups: dict[str, Any], password: str = PASSWORD, release: Any = None) -> dict[str, Any]:
    return secret(**{"config.yaml": promxy_config.render(groups, {"login": ("user", password)}, release)})


def told(groups: Any, there: Any, logins: Any = None, release: Any = KOF_0_1_1) -> list[tuple[str, str]]:
    logins = {"login": LOGIN} if logins is None else logins
    found = list(under_test.troubles(release, groups, there, logins.get))
    assert PASSWORD not in str([each.verdict for each in found])
    return [((each.group or {"metadata": {"name": ""}})["metadata"]["name"], each.verdict.code) for each in found]


ONE, TWO = group("eu1"), group("us1")
CASES: dict[str, tuple[Any, list[tuple[str, str]]]] = {
    "all is well": (([TWO, ONE], config(ONE, TWO)), []),
    "one that the operator hasn't seen": (([ONE, TWO], config(ONE)), [("us1-metrics", "region-not-in-promxy")]),
    "no configuration yet": (([ONE], secret(**{"config.yaml": ""})), [("eu1-metrics", "region-not-in-promxy")]),
    "no Secret": (([ONE], None), [("eu1-metrics", "region-not-in-promxy")]),
    "an old address": (
        ([group("eu1", targets=["vmauth.new:443"])], config(ONE)),
        [("eu1-metrics", "region-not-in-promxy")],
    ),
    "an old login": (([ONE], config(ONE, password="old")), [("eu1-metrics", "login-outdated")]),
    "a login that isn't there": (
        ([ONE, group("us1", secret="gone")], config(ONE)),
        [("us1-metrics", "server-group-login-missing")],
    ),
    "no login at all": (([group("us1", secret="")], config()), [("us1-metrics", "server-group-login-missing")]),
    "the label of later lines": (
        (
            [{**ONE, "metadata": {**ONE["metadata"], "labels": {"k0rdent.mirantis.com/secret-name": "x"}}}],
            config(),
        ),
        [("eu1-metrics", "server-group-unlabelled")],
    ),
    "the label with another Secret": (
        ([{**ONE, "metadata": {**ONE["metadata"], "labels": {KOF_0_1_1.promxy.label: "other"}}}], config()),
        [("eu1-metrics", "server-group-unlabelled")],
    ),
    "one that is going": (
        ([{**ONE, "metadata": {**ONE["metadata"], "deletionTimestamp": "2026-03-01T10:00:00Z"}}], config()),
        [],
    ),
    "a duration that Go doesn't know": (
        ([group("eu1", http_client={**ONE["spec"]["http_client"], "dial_timeout": "5"})], config(ONE)),
        [("eu1-metrics", "promxy-config-broken")],
    ),
    "a quote, and the others are innocent": (
        ([ONE, group("us1", path_prefix='/"x"')], config(ONE, group("us1", path_prefix='/"x"'))),
        [("us1-metrics", "promxy-config-broken")],
    ),
    "what nobody can read": (([ONE], secret(**{"config.yaml": 'a: "b"c"'})), [("", "promxy-config-broken")]),
    "a configuration of another form": (
        ([ONE], secret(**{"config.yaml": "promxy: {server_groups: [1, {labels: 2}]}"})),
        [("eu1-metrics", "region-not-in-promxy")],
    ),
}


@pytest.mark.parametrize("what", CASES)
def test_each_cause_is_told_once_and_of_whom_it_is(what: str) -> None:
    (groups, there), expected = CASES[what]
    assert told(groups, there) == expected


def test_a_login_that_breaks_the_configuration_at_0_1_and_not_at_0_0() -> None:
    ugly = 'CANARY-"password'
    logins = {"login": secret(username="user", password=ugly)}
    assert told([ONE], config(ONE, password=ugly), logins) == [("eu1-metrics", "promxy-config-broken")]
    assert told([ONE], config(ONE, password=ugly, release=KOF_0_0), logins, KOF_0_0) == []


def test_half_a_login_is_told_by_who_judges_the_secret() -> None:
    assert told([ONE], config(ONE), {"login": secret(username="user")}) == []
