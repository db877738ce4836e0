"""modules/external_dns_access_key.py and module_utils/fleet/access_key.py against moto and a fake cluster.

The cluster (of dictionaries) stands in for connection and reconcile only; both have tests of their own, and the
molecule scenario runs the whole module against a real API server.
"""

from __future__ import annotations

import base64
import copy
import functools
import itertools
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import botocore.loaders
import pytest
from ansible.module_utils.testing import patch_module_args
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID
from moto.iam.models import iam_backends

from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry, RetryingBotoClientWrapper
from ansible_collections.k0rdent.kof.plugins.module_utils.dns.aws.keys import CLUSTER_TAG, FLEET_TAG, held_credentials
from ansible_collections.k0rdent.kof.plugins.module_utils.dns.aws.secret import external_dns_secret
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import access_key
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Outcome, Policy
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError, ApiUnavailable
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.reconcile import ref_of
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.guards import Permissions
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests import common
from ansible_collections.k0rdent.kof.plugins.modules import external_dns_access_key as module

USER = "kof-external-dns-prod"
OUR_UID, OTHER_UID = "11111111-uid", "22222222-uid"
SECRET_REF = ("Secret", "kof", "external-dns-aws-credentials")


class Killed(BaseException):
    """SIGKILL: not an Exception, so that no handler of the module's may catch it, as none could."""


