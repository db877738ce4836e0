"""promxy_config.py against the sandbox's simulated operator, which was written apart from it: the same bytes."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.k0rdent.kof.plugins.module_utils.kof import syntax
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Direct
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests import promxy_config
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.promxy_server_group import promxy_server_group
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import RELEASES
from sandbox.simulator import promxy as simulated

# No fractions of a nanosecond: Go cuts them, the simulator rounds. And no nothing: syntax.go_duration refuses it.
PARTS = st.tuples(
    st.integers(1, 10_000).map(str), st.sampled_from(["ns", "us", "µs", "ms", "s", "m", "h"])
) | st.tuples(st.decimals("0.001", 100, places=3).map(str), st.sampled_from(["us", "µs", "ms", "s", "m", "h"]))
DURATIONS = st.lists(PARTS, min_size=1, max_size=4).map(lambda parts: "".join(map("".join, parts)))
#: What a character of a later Unicode than this Python's is, printable or not, only the operator's Go knows.
KNOWN = st.characters(exclude_categories=["Cs", "Cn"])
GROUPS = st.lists(
    st.builds(
        lambda **options: promxy_server_group(
            RELEASES["0.1.1"], name="a", namespace="kof", fleet="kof", credentials_secret="s", **options
        ),
        cluster_name=st.text(KNOWN, min_size=1, max_size=20),
        targets=st.lists(st.text(KNOWN, max_size=20), max_size=3),
        path_prefix=st.text(KNOWN, max_size=10),
        scheme=st.sampled_from(["http", "https"]),
        insecure_skip_verify=st.booleans(),
        dial_timeout=DURATIONS,
    ),
    min_size=1,
    max_size=4,
)


@given(GROUPS, st.text(KNOWN, max_size=20), st.text(KNOWN, max_size=20), st.sampled_from(list(RELEASES.values())))
def test_the_same_text(groups: list[dict[str, Any]], user: str, password: str, release: Direct) -> None:
    credentials = {"s": (user, password)}
    wanted = simulated.render([(group["spec"], user, password) for group in groups], escaping=release.promxy.escapes)
    assert promxy_config.render(groups, credentials, release) == wanted


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_what_is_escaped_is_read_as_it_was_and_no_fault(password: str) -> None:
    """Line 0.0. YAML's reader refuses U+FFFE and U+FFFF, however they are written."""
    release = RELEASES["0.0.x"]
    group = promxy_server_group(
        release, name="a", namespace="kof", fleet="kof", credentials_secret="s", cluster_name="eu1", targets=["a:443"]
    )
    credentials = {"s": ("a", password)}
    assert promxy_config.faults([group], credentials, release) == []
    (read,) = yaml.safe_load(promxy_config.render([group], credentials, release))["promxy"]["server_groups"]
    assert read["http_client"]["basic_auth"]["password"] == password


@given(DURATIONS)
def test_the_same_durations(text: str) -> None:
    assert syntax.go_duration(text) is None
    assert syntax.nanoseconds(text) == simulated.parse_duration(text)
    assert promxy_config.go_duration_text(text) == simulated.format_duration(simulated.parse_duration(text))
