"""kubectl.py: what it answers in this process is what the program answers, and what it sends leaves the same behind."""

from __future__ import annotations

import json
import subprocess
import types
import uuid
from typing import Any

import pytest

from sandbox import kubectl
from sandbox.api import connect
from sandbox.fixtures import ControlPlane

#: A kind of core, one of a group with one version, and a cluster's own.
MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "labels": {"x": "1"}}, "data": {"k": "<&>é"}}
SOURCE = {
    "apiVersion": "grafana.integreatly.org/v1beta1",
    "kind": "GrafanaDatasource",
    "metadata": {"name": "a"},
    "spec": {"instanceSelector": {"matchLabels": {"a": "b"}}, "datasource": {"name": "n", "access": "proxy"}},
}
REMOVE = '[{"op": "remove", "path": "/spec/datasource/access"}]'
#: Answered from here.
READS = [
    ["get", "configmap", "a", "-o", "json"],
    ["get", "cm/a", "-o", "json", "--show-managed-fields"],
    ["get", "configmaps", "a", "b", "-o", "json"],
    ["get", "ConfigMaps", "-l", "x=1", "-o", "json"],
    ["get", "configmap,grafanadatasource", "-o", "name"],
    ["get", "grafanadatasources", "-o", "json"],
    ["get", "namespace", "kube-system", "-o", "name"],
    ["get", "secret", "nowhere", "--ignore-not-found", "-o", "json"],
    ["get", "crd/grafanadatasources.grafana.integreatly.org", "-o", "name"],
]
#: Left to the program: its tables and templates, its other words, and all that it complains of.
PROGRAMS = [
    ["get", "configmap", "a", "-o", "yaml", "--show-labels"],
    ["get", "configmap", "a", "-o", "jsonpath={.data.k}"],
    ["get", "configmap", "nowhere", "-o", "json"],
    ["get", "nokind", "-o", "json"],
    ["get", "configmaps.v1.", "-o", "name"],
    ["get", "configmap", "a", "--output=name"],
    ["label", "configmap", "a", "x=2"],
    ["patch", "grafanadatasource", "a", "-p", "{}"],
    ["delete", "configmap", "nowhere"],
    ["create", "configmap", "a"],
    ["auth", "whoami"],
    [],
]


