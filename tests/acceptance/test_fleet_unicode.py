"""Any string that YAML can carry arrives unchanged, wherever strings of users go; the others are refused before they
are sent. An API server is all it needs.
"""

from __future__ import annotations

import base64
import json
import os
import pathlib
import random
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from deciding import renderings, strings
from deciding.objects import NAMESPACE, Object
from deciding.server import APPLY, Server, serving
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import COLLECTION_USER, REPOSITORY

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.ownership import unchanged
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.reconcile import Policy, Ref, read, reconcile, ref_of
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import parse_child
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import RELEASES
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import NotPlain, to_plain
from forked import SHARED

SERVICE = "kof-collectors"
#: One of its subcharts, which takes any key.
CHART = "kube-state-metrics"
#: Top-level keys of config and of the service's values that are ours.
OURS = ("clusterLabels", "global", "kof", "opencost")
LONGEST_KEY = 1022  # and two quotes
VERSION = {"kof_version": "0.1.1"}
SURROGATES = ["\ud800", "\udfff", "a\udc00b", "\udc00\ud800", "\ud83d\ude00"]
TOO_LONG = ["k" * (LONGEST_KEY + 1), "é" * 2000, "\x85" * 171, "\x01" * 171, '"' * 512, "\u2028" * 500]
TEXT = st.text(max_size=40) | st.sampled_from(strings.SPECIAL)
KEYS = TEXT.filter(lambda text: len(text) <= 160 and text not in OURS)
VALUES = st.dictionaries(KEYS, TEXT | st.lists(TEXT, max_size=3) | st.dictionaries(KEYS, TEXT, max_size=3), max_size=4)


