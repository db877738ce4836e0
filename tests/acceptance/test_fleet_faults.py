"""A fleet whose management cluster breaks while it is applied: each run finishes, or ends by naming object and cause.

Then it is run again: that finishes what is left, and where nothing is left it sends no change. Of each case 40 children
are in `make test`, 1,000 in `make acceptance-long TOPIC=fleet_faults` (about ten minutes); `-rP` shows the counts.
"""

from __future__ import annotations

import collections
import contextlib
import json
import pathlib
import shlex
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import example_fleet
import pytest
import yaml
from support import COLLECTION_USER, DEPLOYMENTS, Run, Sandbox, finish

from sandbox import cluster, lifecycle
from sandbox.fault_proxy import Fault, FaultProxy

ROBOT = "system:serviceaccount:kof-faults:robot"
REASON = "frozen until the audit is over"
#: Seconds that the API server remembers that a token was good.
TOKEN_CACHE = 10

Tell = Callable[..., None]


@dataclass(frozen=True)
class Fleet:
    """An example fleet in the sandbox, and how to run playbooks on it."""

    sandbox: Sandbox
    inventory: str
    example: example_fleet.Fleet

    @property
    def children(self) -> set[str]:
        return set(self.example.children)

    @property
    def size(self) -> int:
        return len(self.children)

    @property
    def many(self) -> bool:
        """Not the small fleet, whose tests are to be quick."""
        return self.size > 100

    def apply(self, *arguments: str, playbook: str = "child", kubeconfig: pathlib.Path | None = None) -> Run:
        return self.sandbox.playbook(playbook, *self._words(kubeconfig), *arguments, inventory=self.inventory)

    def start(self, kubeconfig: pathlib.Path | None = None) -> Any:
        return self.sandbox.start_playbook("child", *self._words(kubeconfig), inventory=self.inventory)

    def _words(self, kubeconfig: pathlib.Path | None) -> tuple[str, ...]:
        return ("-e", "kof_wait=false", *(("-e", f"kof_kubeconfig={kubeconfig}") if kubeconfig else ()))

    def live(self) -> set[str]:
        return {item["metadata"]["name"] for item in self.sandbox.items(DEPLOYMENTS)}


