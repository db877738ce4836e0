"""The support bundle: what is in it, that it is one private file, the same of the same, and no secret in any form."""

from __future__ import annotations

import base64
import copy
import datetime
import io
import json
import pathlib
import tarfile
import types
import urllib.parse
from typing import Any

import pytest
from ansible._internal._datatag._tags import VaultedValue
from unit.inventories import task_vars
from unit.plugins.action.test_fleet_status import FINDING, found

from ansible_collections.k0rdent.kof.plugins.action import fleet_support_bundle
from ansible_collections.k0rdent.kof.plugins.action.fleet_support_bundle import ActionModule
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError, ApiUnavailable
from ansible_collections.k0rdent.kof.plugins.plugin_utils import leaving

#: One each: of Ansible Vault, of a no_log option, in a free-form map by its key, in a text of YAML there, in a URL.
VAULT, NO_LOG, IN_MAP, IN_TEXT, IN_URL = (f"a/+CANARY{number}END=b" for number in "12345")
SECRETS = (VAULT, NO_LOG, IN_MAP, IN_TEXT, IN_URL)
INVENTORY = """
all:
  vars:
    kof_version: "0.1.1"
    kof_fleet: test
    kof_kubeconfig: /home/kof/config
    kof_chart_repository_username: robot-CANARY6END
    kof_chart_repository_password: {no_log}
    regional_admin_email: platform@example.com
kof_mothership:
  hosts: {{mothership: }}
kof_regional:
  hosts:
    eu1:
      regional_domain: eu1.example.com
      regional_disabled_services: [cert-manager]
      regional_config: {{region: eu-west-1, adminPassword: {in_map}}}
      regional_service_values:
        kof-storage: {{defaultRules: "grafana: {{password: '{in_text}'}}"}}
kof_child:
  hosts:
    eu1-child1: {{child_regional: eu1}}
"""
NOW = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)


def event(name: str, message: str = "m", **more: Any) -> dict[str, Any]:
    return {
        "metadata": {"creationTimestamp": "2026-03-01T11:00:00Z", "name": f"{name}.1"},
        "involvedObject": {"kind": "Machine", "namespace": "kcm-system", "name": name},
        "reason": "r",
        "message": message,
        **more,
    }


class Cluster:
    """What a bundle asks of the management cluster, and whether it may."""

    def __init__(self) -> None:
        self.forbidden: set[str] = set()
        self.events: list[dict[str, Any]] = []

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_exc: object) -> None:
        pass

    def path(self, _api: str, kind: str, namespace: str | None = None) -> str:
        return f"{kind}|{namespace}"

    def request(self, _method: str, path: str) -> dict[str, Any]:
        assert path == "/version"
        return {"gitVersion": "v1.34.4"}

    def list_objects(self, path: str, **_options: Any) -> tuple[list[dict[str, Any]], str]:
        if path in self.forbidden:
            raise ApiError(403, "Forbidden", f"cannot list {path}")
        listed = {
            "Event|kcm-system": self.events,
            "Management|None": [{"metadata": {"name": "kcm"}, "status": {"release": "kcm-0-3-0"}}],
        }
        return copy.deepcopy(listed.get(path, [])), "1"


