"""What kubernetes.core's modules are sure to find too; the rest of place.py needs a play: the acceptance tests."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.kubeconfig import BY_KEYWORD, BY_VARIABLE, Said
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
    assert place.as_kubernetes_core(named, others | place.by_options(options)) is sure