@pytest.fixture(
    scope="module",
    params=[pytest.param((4, 40), id="40"), pytest.param((20, 1000), id="1000", marks=pytest.mark.long)],
)
def fleet(
    request: pytest.FixtureRequest, fleet_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """No cluster is there. Nobody waits for them here, so nobody works on them either."""
    example = example_fleet.fleet(*request.param)
    made = Fleet(fleet_sandbox, fleet_sandbox.inventory(tmp_path_factory.mktemp("faults"), example), example)
    fleet_sandbox.command("fault", "kcm_ignores=kcm-system")
    yield made
    fleet_sandbox.command("fault", "--clear")


@pytest.fixture(autouse=True)
def nothing_is_left(fleet: Fleet) -> Iterator[None]:
    yield
    fleet.sandbox.delete_clusters()


@pytest.fixture
def proxy(fleet_sandbox: Sandbox) -> Iterator[FaultProxy]:
    kubeconfig = pathlib.Path(fleet_sandbox.endpoints["kof_kubeconfig"])
    with FaultProxy(fleet_sandbox.folder, kubeconfig, lifecycle.MOTHERSHIP) as running:
        yield running


@pytest.fixture
def through(proxy: FaultProxy, tmp_path: pathlib.Path) -> pathlib.Path:
    return proxy.write_kubeconfig(tmp_path / "proxy.kubeconfig")


@pytest.fixture
def tell(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Tell:
    """Put numbers into the report and the output."""

    def told(**numbers: object) -> None:
        for name, value in numbers.items():
            record_property(name, value)
            print(f"{request.node.name}: {name} = {value}")

    return told


@contextlib.contextmanager
def refusing(sandbox: Sandbox, name: str) -> Iterator[None]:
    """The API server refuses the ClusterDeployment of a name."""
    kinds = "validatingadmissionpolicybinding/kof-faults", "validatingadmissionpolicy/kof-faults"
    group: dict[str, Any] = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": "kof-faults"}}
    rule = {
        "apiGroups": ["k0rdent.mirantis.com"],
        "apiVersions": ["*"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["clusterdeployments"],
    }
    objects = [
        group
        | {
            "kind": "ValidatingAdmissionPolicy",
            "spec": {
                "matchConstraints": {"resourceRules": [rule]},
                "validations": [{"expression": f"object.metadata.name != '{name}'", "message": REASON}],
            },
        },
        group
        | {
            "kind": "ValidatingAdmissionPolicyBinding",
            "spec": {"policyName": "kof-faults", "validationActions": ["Deny"]},
        },
    ]
    probe: dict[str, Any] = {"apiVersion": "k0rdent.mirantis.com/v1alpha1", "kind": "ClusterDeployment"}
    probe |= {"metadata": {"name": name, "namespace": "kcm-system"}, "spec": {"template": "x", "dryRun": True}}

    def refused() -> bool:
        try:
            sandbox.kubectl("create", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(probe))
        except AssertionError as refusal:
            return REASON in str(refusal)
        return False

    sandbox.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(objects))
    # It takes a moment until the API server heeds a new policy, or that one is gone.
    try:
        until(refused)
        yield
    finally:
        sandbox.kubectl("delete", *kinds, "--ignore-not-found")
    until(lambda: not refused())


def until(condition: Callable[[], bool], seconds: float = 600) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.05)


def of_apply(run: Run) -> dict[str, Any]:
    """The result of the last layer that was applied."""
    return [each["result"] for each in run.events if str(each.get("action")).endswith("fleet_apply")][-1]


def failed(run: Run) -> dict[str, int]:
    return {host: numbers["failures"] for host, numbers in run.stats.items() if numbers["failures"]}


def requests_since(sandbox: Sandbox, mark: int, user: str = COLLECTION_USER) -> collections.Counter[str]:
    """How often which verb on ClusterDeployments got which HTTP status."""
    return collections.Counter(
        f"{entry['verb']} {entry.get('responseStatus', {}).get('code')}"
        for entry in sandbox.requests_since(mark, user)
        if entry.get("objectRef", {}).get("resource") == "clusterdeployments"
    )


def assert_named_and_no_traceback(run: Run, *texts: str) -> None:
    assert run.code != 0, run.output[-3000:]
    assert "Traceback" not in run.output
    for text in texts:
        assert text in run.output, f"{text!r} isn't in {run.output[-3000:]}"


def assert_converges(fleet: Fleet, tell: Tell, *, changes: bool) -> None:
    """Run again, without trouble: what is left is done (`changes`: something is), then nothing is sent."""
    for name in ("rerun", "third run") if changes and fleet.many else ("rerun",):
        mark = fleet.sandbox.audit_mark()
        run = fleet.apply()
        assert run.code == 0, run.output[-3000:]
        counts = of_apply(run)["counts"]
        tell(**{name: counts})
        assert sum(counts.values()) == fleet.size
        assert set(counts) <= {"created", "updated", "unchanged"}
    if fleet.many or not changes:
        assert counts == {"unchanged": fleet.size}
        assert run.total("changed") == 0
        assert fleet.sandbox.mutations_since(mark) == []
    assert fleet.live() >= fleet.children


def test_api_server_killed_while_it_is_sent_to(
    fleet: Fleet, proxy: FaultProxy, through: pathlib.Path, tell: Tell
) -> None:
    mark = fleet.sandbox.audit_mark()
    # Few clusters would all be there before the server is down, were they not held up until it is.
    proxy.faults = (Fault("slow", "PATCH", after=fleet.size // 4, delay=300),)
    started = fleet.start(kubeconfig=None if fleet.many else through)
    until(lambda: requests_since(fleet.sandbox, mark)["patch 201"] >= fleet.size // 8)
    folder = fleet.sandbox.folder
    with ThreadPoolExecutor(1) as pool:
        restart = pool.submit(
            cluster.restart_apiserver, lifecycle.MOTHERSHIP, down_seconds=15 if fleet.many else 2, state=folder
        )
        until(lambda: restart.done() or not cluster.find(lifecycle.MOTHERSHIP, state=folder))
        before = requests_since(fleet.sandbox, mark)
        proxy.faults = ()
        restart.result()
    run = finish(started)
    assert run.code == 0, run.output[-3000:]
    assert run.total("changed") == min(fleet.size, 201), "200 by name, and localhost for the rest"
    tell(requests=requests_since(fleet.sandbox, mark), when_it_was_down=before)
    assert before["patch 201"] < fleet.size, "it came too late to disturb anything"
    assert_converges(fleet, tell, changes=False)


def test_too_many_requests_for_a_while(fleet: Fleet, proxy: FaultProxy, through: pathlib.Path, tell: Tell) -> None:
    seconds, delay = (10, 2) if fleet.many else (3, 1)
    proxy.faults = (Fault("busy", "PATCH", after=fleet.size // 4, seconds=seconds, delay=delay),)
    run = fleet.apply(kubeconfig=through)
    assert run.code == 0, run.output[-3000:]
    tell(through_the_proxy=proxy.counts, counts=of_apply(run)["counts"])
    assert of_apply(run)["counts"] == {"created": fleet.size}
    # Eight were in flight; then half of it each time the server was asked again, and never less than one.
    assert 1 <= proxy.counts["busy"] <= 8 + 4 + 2 + seconds // delay
    assert proxy.counts["PATCH"] == fleet.size + proxy.counts["busy"] + 1, "one is the run's record"
    assert_converges(fleet, tell, changes=False)


def test_errors_resets_and_hangs(fleet: Fleet, proxy: FaultProxy, through: pathlib.Path, tell: Tell) -> None:
    many = fleet.many
    proxy.faults = (
        # The short one is somebody's load balancer that loses patience before we do.
        Fault("hang", "PATCH", every=250) if many else Fault("hang", "PATCH", every=20, delay=1),
        Fault("error", every=23 if many else 11),
        Fault("bare_error", every=31 if many else 13),
        Fault("reset_before", every=37 if many else 17),
        Fault("reset_after", "PATCH", every=41 if many else 15),
    )
    run = fleet.apply(kubeconfig=through)
    assert run.code == 0, run.output[-3000:]
    tell(through_the_proxy=proxy.counts, counts=of_apply(run)["counts"])
    assert all(proxy.counts[fault.kind] for fault in proxy.faults), proxy.counts
    assert sum(of_apply(run)["counts"].values()) == fleet.size
    assert set(of_apply(run)["counts"]) <= {"created", "updated"}
    assert_converges(fleet, tell, changes=False)


def assert_half_was_reached(fleet: Fleet, run: Run) -> None:
    """One message for the batch, and not one for each host, so that a thousand of them can still be read."""
    rest = fleet.size - fleet.size // 2
    assert len(fleet.live() & fleet.children) == fleet.size // 2
    assert f"{rest} child clusters were not reached: " in run.output
    assert f"Of the other objects: {fleet.size // 2} created. The next run goes on from here." in run.output
    assert len(failed(run)) == 1
    assert len(run.output) < 50_000


def test_a_server_that_hangs_for_good(fleet: Fleet, proxy: FaultProxy, through: pathlib.Path, tell: Tell) -> None:
    """Ended by the batch's time limit, and without one by the patience with a single request."""
    limit = () if fleet.many else ("-e", "kof_apply_timeout=8")
    proxy.faults = (Fault("hang", "PATCH", after=fleet.size // 2),)
    run = fleet.apply(*limit, kubeconfig=through)
    tell(through_the_proxy=proxy.counts, output=f"{len(run.output)} characters")
    assert_named_and_no_traceback(run, proxy.url, "no answer", "were not reached", "ClusterDeployment kcm-system/")
    assert_half_was_reached(fleet, run)
    assert_converges(fleet, tell, changes=True)


def test_one_refused_child_holds_back_no_other(fleet: Fleet, tell: Tell) -> None:
    victim = sorted(fleet.children)[fleet.size // 2]
    with refusing(fleet.sandbox, victim):
        run = fleet.apply()
        assert_named_and_no_traceback(run, f"ClusterDeployment kcm-system/{victim}", "kof-faults", REASON)
        tell(counts=of_apply(run)["counts"], failed=failed(run))
        assert of_apply(run)["counts"] == {"created": fleet.size - 1, "refused": 1}
        assert failed(run) == {victim: 1}
        assert fleet.children - fleet.live() == {victim}
        if fleet.many:
            mark = fleet.sandbox.audit_mark()
            again = fleet.apply()
            assert again.code != 0
            assert of_apply(again)["counts"] == {"unchanged": fleet.size - 1, "refused": 1}
            assert failed(again) == {victim: 1}
            requests = requests_since(fleet.sandbox, mark)
            assert {name: number for name, number in requests.items() if "patch" in name} == {"patch 422": 1}
    assert_converges(fleet, tell, changes=True)


def test_children_of_a_refused_regional_are_left_out_and_named(fleet: Fleet, tell: Tell) -> None:
    victim = list(fleet.example.regionals)[1]
    orphans = {name for name, child in fleet.example.children.items() if child["child_regional"] == victim}
    assert orphans
    with refusing(fleet.sandbox, victim):
        run = fleet.apply("--limit", "!mothership", playbook="site")
        assert_named_and_no_traceback(run, f"ClusterDeployment kcm-system/{victim}", REASON)
        left_out = of_apply(run)["left_out"]
        tell(counts=of_apply(run)["counts"], failed=failed(run), left_out=len(left_out))
        assert failed(run) == {victim: 1}
        assert {each["host"] for each in left_out} == orphans
        assert f"{len(orphans)} child clusters are left out: {victim}-child" in " ".join(run.output.split())
        assert {each["reason"] for each in left_out} == {f"its regional {victim} failed"}
        assert fleet.live() == (fleet.children | set(fleet.example.regionals)) - orphans - {victim}
    run = fleet.apply("--limit", "!mothership", playbook="site")
    assert run.code == 0, run.output[-3000:]
    assert of_apply(run)["counts"] == {"created": len(orphans), "unchanged": fleet.size - len(orphans)}
    if fleet.many:
        assert_converges(fleet, tell, changes=False)


@pytest.fixture(scope="module")
def robot(fleet_sandbox: Sandbox) -> Iterator[None]:
    """A ServiceAccount that may do everything."""
    kubectl = fleet_sandbox.kubectl
    kubectl("create", "namespace", "kof-faults")
    kubectl("create", "serviceaccount", "robot", "-n", "kof-faults")
    kubectl("create", "clusterrolebinding", "kof-faults", "--clusterrole=cluster-admin", f"--user={ROBOT}")
    yield
    kubectl("delete", "clusterrolebinding", "kof-faults")
    kubectl("delete", "namespace", "kof-faults")


@pytest.fixture
def tokens(fleet_sandbox: Sandbox, robot: None) -> Iterator[list[str]]:
    """Two tokens of the robot, each good as long as the Secret of its name (first, second) is there."""
    kubectl = fleet_sandbox.kubectl
    made = []
    for name in ("first", "second"):
        kubectl("create", "secret", "generic", name, "-n", "kof-faults")
        bound = ("--bound-object-kind=Secret", f"--bound-object-name={name}")
        made.append(kubectl("create", "token", "robot", "-n", "kof-faults", *bound).strip())
    yield made
    kubectl("delete", "secret", "first", "second", "-n", "kof-faults", "--ignore-not-found")


def with_user(kubeconfig: pathlib.Path, user: dict[str, Any]) -> pathlib.Path:
    """The kubeconfig beside it, with other credentials."""
    config = yaml.safe_load(kubeconfig.read_text())
    config["users"][0]["user"] = user
    file = kubeconfig.with_name("robot.kubeconfig")
    file.write_text(yaml.safe_dump(config))
    return file


def revoke_half_way(fleet: Fleet, proxy: FaultProxy, replace: Callable[[], object]) -> threading.Thread:
    """Ends the first token when half of the fleet is applied. The API server remembers a good token for a while, which
    the proxy makes everybody wait out."""
    wait = TOKEN_CACHE + 1
    proxy.faults = (Fault("busy", "PATCH", after=fleet.size // 2, seconds=1, delay=wait),)

    def revoke() -> None:
        until(lambda: proxy.counts["busy"] > 0)
        replace()
        fleet.sandbox.kubectl("delete", "secret", "first", "-n", "kof-faults")

    thread = threading.Thread(target=revoke)
    thread.start()
    return thread


def test_a_plugin_s_token_that_expires_half_way_is_renewed(
    fleet: Fleet, proxy: FaultProxy, through: pathlib.Path, tokens: list[str], tmp_path: pathlib.Path, tell: Tell
) -> None:
    token, calls, plugin = tmp_path / "token", tmp_path / "calls", tmp_path / "plugin"
    token.write_text(tokens[0])
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "%s"}}
    write_down, template = f"echo called >>{shlex.quote(str(calls))}", shlex.quote(json.dumps(credential))
    plugin.write_text(f'#!/bin/sh\n{write_down}\nprintf {template} "$(cat {shlex.quote(str(token))})"\n')
    plugin.chmod(0o700)
    by_plugin = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": str(plugin),
            "interactiveMode": "Never",
        }
    }
    mark = fleet.sandbox.audit_mark()
    called: list[int] = []

    def renew() -> None:
        token.write_text(tokens[1])
        called.append(calls.read_text().count("called"))

    revoking = revoke_half_way(fleet, proxy, renew)
    run = fleet.apply(kubeconfig=with_user(through, by_plugin))
    revoking.join()
    assert run.code == 0, run.output[-3000:]
    called.append(calls.read_text().count("called"))
    requests = requests_since(fleet.sandbox, mark, ROBOT)
    tell(requests=requests, through_the_proxy=proxy.counts, plugin_calls=called)
    assert of_apply(run)["counts"] == {"created": fleet.size}
    assert requests["patch 201"] == fleet.size
    # Refused by the real API server, for all that were in flight; the plugin was asked once more, not by each.
    refused = proxy.counts["PATCH"] - proxy.counts["busy"] - fleet.size
    assert 1 <= refused <= 8
    assert called[1] == called[0] + 1
    assert not any(each in run.output for each in tokens)
    assert_converges(fleet, tell, changes=False)


def test_a_token_that_is_revoked_half_way_ends_the_run(
    fleet: Fleet, proxy: FaultProxy, through: pathlib.Path, tokens: list[str], tell: Tell
) -> None:
    revoking = revoke_half_way(fleet, proxy, lambda: None)
    kubeconfig = with_user(through, {"token": tokens[0]})
    run = fleet.apply(kubeconfig=kubeconfig)
    revoking.join()
    tell(through_the_proxy=proxy.counts, output=f"{len(run.output)} characters")
    assert_half_was_reached(fleet, run)
    assert_named_and_no_traceback(run, proxy.url, "doesn't accept the credentials", str(kubeconfig), "were not reached")
    assert not any(each in run.output for each in tokens)
    # Nobody goes on asking with a token that isn't good any more.
    assert proxy.counts["PATCH"] - proxy.counts["busy"] - fleet.size // 2 <= 8
    proxy.faults = ()
    good = fleet.apply(kubeconfig=with_user(through, {"token": tokens[1]}))
    assert good.code == 0, good.output[-3000:]
    assert of_apply(good)["counts"] == {"created": fleet.size - fleet.size // 2, "unchanged": fleet.size // 2}
    if fleet.many:
        assert_converges(fleet, tell, changes=False)