@pytest.fixture
def run(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """run(cluster or exception, **) gives the result, and the bundle's files by name."""

    def ran(cluster: Any, *, check: bool = False, inventory: str = "", status: Any = None) -> Any:
        action = object.__new__(ActionModule)
        action._task = types.SimpleNamespace(args={}, check_mode=check)
        action._place = "https://127.0.0.1:6443"

        def connect(*_arguments: Any) -> Any:
            if isinstance(cluster, Exception):
                raise cluster
            return cluster

        class Clock(datetime.datetime):
            @classmethod
            def now(cls, tz: Any = None) -> datetime.datetime:
                return NOW

        monkeypatch.setattr(fleet_support_bundle.datetime, "datetime", Clock)
        monkeypatch.setattr(ActionModule, "connect", connect)
        monkeypatch.setattr(fleet_support_bundle, "say", lambda _text: None)
        monkeypatch.setattr(fleet_support_bundle.status, "charts_of", lambda *_arguments: "they may not be listed")
        monkeypatch.setattr(fleet_support_bundle, "kcm_version_of", lambda _connection: "v1beta1")
        monkeypatch.setattr(fleet_support_bundle.status, "look", lambda *_arguments, **_options: status or found())
        (tmp_path / "inventory").mkdir(exist_ok=True)
        text = (inventory or INVENTORY).format(no_log=NO_LOG, in_map=IN_MAP, in_text=IN_TEXT)
        variables = task_vars(tmp_path / "inventory", text, batch=["mothership", "eu1", "eu1-child1"])
        vaulted = {"my_own": VaultedValue(ciphertext="x").tag(VAULT), "child_config": {"note": "{{ my_own }}"}}
        variables["hostvars"]._variable_manager.set_nonpersistent_facts("eu1-child1", vaulted)
        folder = tmp_path / "bundle"
        with leaving.of_action(action, variables):
            result = leaving.leaving(action.fleet({"folder": str(folder)}, variables))
        if not result["file"]:
            assert not folder.exists()
            return result, {}
        (file,) = folder.iterdir()
        assert str(file) == result["file"]
        assert oct(file.stat().st_mode & 0o777) == "0o600"
        return result, opened(file.read_bytes())

    return ran


def opened(data: bytes) -> dict[str, str]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        names = tar.getnames()
        assert names == sorted(names)
        assert {(each.mode, each.uid, each.uname) for each in tar} == {(0o600, 0, "")}
        texts = {name: tar.extractfile(name).read().decode() for name in names}  # type: ignore[union-attr]
    assert {name.partition("/")[0] for name in names} == {"kof-support-test-20260301t120000z"}
    return {name.partition("/")[2]: text for name, text in texts.items()}


def said(secret: str) -> str:
    """A secret as clusters repeat it, in every form."""
    coded = base64.b64encode(secret.encode()).decode()
    return f"{secret} {urllib.parse.quote(secret, safe='')} {coded} {json.dumps(secret)}"


def test_no_secret_of_vault_or_inventory_is_in_it_in_any_form(run: Any) -> None:
    cluster = Cluster()
    known = " ".join(map(said, SECRETS[:4]))
    cluster.events = [event("eu1-md-0", known), event("eu1", f"https://user:{urllib.parse.quote(IN_URL, safe='')}@x/y")]
    finding = {**FINDING, "why": known}
    result, files = run(cluster, status=found(finding))
    assert "faults.txt" not in files, files["faults.txt"]
    assert result["contents"] == sorted(files) == [
        "README.txt", "events.json", "inventory.json", "runs.json", "status.json", "status.txt", "versions.json",
    ]  # fmt: skip
    text = json.dumps([result, files])
    for secret in (*SECRETS, "robot-CANARY6END"):
        for form in (secret, urllib.parse.quote(secret, safe=""), base64.b64encode(secret.encode()).decode()):
            assert form not in text, (secret, form)
    assert "CANARY" not in text
    # It is hidden, and what stands around it isn't.
    assert len(json.loads(files["events.json"])) == 2
    assert "(hidden)" in files["events.json"]
    assert json.loads(files["status.json"])["findings"][0]["code"] == "service-failed"


def test_of_variables_only_what_is_a_word_a_number_or_a_name_is_told(run: Any) -> None:
    _result, files = run(Cluster())
    eu1 = json.loads(files["inventory.json"])["hosts"]["eu1"]
    assert eu1["layer"] == "regional"
    assert eu1["variables"]["regional_domain"] == "eu1.example.com"
    assert eu1["variables"]["regional_disabled_services"] == ["cert-manager"]
    assert eu1["not_told"] == [
        "kof_chart_repository_password", "kof_chart_repository_username", "kof_kubeconfig", "regional_config",
        "regional_service_values",
    ]  # fmt: skip
    assert json.loads(files["versions.json"])["api_server"] == "v1.34.4"
    assert json.loads(files["versions.json"])["kcm"][0]["release"] == "kcm-0-3-0"


def test_events_are_those_of_our_clusters_the_newest_first_and_bounded(run: Any, monkeypatch: Any) -> None:
    cluster = Cluster()
    late = {"series": {"lastObservedTime": "2026-03-01T11:59:00.000000Z", "count": 7}}
    cluster.events = [event("eu1"), event("eu1-child1-md-0-x", **late), event("eu10"), event("other"), event("eu1-z")]
    _result, files = run(cluster)
    events = json.loads(files["events.json"])
    assert [each["object"].rpartition("/")[2] for each in events] == ["eu1-child1-md-0-x", "eu1", "eu1-z"]
    assert events[0]["count"] == 7
    monkeypatch.setattr(fleet_support_bundle.support, "EVENTS", 1)
    cluster.events.reverse()
    assert json.loads(run_again(run, cluster)["events.json"]) == events[:1]


@pytest.mark.parametrize(
    "message",
    [
        "failed to log in with password=CANARY to the store",
        "Authorization: Bearer CANARY",
        "mysql --password CANARY -h here",
        "AWS_SECRET_ACCESS_KEY=CANARY",
        "values don't fit: grafana: {adminPassword: CANARY}",
        "-----BEGIN RSA PRIVATE KEY-----\nCANARY\n-----END RSA PRIVATE KEY-----",
        "can't pull https://robot:CANARY@registry.example.com/x",
    ],
)
def test_an_event_tells_no_secret_that_nobody_knew_of(run: Any, message: str) -> None:
    """By its name or form: a program quotes what it was called with."""
    cluster = Cluster()
    cluster.events = [event("eu1", message=message)]
    files = run_again(run, cluster)
    assert len(json.loads(files["events.json"])) == 1
    assert "CANARY" not in str(files)


def run_again(run: Any, cluster: Any) -> dict[str, str]:
    _result, files = run(cluster)
    return files


def test_what_may_not_be_read_is_named_and_the_rest_is_there(run: Any) -> None:
    cluster = Cluster()
    cluster.forbidden = {"Event|kcm-system", "ConfigMap|kof", "Management|None"}
    result, files = run(cluster)
    assert {each.partition(":")[0] for each in result["not_looked_at"]} == {"events in kcm-system", "runs.json", "kcm"}
    assert "- events in kcm-system: cannot list" in files["README.txt"]
    assert {"status.json", "events.json"} < set(files)


def test_where_nobody_answers_or_the_inventory_has_faults_there_is_the_rest(run: Any) -> None:
    result, files = run(ApiUnavailable("can't reach the API server"))
    assert result["not_looked_at"] == ["the management cluster: can't reach the API server"]
    assert set(files) == {"README.txt", "inventory.json", "versions.json"}
    broken = INVENTORY.replace("kof_fleet: test", "kof_fleet: test\n    kof_force_conflicts: sometimes")
    _result, files = run(Cluster(), inventory=broken)
    assert "kof_force_conflicts" in files["faults.txt"]
    assert "status.json" in files


def test_check_mode_writes_no_file(run: Any) -> None:
    result, files = run(Cluster(), check=True)
    assert (result["file"], files) == ("", {})
    assert "status.json" in result["contents"]


def test_of_the_same_it_is_the_same_bytes() -> None:
    archive = fleet_support_bundle.support.archive
    assert archive("a", {"b": "1", "c": "2"}, 5) == archive("a", {"c": "2", "b": "1"}, 5)
