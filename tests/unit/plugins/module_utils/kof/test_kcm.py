"""Which version of kcm's API is spoken: one answer for all who ask."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.kcm import NoKcm, served_version, version_of


class Server:
    server = "https://api.example.com"

    def __init__(self, versions: list[str] | None, preferred: str | None = None) -> None:
        self.group = None if versions is None else {"preferred": preferred, "versions": versions}

    def api_groups(self, group: str) -> Any:
        assert group == "k0rdent.mirantis.com"
        return self.group


@pytest.mark.parametrize(
    ("served", "spoken"),
    [
        (["v1alpha1"], "v1alpha1"),
        (["v1beta1", "v1alpha1"], "v1beta1"),
        (["v1alpha1", "v1beta1"], "v1beta1"),
        (["v1", "v1beta1"], "v1beta1"),  # the server prefers what nobody here has seen
    ],
)
def test_the_newest_that_is_known_whatever_the_server_prefers(served: list[str], spoken: str) -> None:
    assert served_version(served) == spoken
    assert version_of(Server(served, served[0])) == spoken


def test_none_is_told_with_what_is_served() -> None:
    with pytest.raises(NoKcm, match="no k0rdent management cluster"):
        version_of(Server(None))
    with pytest.raises(NoKcm, match=r"in v1 only.*knows v1beta1 and v1alpha1"):
        version_of(Server(["v1"], "v1"))