@pytest.fixture(scope="module")
def server(control_plane: Any) -> Iterator[Server]:
    with serving(control_plane.admin) as server:
        for name in ("kcm-system", "kof"):
            server.patch({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, "test", APPLY)
        yield server


def carriers(name: str, value: Object, text: str) -> list[Object]:
    """Objects with `value` (a map of anything) and `text` in every place where strings of users go: a cluster's config,
    its service values (YAML text in a string), annotations, ConfigMap and Secret data."""
    regional = {**VERSION, "regional_domain": "eu1.example.com", "regional_admin_email": "platform@example.com"}
    child = {
        **VERSION,
        "child_regional": "eu1",
        "child_config": value,
        "child_service_values": {SERVICE: {CHART: value}},
        "child_extra_services": [{"name": "more", "template": "more-1", "values": {"more": value}}],
    }
    made = renderings.objects_of({"eu1": regional}, {name: child}, next(iter(RELEASES.values())))
    cluster = next(each for each in made if each["metadata"]["name"] == name)
    cluster["metadata"]["annotations"] = {"text": text}
    head = {"metadata": {"name": name, "namespace": NAMESPACE}, "apiVersion": "v1"}
    data = base64.b64encode(text.encode()).decode()
    return [
        cluster,
        {**head, "kind": "ConfigMap", "data": {"text": text}},
        {**head, "kind": "Secret", "data": {"text": data}},
    ]


def arrive(server: Server, prefix: str, wanted: list[tuple[Object, str]]) -> None:
    """Apply objects with each (value, text) in them, read them anew, and compare what the server has."""
    name = f"{prefix}{renderings.unique()}"
    made = [carriers(f"{name}-{number}", value, text) for number, (value, text) in enumerate(wanted)]
    objects = [each for of_one in made for each in of_one]
    for outcome in reconcile(server.connection, objects, policy=Policy(), check_mode=False):
        assert outcome.action == "created", outcome
    live = read(server.connection, [ref_of(each) for each in objects])
    for (value, text), (cluster, config_map, secret) in zip(wanted, made, strict=True):
        spec = live[ref_of(cluster)]["spec"]
        assert {key: spec["config"][key] for key in value} == value
        found = values_of(spec)
        assert {key: found[SERVICE][CHART][key] for key in value} == value
        assert found["more"] == {"more": value}
        assert live[ref_of(cluster)]["metadata"]["annotations"] == {"text": text}
        assert live[ref_of(config_map)]["data"] == {"text": text}
        assert base64.b64decode(live[ref_of(secret)]["data"]["text"]).decode() == text
    assert all(unchanged(each, live[ref_of(each)]) for each in objects)


def values_of(spec: Object) -> dict[str, Object]:
    """The services' values, read out of their YAML text."""
    services = spec["serviceSpec"]["services"]
    return {each["name"]: yaml.load(each["values"], Loader=yaml.CSafeLoader) for each in services if "values" in each}


def test_every_character_of_the_basic_plane_arrives_alone_as_value_and_as_key(server: Server) -> None:
    batches = list(strings.code_points(1024, last=0xFFFF))
    assert sum(map(len, batches)) == 0x10000 - 0x800
    for batch in batches:
        value = {"keys": {character: f"{ord(character):x}" for character in batch}, "values": batch}
        arrive(server, "plane", [(value, "".join(batch))])


@pytest.mark.long
def test_every_character_of_the_other_planes_arrives(server: Server) -> None:
    chance = random.Random(1)
    batches = list(strings.code_points(8192, first=0x10000))
    assert sum(map(len, batches)) == 0x100000
    for batch in batches:
        some = chance.sample(batch, 50)
        value: Object = {"text": "".join(batch), "values": some, "keys": dict.fromkeys(some, 1)}
        arrive(server, "planes", [(value, "".join(batch))])


def test_special_strings_arrive(server: Server) -> None:
    wanted: list[tuple[Object, str]] = [
        ({"text": text, "list": [text, [text]], "keys": {text[:160]: text}}, text) for text in strings.SPECIAL
    ]
    longest = {"k" * LONGEST_KEY: 1, "é" * LONGEST_KEY: 2, "😀" * LONGEST_KEY: 3, "\x85" * 170: 4, '"' * 511: 5}
    all_keys = {text[:160]: number for number, text in enumerate(strings.SPECIAL)}
    arrive(server, "special", [*wanted, ({"longest": longest, "keys": all_keys}, "")])


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(wanted=st.lists(st.tuples(VALUES, TEXT), min_size=1, max_size=3))
def test_any_strings_arrive(server: Server, wanted: list[tuple[Object, str]]) -> None:
    arrive(server, "any", wanted)


# -- what can't arrive


def writes_of(control_plane: Any, name: str, since: int) -> list[str]:
    """What was sent since a mark about an object, dry runs included, reads aside."""
    with open(control_plane.audit, "rb") as log:
        log.seek(since)
        found = [json.loads(line) for line in log]
    return [each["requestURI"] for each in found if name in each["requestURI"] and each["verb"] not in ("get", "list")]


@pytest.mark.parametrize("text", [*SURROGATES, *TOO_LONG], ids=lambda text: ascii(text)[:20])
def test_what_cannot_arrive_is_never_sent(control_plane: Any, server: Server, text: str) -> None:
    """The last door, for callers that passed none before: no object with such a string leaves."""
    name = f"never-{renderings.unique()}"
    mark = control_plane.audit.stat().st_size
    head: Object = {"apiVersion": "v1", "metadata": {"name": name, "namespace": NAMESPACE}}
    cluster = {**head, "apiVersion": "k0rdent.mirantis.com/v1alpha1", "kind": "ClusterDeployment"}
    wanted: list[Object] = [{**cluster, "spec": {"template": "t", "config": {"a": [{text: 1}]}}}]
    if text in SURROGATES:
        wanted += [
            {**cluster, "spec": {"template": "t", "config": {"a": [text]}}},
            {**head, "kind": "ConfigMap", "data": {"a": text}},
            {**head, "kind": "ConfigMap", "metadata": {**head["metadata"], "annotations": {"a": text}}},
            {**head, "kind": "Secret", "data": {"a": text}},
        ]
    for want in wanted:
        for check_mode in (True, False):
            (outcome,) = reconcile(server.connection, [want], policy=Policy(), check_mode=check_mode)
            assert outcome.action == "refused"
            reason = outcome.reason or ""
            assert "surrogate" in reason or "characters" in reason
            assert reason.encode()  # it can be shown
    assert writes_of(control_plane, name, mark) == []


@pytest.mark.parametrize("variable", ["child_config", "child_service_values", "child_extra_services"])
@pytest.mark.parametrize("key", TOO_LONG, ids=lambda text: ascii(text)[:20])
def test_a_key_that_is_too_long_is_a_fault_of_its_host_and_variable(variable: str, key: str) -> None:
    value: Any = {"a": [{key: 1}]}
    if variable == "child_service_values":
        value = {SERVICE: {CHART: value}}
    elif variable == "child_extra_services":
        value = [{"name": "more", "template": "more-1", "values": value}]
    cluster, faults = parse_child("c1", {**VERSION, "child_regional": "eu1", variable: value})
    assert cluster is None
    (fault,) = faults
    assert (fault.host, fault.variable) == ("c1", variable)
    assert "YAML has at most 1024" in fault.problem


@pytest.mark.parametrize("text", SURROGATES, ids=ascii)
def test_half_a_pair_is_refused_at_the_door(text: str) -> None:
    values: list[Any] = [text, {"a": [text]}, {text: 1}, {"a": {text: {}}}]
    for value in values:
        with pytest.raises(NotPlain, match="surrogate"):
            to_plain(value)


# -- the whole chain, from an inventory's text to the live object


def play(control_plane: Any, folder: pathlib.Path, children: dict[str, Object]) -> tuple[int, str]:
    """The child layer's playbook on an inventory of children with these variables: exit code and output."""
    common = {"child_regional": "eu1", "child_template": "aws-standalone-cp-0-1-0", "kof_wait": False}
    regional = {"regional_domain": "eu1.example.com", "regional_admin_email": "platform@example.com"}
    hosts = {name: {**common, **child} for name, child in children.items()}
    inventory = {"all": {"vars": VERSION}, "kof_regional": {"hosts": {"eu1": regional}}, "kof_child": {"hosts": hosts}}
    (folder / "hosts.yml").write_text(yaml.safe_dump(inventory), encoding="ascii")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("K8S_AUTH_", "KUBECONFIG"))}
    ours = {
        "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(REPOSITORY / ".work" / "collections"),
        "ANSIBLE_NOCOLOR": "1",
        "K8S_AUTH_KUBECONFIG": str(control_plane.kubeconfig),
    }
    return SHARED.run(["-i", str(folder / "hosts.yml"), "playbooks/layers/child.yml"], clean | ours, timeout=300)