class Cluster:
    """The API server: objects by (kind, namespace, name); refuses what `refuses` says; counts what it is asked."""

    server = "https://cluster.test"
    warnings = ()

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str | None, str], dict[str, Any]] = {
            ("Namespace", None, "kube-system"): {"metadata": {"name": "kube-system", "uid": OUR_UID}}
        }
        # May raise, too.
        self.refuses: Callable[[dict[str, Any], bool], Outcome | None] = lambda wanted, check: None
        self.before_each: Callable[[str], None] = lambda call: None
        self.after_each: Callable[[str], None] = lambda call: None
        self.writes: list[str] = []

    def path(self, api_version: str, kind: str, namespace: str | None, name: str) -> Any:
        return (kind, namespace, name)

    def request(self, method: str, path: Any) -> dict[str, Any]:
        assert method == "GET"
        if path not in self.objects:
            raise ApiError(404, "NotFound", f"{path} not found")
        return copy.deepcopy(self.objects[path])

    def reconcile(
        self,
        _connection: Any,
        wanted: list[dict[str, Any]],
        *,
        policy: Policy,
        check_mode: bool,
        pending: Any,
        guards: Any,
    ) -> list[Outcome]:
        assert isinstance(policy, Policy)
        [want] = wanted
        ref = ref_of(want)
        key = (ref.kind, ref.namespace, ref.name)
        refusal = self.refuses(want, check_mode)
        if refusal:
            return [refusal]
        live = self.objects.get(key)
        if live is not None and {name: live.get(name) for name in want if name != "metadata"} == {
            name: value for name, value in want.items() if name != "metadata"
        }:
            return [Outcome(ref, "unchanged")]
        reasons = [guard(live, want) for guard in guards] if live is not None else []
        if any(reasons):
            return [Outcome(ref, "refused", reason=next(filter(None, reasons)))]
        missing = ref.namespace is not None and ("Namespace", None, ref.namespace) not in self.objects
        if missing and ("Namespace", ref.namespace) not in pending.items:
            raise ApiError(404, "NotFound", f'namespaces "{ref.namespace}" not found')
        if not check_mode:
            self.before_each(f"write {ref}")
            self.objects[key] = copy.deepcopy(want)
            self.objects[key]["metadata"]["managedFields"] = [
                {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
            ]
            self.writes.append(str(ref))
            self.after_each(f"write {ref}")
        return [
            Outcome(
                ref,
                "created" if live is None else "updated",
                not_checked=f"Namespace {ref.namespace}" if missing else None,
            )
        ]

    @property
    def held(self) -> str | None:
        held = held_credentials(self.objects.get(SECRET_REF))
        return held.access_key_id if held else None


class Client:
    """boto3's IAM client with the hooks of Cluster around every call that changes something."""

    CHANGING = ("create_access_key", "delete_access_key", "tag_user")

    def __init__(self, client: Any, cluster: Cluster) -> None:
        self._client, self._cluster = client, cluster

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        if name not in self.CHANGING:
            return method

        def hooked(**arguments: Any) -> Any:
            self._cluster.before_each(name)
            answer = method(**arguments)
            self._cluster.after_each(name)
            return answer

        return hooked


#: What each client, of which every test has one, reads anew: botocore's descriptions of AWS, by file.
read = functools.cache(botocore.loaders.JSONFileLoader().load_file)


@pytest.fixture
def iam(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(botocore.loaders.JSONFileLoader, "load_file", lambda _self, path: read(path))
    for name in ("AWS_PROFILE", "AWS_URL", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        client = boto3.client("iam", region_name="us-east-1")
        client.create_user(UserName=USER, Tags=[{"Key": FLEET_TAG, "Value": "prod"}])
        yield client


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    fake = Cluster()
    monkeypatch.setattr(access_key.reconcile, "reconcile", fake.reconcile)
    monkeypatch.setattr(access_key, "SETTLE_SECONDS", 0.05)
    monkeypatch.setattr(access_key, "SETTLE_STEP", 0.01)
    return fake


def ensure(
    iam: Any,
    cluster: Cluster,
    *,
    check_mode: bool = False,
    hidden: list[str] | None = None,
    permissions: Permissions | None = None,
) -> access_key.Report:
    return access_key.KeyAndSecret(
        RetryingBotoClientWrapper(Client(iam, cluster), AWSRetry.jittered_backoff(retries=2, delay=0)),
        cluster,  # type: ignore[arg-type]
        user=USER,
        fleet="prod",
        namespace="kof",
        policy=Policy(),
        check_mode=check_mode,
        hide=(hidden if hidden is not None else []).append,
        permissions=permissions,
    ).ensure()


def keys(iam: Any) -> list[str]:
    return [key["AccessKeyId"] for key in iam.list_access_keys(UserName=USER)["AccessKeyMetadata"]]


def tags(iam: Any) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in iam.list_user_tags(UserName=USER)["Tags"]}


def mark_used(key_id: str) -> None:
    """As if the key had been used two days ago; moto notes only what is used against moto itself."""
    from moto.iam.models import AccessKeyLastUsed

    backend = iam_backends[DEFAULT_ACCOUNT_ID]["aws"]
    key = next(each for each in backend.users[USER].access_keys if each.access_key_id == key_id)
    key.last_used = AccessKeyLastUsed(datetime.now(UTC) - timedelta(days=2), "route53", "us-east-1")


def actions(report: access_key.Report) -> set[tuple[str, str]]:
    return {(each["object"], each["action"]) for each in access_key.result_of(report, with_diff=False)["objects"]}


EVERYTHING = {
    ("Namespace kof", "created"),
    ("Secret kof/external-dns-aws-credentials", "created"),
    (f"IAM user {USER}", "tagged"),
    (f"access key of IAM user {USER}", "created"),
}


def test_a_first_run_makes_key_namespace_and_secret(iam: Any, cluster: Cluster) -> None:
    report = ensure(iam, cluster)
    assert actions(report) == EVERYTHING
    assert keys(iam) == [cluster.held] == [report.access_key_id]
    assert tags(iam)[CLUSTER_TAG] == OUR_UID


def test_a_second_run_changes_nothing(iam: Any, cluster: Cluster) -> None:
    first = ensure(iam, cluster)
    cluster.writes.clear()
    report = ensure(iam, cluster)
    assert not report.changed
    assert actions(report) == set()
    assert report.access_key_id == first.access_key_id
    assert cluster.writes == []


def test_check_mode_predicts_what_the_run_does_and_changes_nothing(iam: Any, cluster: Cluster) -> None:
    predicted = ensure(iam, cluster, check_mode=True)
    assert actions(predicted) == EVERYTHING
    assert predicted.access_key_id == access_key.KNOWN_LATER
    assert keys(iam) == []
    assert CLUSTER_TAG not in tags(iam)
    assert cluster.writes == []
    ensure(iam, cluster)
    assert not ensure(iam, cluster, check_mode=True).changed


def test_check_mode_says_what_no_server_checked(iam: Any, cluster: Cluster) -> None:
    result = access_key.result_of(ensure(iam, cluster, check_mode=True), with_diff=False)
    [secret] = [each for each in result["objects"] if each["object"].startswith("Secret")]
    assert secret["not_checked"] == "Namespace kof"


def test_check_mode_before_the_user_exists(iam: Any, cluster: Cluster) -> None:
    iam.delete_user(UserName=USER)
    assert actions(ensure(iam, cluster, check_mode=True)) == EVERYTHING


def test_a_run_without_the_user_stops(iam: Any, cluster: Cluster) -> None:
    iam.delete_user(UserName=USER)
    with pytest.raises(access_key.Stop, match="There is no IAM user"):
        ensure(iam, cluster)


def test_a_deleted_secret_gets_a_new_key_and_the_lost_one_goes(iam: Any, cluster: Cluster) -> None:
    lost = ensure(iam, cluster).access_key_id
    del cluster.objects[SECRET_REF]
    predicted = ensure(iam, cluster, check_mode=True)
    report = ensure(iam, cluster)
    assert report.deleted == [lost]
    assert actions(predicted) == actions(report)
    assert keys(iam) == [cluster.held] != [lost]


def test_a_key_deleted_at_aws_is_replaced_in_the_secret(iam: Any, cluster: Cluster) -> None:
    old = ensure(iam, cluster).access_key_id
    iam.delete_access_key(UserName=USER, AccessKeyId=old)
    report = ensure(iam, cluster)
    assert ("Secret kof/external-dns-aws-credentials", "updated") in actions(report)
    assert keys(iam) == [cluster.held] != [old]


def test_a_damaged_secret_is_written_anew(iam: Any, cluster: Cluster) -> None:
    ensure(iam, cluster)
    cluster.objects[SECRET_REF]["data"] = {"external-dns-aws-credentials": "bm90IGFuIElOSSBmaWxl"}
    ensure(iam, cluster)
    assert keys(iam) == [cluster.held]


def test_a_key_never_used_that_nobody_holds_is_deleted_first(iam: Any, cluster: Cluster) -> None:
    orphans = [iam.create_access_key(UserName=USER)["AccessKey"]["AccessKeyId"] for _number in range(2)]
    report = ensure(iam, cluster)
    assert sorted(report.deleted) == sorted(orphans)
    assert keys(iam) == [cluster.held]


def test_a_used_key_that_nobody_holds_stops_the_run_with_its_id(iam: Any, cluster: Cluster) -> None:
    used = iam.create_access_key(UserName=USER)["AccessKey"]["AccessKeyId"]
    mark_used(used)
    for check_mode in (True, False):
        with pytest.raises(access_key.Stop, match=used):
            ensure(iam, cluster, check_mode=check_mode)
    assert keys(iam) == [used]
    assert cluster.held is None


def test_a_used_key_beside_the_secrets_is_left_and_warned_of(iam: Any, cluster: Cluster) -> None:
    ours = ensure(iam, cluster).access_key_id
    used = iam.create_access_key(UserName=USER)["AccessKey"]["AccessKeyId"]
    mark_used(used)
    report = ensure(iam, cluster)
    assert not report.changed
    assert used in report.warnings[0]
    assert sorted(keys(iam)) == sorted([ours, used])


def test_an_inactive_key_stops_the_run(iam: Any, cluster: Cluster) -> None:
    ours = ensure(iam, cluster).access_key_id
    iam.update_access_key(UserName=USER, AccessKeyId=ours, Status="Inactive")
    with pytest.raises(access_key.Stop, match=f"{ours}.*Inactive"):
        ensure(iam, cluster)


@pytest.mark.parametrize("value", [None, "staging"])
def test_a_user_that_is_not_this_fleets_is_left_alone(iam: Any, cluster: Cluster, value: str | None) -> None:
    iam.untag_user(UserName=USER, TagKeys=[FLEET_TAG])
    if value:
        iam.tag_user(UserName=USER, Tags=[{"Key": FLEET_TAG, "Value": value}])
    orphan = iam.create_access_key(UserName=USER)["AccessKey"]["AccessKeyId"]
    with pytest.raises(access_key.Stop, match="aren't this fleet's"):
        ensure(iam, cluster)
    assert keys(iam) == [orphan]


def test_a_fleet_of_the_same_name_on_another_cluster_keeps_its_key(iam: Any, cluster: Cluster) -> None:
    theirs = iam.create_access_key(UserName=USER)["AccessKey"]["AccessKeyId"]
    iam.tag_user(UserName=USER, Tags=[{"Key": CLUSTER_TAG, "Value": OTHER_UID}])
    with pytest.raises(access_key.Stop, match="another management cluster"):
        ensure(iam, cluster)
    assert keys(iam) == [theirs]


def test_a_restored_management_cluster_goes_on_with_the_key_it_holds(iam: Any, cluster: Cluster) -> None:
    ensure(iam, cluster)
    iam.tag_user(UserName=USER, Tags=[{"Key": CLUSTER_TAG, "Value": OTHER_UID}])
    assert not ensure(iam, cluster).changed


def test_a_key_that_a_person_put_into_the_secret_is_kept(iam: Any, cluster: Cluster) -> None:
    key = iam.create_access_key(UserName=USER)["AccessKey"]
    cluster.objects["Namespace", None, "kof"] = {"metadata": {"name": "kof"}}
    cluster.objects[SECRET_REF] = external_dns_secret(
        "kof", common.labels("prod"), key["AccessKeyId"], key["SecretAccessKey"]
    )
    ensure(iam, cluster)
    assert keys(iam) == [key["AccessKeyId"]] == [cluster.held]


def test_a_secret_that_may_not_be_written_costs_no_key(iam: Any, cluster: Cluster) -> None:
    cluster.refuses = lambda want, check: (
        Outcome(ref_of(want), "refused", reason="not allowed: secrets is forbidden")
        if want["kind"] == "Secret"
        else None
    )
    with pytest.raises(access_key.Stop, match="secrets is forbidden"):
        ensure(iam, cluster)
    assert keys(iam) == []


def test_another_fleet_s_secret_costs_no_key_and_stays(iam: Any, cluster: Cluster) -> None:
    theirs = external_dns_secret("kof", common.labels("staging"), "AKIATHEIRS", "damaged")
    theirs["data"] = {"something": "else"}
    cluster.objects[SECRET_REF] = theirs
    with pytest.raises(access_key.Stop, match="belongs to fleet staging"):
        ensure(iam, cluster)
    assert iam.list_access_keys(UserName=USER)["AccessKeyMetadata"] == []
    assert cluster.objects[SECRET_REF] == theirs
    taken = ensure(iam, cluster, permissions=Permissions(take_over=frozenset({"staging"})))
    assert cluster.held == taken.access_key_id


@pytest.mark.parametrize("failure", [ApiUnavailable("https://cluster.test is away"), ApiError(503, "", "overloaded")])
def test_a_write_that_fails_takes_the_key_away_again(iam: Any, cluster: Cluster, failure: Exception) -> None:
    def refuse(want: dict[str, Any], check: bool) -> None:
        if want["kind"] == "Secret" and not check:
            raise failure

    cluster.refuses = refuse
    with pytest.raises(access_key.Stop, match="was deleted again"):
        ensure(iam, cluster)
    assert keys(iam) == []
    cluster.refuses = lambda want, check: None
    ensure(iam, cluster)
    assert keys(iam) == [cluster.held]


def _steps(first_state: str, iam: Any, cluster: Cluster) -> None:
    """Brings about what a run may find."""
    if first_state == "nothing":
        return
    if first_state == "orphan":
        iam.create_access_key(UserName=USER)
        return
    ensure(iam, cluster)
    if first_state == "secret lost":
        del cluster.objects[SECRET_REF]
    elif first_state == "key lost":
        iam.delete_access_key(UserName=USER, AccessKeyId=cluster.held)


@pytest.mark.parametrize("first_state", ["nothing", "orphan", "secret lost", "key lost"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_at_any_change_the_next_run_ends_with_one_key(
    iam: Any, cluster: Cluster, first_state: str, moment: str
) -> None:
    """Kills before the n-th change at AWS or on the cluster, or when it is done but nothing after it; for all n."""
    kills = 0
    for number in itertools.count(1):
        for key in keys(iam):
            iam.delete_access_key(UserName=USER, AccessKeyId=key)
        for name in [name for name in cluster.objects if name[2] != "kube-system"]:
            del cluster.objects[name]
        iam.untag_user(UserName=USER, TagKeys=[CLUSTER_TAG])
        _steps(first_state, iam, cluster)
        counter = itertools.count(1)

        def kill(_call: str, at: int = number, counter: Iterator[int] = counter) -> None:
            if next(counter) == at:
                raise Killed

        setattr(cluster, f"{moment}_each", kill)
        try:
            ensure(iam, cluster)
            survived = True
        except Killed:
            kills, survived = kills + 1, False
        setattr(cluster, f"{moment}_each", lambda call: None)
        ensure(iam, cluster)
        assert keys(iam) == [cluster.held], f"{first_state}, killed {moment} change {number}"
        assert not ensure(iam, cluster).changed
        if survived:
            break
    # Else the test would prove nothing: key, Secret and what else this state needs.
    assert kills >= 2


def test_killed_between_key_and_secret_leaves_an_orphan_that_is_replaced(iam: Any, cluster: Cluster) -> None:
    def kill(call: str) -> None:
        if call == "create_access_key":
            raise Killed

    cluster.after_each = kill
    with pytest.raises(Killed):
        ensure(iam, cluster)
    [orphan] = keys(iam)
    assert cluster.held is None
    cluster.after_each = lambda call: None
    report = ensure(iam, cluster)
    assert report.deleted == [orphan]
    assert keys(iam) == [cluster.held]


def test_another_run_that_takes_the_new_key_away_is_noticed(iam: Any, cluster: Cluster) -> None:
    """A second run sees our key as an orphan before we wrote it; whoever comes last makes it right."""
    meddled = iter([True])

    def meddle(call: str) -> None:
        if call == "create_access_key" and next(meddled, False):
            [key] = keys(iam)
            iam.delete_access_key(UserName=USER, AccessKeyId=key)

    cluster.after_each = meddle
    ensure(iam, cluster)
    assert keys(iam) == [cluster.held]


def test_two_runs_that_never_agree_end_with_a_message(iam: Any, cluster: Cluster) -> None:
    def meddle(call: str) -> None:
        if call.startswith("write Secret"):
            iam.delete_access_key(UserName=USER, AccessKeyId=cluster.held)

    cluster.after_each = meddle
    with pytest.raises(access_key.Stop, match="another run is at work"):
        ensure(iam, cluster)


def test_a_key_that_aws_does_not_list_yet_is_waited_for(
    iam: Any, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure(iam, cluster)
    answers: Iterator[dict[str, Any]] = iter([{"AccessKeyMetadata": []}, {"AccessKeyMetadata": []}])
    real = access_key.KeyAndSecret.__init__

    def patched(self: Any, iam: Any, *arguments: Any, **options: Any) -> None:
        real(self, iam, *arguments, **options)
        listed = iam.list_access_keys
        self.iam = Late(iam, lambda **call: next(answers, None) or listed(**call))

    monkeypatch.setattr(access_key.KeyAndSecret, "__init__", patched)
    monkeypatch.setattr(access_key, "SETTLE_SECONDS", 5)
    assert not ensure(iam, cluster).changed
    assert next(answers, "all asked for") == "all asked for"


class Late:
    """A client whose list_access_keys is another."""

    def __init__(self, client: Any, list_access_keys: Callable[..., Any]) -> None:
        self._client, self.list_access_keys = client, list_access_keys

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def test_no_result_has_the_secret_half(iam: Any, cluster: Cluster) -> None:
    hidden: list[str] = []
    report = ensure(iam, cluster, hidden=hidden)
    held = held_credentials(cluster.objects[SECRET_REF])
    assert held is not None
    assert hidden[0] == held.secret_access_key
    text = json.dumps(access_key.result_of(report, with_diff=True), default=repr) + repr(report)
    assert report.access_key_id in text
    assert held.secret_access_key not in text


def run_main(capsys: pytest.CaptureFixture[str], **arguments: Any) -> tuple[dict[str, Any], str]:
    """The module's main() with these arguments, as with --diff: its result and all it printed."""
    with (
        patch_module_args({"user_name": USER, "fleet": "prod", "_ansible_diff": True, **arguments}),
        pytest.raises(SystemExit),
    ):
        module.main()
    printed = capsys.readouterr()
    return json.loads(printed.out), printed.out + printed.err


@pytest.fixture
def as_module(iam: Any, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setattr(module, "connect", lambda options: cluster)
    monkeypatch.setattr(cluster, "close", lambda: None, raising=False)
    return cluster


def test_the_whole_module_prints_no_secret(iam: Any, as_module: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    result, printed = run_main(capsys)
    held = held_credentials(as_module.objects[SECRET_REF])
    assert held is not None
    assert (result["changed"], result["access_key_id"]) == (True, held.access_key_id)
    encoded = as_module.objects[SECRET_REF]["data"]["external-dns-aws-credentials"]
    assert held.secret_access_key not in printed
    assert encoded not in printed
    assert base64.b64encode(held.secret_access_key.encode()).decode() not in printed
    # The run that finds it all there reads the secret half again.
    result, printed = run_main(capsys)
    assert not result["changed"]
    assert held.secret_access_key not in printed


def test_the_secret_is_masked_even_in_an_error_that_quotes_it(
    iam: Any, as_module: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    quoted: list[str] = []

    def refuse(want: dict[str, Any], check: bool) -> None:
        if want["kind"] == "Secret" and not check:
            text = base64.b64decode(want["data"]["external-dns-aws-credentials"]).decode()
            quoted.append(text.split(" = ")[2].strip())
            raise ApiError(422, "Invalid", f"Secret is invalid: {text}")

    as_module.refuses = refuse
    result, printed = run_main(capsys)
    assert result["failed"]
    assert len(quoted[0]) == 40
    assert quoted[0] not in printed


def test_an_error_of_aws_is_one_clear_message(
    iam: Any, as_module: Cluster, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = module.AnsibleAWSModule.client

    def denied(**_call: Any) -> None:
        raise module.ClientError(
            {"Error": {"Code": "AccessDenied", "Message": "no iam:CreateAccessKey"}}, "CreateAccessKey"
        )

    monkeypatch.setattr(
        module.AnsibleAWSModule, "client", lambda self, name, **options: Denying(real(self, name, **options), denied)
    )
    result, _printed = run_main(capsys)
    assert result["failed"]
    assert result["msg"].startswith(f"AWS can't manage the access key of IAM user {USER}: ")
    assert "no iam:CreateAccessKey" in result["msg"]


class Denying:
    """A client that may not make keys."""

    def __init__(self, client: Any, create_access_key: Callable[..., Any]) -> None:
        self._client, self.create_access_key = client, create_access_key

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def test_the_argument_spec_has_no_log_where_it_matters() -> None:
    spec = module.argument_spec()
    assert {name for name, option in spec.items() if option.get("no_log")} >= {"secret_key", "session_token", "api_key"}
    assert "debug_botocore_endpoint_logs" not in spec