class Both:
    """Two namespaces with the same in them: in one works this module, in the other the program."""

    def __init__(self, plane: ControlPlane) -> None:
        self.plane = plane
        self.spaces = {name: f"{name}-{uuid.uuid4().hex[:8]}" for name in ("ours", "theirs")}
        for space in self.spaces.values():
            self.program("create", "namespace", space)
        for word, obj in (("create", MAP), ("apply", SOURCE), ("create", {**MAP, "metadata": {"name": "b"}})):
            self(word, "-f", "-", stdin=json.dumps(obj))

    def program(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        command = [str(self.plane.kubectl_binary), "--kubeconfig", str(self.plane.admin), *arguments]
        return subprocess.run(command, input=stdin, text=True, capture_output=True, check=False)

    def __call__(self, *arguments: str, stdin: str | None = None) -> list[subprocess.CompletedProcess[str]]:
        return [
            kubectl.run(
                self.plane.kubectl_binary, self.plane.admin, *arguments, "-n", self.spaces["ours"], stdin=stdin
            ),
            self.program(*arguments, "-n", self.spaces["theirs"], stdin=stdin),
        ]

    def left(self) -> list[Any]:
        """All that is there, but for what is of the moment and the place."""
        found: list[Any] = []
        with connect(self.plane.admin) as api:
            for space in self.spaces.values():
                found.append([])
                for kind in ("api/v1", "configmaps"), ("apis/grafana.integreatly.org/v1beta1", "grafanadatasources"):
                    text = json.dumps(api.get("/{}/namespaces/{space}/{}".format(*kind, space=space))["items"])
                    items = json.loads(self._anywhere(text))
                    found[-1] += [_timeless(each) for each in items if each["metadata"]["name"] in "ab"]
        return found

    def _anywhere(self, text: str) -> str:
        for space in self.spaces.values():
            text = text.replace(space, "SPACE")
        return text

    def same(self, *arguments: str, stdin: str | None = None) -> tuple[int, Any]:
        """Exit code and output, which both must have; and what they leave behind, the same."""
        ours, theirs = (
            (done.returncode, self._anywhere(done.stdout), self._anywhere(done.stderr))
            for done in self(*arguments, stdin=stdin)
        )
        if arguments and arguments[0] == "get" and "json" in arguments and ours[1] and theirs[1]:
            assert _timeless(json.loads(ours[1])) == _timeless(json.loads(theirs[1]))
        elif arguments[:1] == ("delete",):  # whose line differs from version to version
            assert (ours[0], ours[2]) == (theirs[0], theirs[2])
        else:
            assert ours == theirs
        ours_left, theirs_left = self.left()
        assert ours_left == theirs_left
        return ours[0], ours[1]


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        moment = ("uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "time")
        timeless = {key: _timeless(each) for key, each in value.items() if key not in moment}
        if "managedFields" in timeless:  # in the order of their times, of whole seconds
            timeless["managedFields"].sort(key=json.dumps)
        return timeless
    return [_timeless(each) for each in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def both(control_plane: ControlPlane) -> Both:
    return Both(control_plane)


@pytest.fixture
def without_program(monkeypatch: pytest.MonkeyPatch) -> None:
    def no(*_what: Any, **_more: Any) -> Any:
        raise AssertionError("the program was needed")

    only = types.SimpleNamespace(run=no, CompletedProcess=subprocess.CompletedProcess)
    monkeypatch.setattr(kubectl, "subprocess", only)


@pytest.mark.parametrize("arguments", [*READS, *PROGRAMS], ids=" ".join)
def test_it_answers_as_the_program(both: Both, arguments: list[str]) -> None:
    both.same(*arguments)


@pytest.mark.parametrize("arguments", READS, ids=" ".join)
def test_the_program_isnt_needed(both: Both, arguments: list[str], without_program: None) -> None:
    plane = both.plane
    assert not kubectl.run(plane.kubectl_binary, plane.admin, *arguments, "-n", both.spaces["ours"]).returncode


def test_what_it_writes_is_what_the_program_writes(control_plane: ControlPlane, without_program: None) -> None:
    both = Both(control_plane)
    assert both.left()[0] == both.left()[1] != []
    data = '{"data": {"k": null, "l": "2"}}'
    for arguments in (
        ["patch", "configmap", "a", "-p", data],
        ["patch", "cm/b", "--type=merge", "-p", data, "--field-manager=somebody"],
        [
            "patch",
            "grafanadatasource",
            "a",
            "--type=json",
            "-p",
            '[{"op": "remove", "path": "/spec/datasource/access"}]',
        ],
        ["label", "configmap", "a", "--overwrite", "x=2", "y="],
        ["label", "configmap/b", "z=1"],
        ["label", "configmap", "a", "x-"],
        ["delete", "configmap", "b"],
        ["delete", "configmap,grafanadatasource", "--all", "--wait=false"],
        ["delete", "configmap", "b", "--ignore-not-found"],
        ["create", "-f", "-"],
        ["delete", "configmap", "a", "a", "--ignore-not-found"],
    ):
        code, _told = both.same(*arguments, stdin=json.dumps(MAP))
        assert code == 0, arguments
    assert both.left() == [[], []]


def test_it_waits_for_what_goes(control_plane: ControlPlane) -> None:
    both = Both(control_plane)
    both.same("patch", "configmap", "a", "--type=merge", "-p", '{"metadata": {"finalizers": ["example.com/never"]}}')
    code, _told = both.same("delete", "configmap", "a", "b", "--timeout=1s")
    assert code == 1
    # As long as the program may take, where nothing else is said.
    with pytest.raises(subprocess.TimeoutExpired):
        kubectl.run(
            control_plane.kubectl_binary, control_plane.admin, "delete", "cm/a", "-n", both.spaces["ours"], timeout=1
        )
    for space in both.spaces.values():
        both.program("patch", "configmap", "a", "-n", space, "--type=merge", "-p", '{"metadata": {"finalizers": null}}')


@pytest.mark.parametrize(
    "arguments",
    [
        ["delete", "configmap", "a", "nowhere"],
        ["delete", "configmap,nokind", "--all"],
        ["delete", "configmap", "a", "--timeout=1m0s"],
    ],
    ids=" ".join,
)
def test_what_the_program_is_needed_for_is_all_its_own(control_plane: ControlPlane, arguments: list[str]) -> None:
    Both(control_plane).same(*arguments)


def test_what_a_later_object_lacks_is_told_and_not_that_the_first_is_there(
    control_plane: ControlPlane, without_program: None
) -> None:
    both = Both(control_plane)
    new, wrong = ({**MAP, "metadata": {"name": name}} for name in ("c", "Not_A_Name"))
    for verb in ("create", "apply"):
        both.program("delete", "configmap", "c", "-n", both.spaces["ours"], "--ignore-not-found")
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": [new, wrong]})
        words = (verb, "-f", "-", "-n", both.spaces["ours"])
        done = kubectl.run(control_plane.kubectl_binary, control_plane.admin, *words, stdin=text)
        assert done.returncode == 1
        assert "Not_A_Name" in done.stderr
        assert "exists" not in done.stderr
    # The first that is refused is told by the program.
    with pytest.raises(AssertionError, match="the program was needed"):
        kubectl.run(control_plane.kubectl_binary, control_plane.admin, *words, stdin=json.dumps(wrong))