def test_strings_of_an_inventory_arrive(control_plane: Any, server: Server, tmp_path: pathlib.Path) -> None:
    name = f"chain-{renderings.unique()}"
    special = list(strings.SPECIAL)
    (latin,) = strings.code_points(0x300, last=0x2FF)
    plane = list(map("".join, strings.code_points(0x400, last=0xFFFF)))
    config: Object = {
        "special": special,
        "keys": {text[:160]: text[:160] for text in special},
        "latin": dict(zip(latin, latin, strict=True)),
        "plane": plane,
        "astral": "".join(chr(code) for code in range(0x10000, 0x110000, 257)),
    }
    values = {"special": special, "keys": config["keys"], "latin": config["latin"], "plane": "".join(plane)}
    variables = {"child_config": config, "child_service_values": {SERVICE: {CHART: values}}}
    code, told = play(control_plane, tmp_path, {name: variables})
    assert code == 0, told[-2000:]
    ref = Ref("k0rdent.mirantis.com/v1alpha1", "ClusterDeployment", "kcm-system", name)
    spec = read(server.connection, [ref])[ref]["spec"]
    assert {key: spec["config"][key] for key in config} == config
    found = values_of(spec)[SERVICE][CHART]
    assert {key: found[key] for key in values} == values
    mark = control_plane.audit.stat().st_size
    code, told = play(control_plane, tmp_path, {name: variables})
    assert code == 0, told[-2000:]
    assert writes_of(control_plane, name, mark) == []


#: By the name of a child each: variable and value.
CANNOT_ARRIVE: dict[str, tuple[str, Object]] = {
    "value": ("child_config", {"a": ["\ud800"]}),
    "key": ("child_config", {"a": {"\udc00": 1}}),
    "long-key": ("child_config", {"a": {"\x85" * 171: 1}}),
    "service-value": ("child_service_values", {SERVICE: {CHART: {"a": "x\ud83dx"}}}),
    "long-key-of-a-service": ("child_service_values", {SERVICE: {CHART: {"k" * 1023: 1}}}),
    "label": ("child_labels", {"team": "\udfff"}),
}


def test_strings_of_an_inventory_that_cannot_arrive_are_named(
    control_plane: Any, server: Server, tmp_path: pathlib.Path
) -> None:
    """In one run, each at its own child: what is said of several is said once."""
    mark = control_plane.audit.stat().st_size
    # Ansible itself reads no half of a surrogate pair from a file, but templates bring them, from JSON for one.
    children: dict[str, Object] = {
        name: {variable: f"{{{{ '{json.dumps(value)}' | from_json }}}}"}
        for name, (variable, value) in CANNOT_ARRIVE.items()
    }
    code, told = play(control_plane, tmp_path, children)
    assert code != 0
    for name, (variable, _value) in CANNOT_ARRIVE.items():
        assert re.search(rf"(?<![-\w]){name}(, [-\w]+)*: {variable}: ", told), f"{name}: {told[-4000:]}"
    assert "faults in the inventory; nothing was changed" in told
    with open(control_plane.audit, "rb") as log:
        log.seek(mark)
        assert not [line for line in log if json.loads(line)["user"]["username"] == COLLECTION_USER]
