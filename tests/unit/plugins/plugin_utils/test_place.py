"""What kubernetes.core's modules are sure to find too; the rest of place.py needs a play: the acceptance tests."""

from __future__ import annotations

import types
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiUnavailable
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.kubeconfig import BY_KEYWORD, BY_VARIABLE, Said
from ansible_collections.k0rdent.kof.plugins.plugin_utils import place


@pytest.mark.parametrize(
    ("named", "options", "sure"),
    [
        (None, {}, True),
        ("/etc/kof/kubeconfig", {"layer": "mothership"}, True),
        ("~/a:/b", {}, True),
        ("files/kubeconfig", {}, False),
        ("/a:b", {}, False),
        ("$HOME/kubeconfig", {}, False),
        ({"clusters": []}, {}, False),
        (None, {"kubeconfig": "/a"}, False),  # by module_defaults of our group, perhaps
        ("/a", {"context": "c"}, False),
    ],
)
def test_what_kubernetes_core_is_sure_to_find(named: Any, options: dict[str, Any], sure: bool) -> None:
    others = {"kubeconfig": Said(BY_VARIABLE, "x"), "K8S_AUTH_CONTEXT": Said(BY_KEYWORD, "y")}
    said = others | place.by_options(options)
    assert place.as_kubernetes_core(task_with({}), {"kubeconfig": named}, said) is sure


@pytest.mark.parametrize(
    ("defaults", "sure"),
    [
        ({"group/ansible.builtin.k8s": {"host": "https://another", "api_key": "k"}}, False),
        ({"group/kubernetes.core.k8s": {"context": "another"}}, False),
        # The role's own defaults for the module take the place of the play's.
        ({"kubernetes.core.k8s": {"host": "https://another"}}, True),
        ({"group/amazon.aws.aws": {"region": "eu-west-1"}}, True),
    ],
)
def test_defaults_of_its_group_may_lead_kubernetes_core_elsewhere(defaults: dict[str, Any], sure: bool) -> None:
    assert place.as_kubernetes_core(task_with(defaults), {"kubeconfig": "/a"}, {}) is sure


@pytest.mark.parametrize(
    "said", [{"api_key": "x\n"}, {"proxy": "http://u:x@p"}, {"host": "https://u:x@h"}, {"password": " x"}]
)
def test_what_kubernetes_core_would_show_is_kept_from_it(said, monkeypatch):
    assert not place.as_kubernetes_core(task_with({}), {"kubeconfig": "/a", **said}, {})
    for name, value in said.items():
        monkeypatch.setenv(f"K8S_AUTH_{name.upper()}", value)
    assert not place.as_kubernetes_core(task_with({}), {"kubeconfig": "/a"}, {})


def test_a_kubeconfigs_text_is_kept_from_kubernetes_core_too(monkeypatch):
    monkeypatch.setenv("K8S_AUTH_KUBECONFIG", "/a")
    assert place.as_kubernetes_core(task_with({}), {}, {})
    monkeypatch.setenv("K8S_AUTH_KUBECONFIG", "{users: [{user: {token: x}}]}")
    assert not place.as_kubernetes_core(task_with({}), {}, {})


@pytest.mark.parametrize(
    "template", ["{{ nowhere }}", "{{ 'CANARY' | no_such_filter }}", "{{ 'CANARY: {' | from_yaml }}", "{{ 'CANARY"]
)
def test_defaults_that_cant_be_templated_are_told_without_their_text(template: str) -> None:
    action = task_with({"kubernetes.core.k8s": trust_as_template(template)})
    action._templar = Templar(DataLoader())
    with pytest.raises(ApiUnavailable) as caught:
        place.unheard(action, {}, {})
    assert str(caught.value).startswith("module_defaults for kubernetes.core.k8s can't be read: ")
    assert "CANARY" not in str(caught.value)


def task_with(module_defaults: dict[str, Any]) -> Any:
    return types.SimpleNamespace(_task=types.SimpleNamespace(module_defaults=[module_defaults]))


@pytest.mark.parametrize(
    ("name", "raw", "value"),
    [
        ("kof_context", None, None),
        ("kof_context", "{{ nowhere | default(omit) }}", None),
        ("kof_context", "{{ nowhere | default(none) }}", None),
        ("kof_context", "management", "management"),
        ("kof_validate_certs", "no", False),
        ("kof_impersonate_groups", "devs, ops", ["devs", "ops"]),
    ],
)
def test_a_modules_option_stands_for_what_the_variable_is(name: str, raw: Any, value: Any) -> None:
    assert place.templated(with_templar(), name, trust_as_template(raw) if raw else raw) == value


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("kof_context", 1.1),
        ("kof_password", 83),
        ("kof_validate_certs", "maybe"),
        ("kof_context", ""),
        ("kof_kubeconfig", " \n"),
        ("kof_impersonate_groups", ""),
    ],
)
def test_a_modules_option_is_refused_by_the_variables_name(name: str, raw: Any) -> None:
    with pytest.raises(ApiUnavailable, match=f"^{name}: ") as caught:
        place.templated(with_templar(), name, raw)
    assert "83" not in str(caught.value)


def with_templar() -> Any:
    return types.SimpleNamespace(_templar=Templar(DataLoader(), variables={}))


@pytest.mark.parametrize("users", ["null", "[{name: u, user: null}]", "[{name: u, user: {exec: null}}]", "text"])
def test_a_kubeconfigs_content_is_read_as_its_file_would_be(users):
    content = f"apiVersion: v1\nkind: Config\nclusters: []\ncontexts: []\nusers: {users}\n"
    if users == "text":
        with pytest.raises(ApiUnavailable, match="users"):
            place.readable(content, str, None)
    else:
        assert place.readable(content, str, None)
