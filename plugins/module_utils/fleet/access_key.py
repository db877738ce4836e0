# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The access key of external-dns' IAM user and the Secret that holds it: looking at both, and bringing them together.

Talks to AWS and Kubernetes through clients that it is given; what to do about which key is decided in dns/aws/keys.py.
The secret half of a key is shown by AWS once: it goes from that answer into the Secret, never into results or logs.
"""

from __future__ import annotations

import calendar
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.dns.aws.errors import BotoCoreError, ClientError
from ansible_collections.k0rdent.kof.plugins.module_utils.dns.aws.keys import (
    CLUSTER_TAG,
    FLEET_TAG,
    Credentials,
    KeyPlan,
    ListedKey,
    held_credentials,
    plan_keys,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.dns.aws.secret import KNOWN_LATER, NAME, external_dns_secret
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import changes, reconcile
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection, get_or_none
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError, ApiUnavailable, UnsendableString
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import guards
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.common import labels
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.namespace import namespace as namespace_of

# Beside AWS' and Kubernetes' options, those of the module external_dns_access_key; external_dns_access_info has more.
OPTIONS: dict[str, dict[str, Any]] = {
    "user_name": {"type": "str", "required": True},
    "fleet": {"type": "str", "required": True},
    "namespace": {"type": "str", "default": "kof"},
}

# IAM is eventually consistent: what was just made may be missing from a list for some seconds.
SETTLE_SECONDS = 12.0
SETTLE_STEP = 1.5
YOUNG_SECONDS = 60.0
# A pass makes or removes keys, the next one looks whether all is well; more are needed only when two runs meet.
PASSES = 5


class Stop(Exception):
    """Nothing more can be done without a person; the message says what and how."""


@dataclass
class Report:
    """What was done, as the module returns it. Holds no secret."""

    changed: bool = False
    access_key_id: str = KNOWN_LATER
    deleted: list[str] = field(default_factory=list)
    outcomes: list[Any] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    at_aws: list[dict[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def add(self, outcome: Any) -> None:
        """Records an object's outcome; a later `unchanged` doesn't hide that the object was written before."""
        if outcome.action == "refused":
            raise Stop(f"{outcome.ref} is refused: {outcome.reason}")
        known = [index for index, each in enumerate(self.outcomes) if each.ref == outcome.ref]
        if not known:
            self.outcomes.append(outcome)
        elif outcome.changed:
            self.outcomes[known[0]] = outcome
        self.changed = self.changed or outcome.changed

    def act(self, what: str, at_aws: str, action: str) -> None:
        """Records a change at AWS: in words, and as object and action."""
        self.done.append(what)
        self.at_aws.append({"object": at_aws, "action": action})
        self.changed = True


class KeyAndSecret:
    """The access key of one IAM user and the Secret that must hold it.

    iam: client of module.client("iam", retry_decorator=…); connection: to the management cluster; hide: told every
    secret half before it is used, so that the module can mask it should it turn up in any output after all.
    """

    def __init__(
        self,
        iam: Any,
        connection: Connection,
        *,
        user: str,
        fleet: str,
        namespace: str,
        policy: reconcile.Policy,
        check_mode: bool,
        hide: Callable[[str], None],
        permissions: guards.Permissions | None = None,
    ) -> None:
        self.iam, self.connection, self.policy, self.check_mode, self.hide = iam, connection, policy, check_mode, hide
        self.user, self.fleet, self.namespace = user, fleet, namespace
        self.guards = guards.of_writing(fleet, permissions or guards.Permissions(), policy.drift_managers)
        self.pending = reconcile.Pending()
        self.report = Report()
        self.claimed = False

    def ensure(self) -> Report:
        """Brings key and Secret together; may be killed at any moment and run again.

        The order makes that safe: the Secret is known to be writable before a key exists; a key that never reached the
        Secret was never used, so the next run recognizes and deletes it.
        Raises Stop, ApiError, ApiUnavailable, and what botocore raises.
        """
        self._ensure_namespace()
        cluster = own_uid(self.connection)
        for _pass in range(PASSES):
            secret = self._get("v1", "Secret", self.namespace, NAME)
            held = held_credentials(secret)
            if held:
                self.hide(held.secret_access_key)
            tags = self._user_tags()
            plan = self._plan(held, secret, user_exists=tags is not None)
            if plan.stop:
                raise Stop(plan.stop)
            claimed_by = (tags or {}).get(CLUSTER_TAG)
            if claimed_by not in (None, cluster) and (plan.create or plan.delete):
                self._refuse_foreign_claim(claimed_by)
            if claimed_by is None and not self.claimed:
                self._claim(cluster)
            self._delete(plan.delete)
            if held and plan.keep:
                self._write(held)
                self.report.access_key_id = plan.keep
                self.report.warnings = list(plan.warnings)
                return self.report
            self._create()
            if self.check_mode:
                return self.report
        raise Stop(
            f"The access keys of IAM user {self.user} keep changing: another run is at work on the same Secret. "
            "Let it end, then run again."
        )

    @property
    def _keys_name(self) -> str:
        return f"access key of IAM user {self.user}"

    def _plan(self, held: Credentials | None, secret: Mapping[str, Any] | None, *, user_exists: bool) -> KeyPlan:
        held_id = held.access_key_id if held else None
        listed = self._listed(held_id, patient=_is_young(secret)) if user_exists else []
        return plan_keys(
            self.user,
            held_id,
            [key if key.access_key_id == held_id else self._with_last_use(key) for key in listed],
        )

    def _listed(self, expected: str | None, *, patient: bool) -> list[ListedKey]:
        """The user's keys; waits a little for the expected one where it was made just now."""
        ends = time.monotonic() + SETTLE_SECONDS
        while True:
            answer = self.iam.list_access_keys(UserName=self.user, aws_retry=True)
            # AWS allows two keys per user, so there is never a second page.
            listed = answer["AccessKeyMetadata"]
            keys = [ListedKey(each["AccessKeyId"], active=each["Status"] == "Active") for each in listed]
            found = any(key.access_key_id == expected for key in keys)
            if found or not patient or expected is None or time.monotonic() > ends:
                return keys
            time.sleep(SETTLE_STEP)

    def _with_last_use(self, key: ListedKey) -> ListedKey:
        answer = self.iam.get_access_key_last_used(AccessKeyId=key.access_key_id, aws_retry=True)
        when = answer.get("AccessKeyLastUsed", {}).get("LastUsedDate")
        return ListedKey(key.access_key_id, key.active, None if when is None else f"{when:%Y-%m-%d %H:%M %Z}")

    def _user_tags(self) -> dict[str, str] | None:
        """The user's tags; None where check mode may expect the user to be made. Raises Stop if it isn't ours."""
        ends = time.monotonic() + SETTLE_SECONDS
        while True:
            try:
                user = self.iam.get_user(UserName=self.user, aws_retry=True)["User"]
                break
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") != "NoSuchEntity":
                    raise
                if self.check_mode:
                    return None
                if time.monotonic() > ends:
                    raise Stop(f"There is no IAM user {self.user}; make it first (amazon.aws.iam_user).") from None
            time.sleep(SETTLE_STEP)
        tags = {each["Key"]: each["Value"] for each in user.get("Tags", [])}
        # The tag decides whether keys may be deleted; in check mode the user's own task may be about to set it.
        if tags.get(FLEET_TAG) != self.fleet and not (self.check_mode and FLEET_TAG not in tags):
            raise Stop(
                f"The IAM user {self.user} carries {FLEET_TAG}={tags.get(FLEET_TAG, '(no such tag)')}, not "
                f"{self.fleet}: its keys aren't this fleet's to make or delete. Use another user, or hand it over: "
                f"aws iam tag-user --user-name {self.user} --tags Key={FLEET_TAG},Value={self.fleet}"
            )
        return tags

    def _refuse_foreign_claim(self, claimed_by: str | None) -> None:
        raise Stop(
            f"The IAM user {self.user} belongs to the fleet {self.fleet} of another management cluster "
            f"({CLUSTER_TAG}={claimed_by}). Give this fleet another name or another user. If that management cluster "
            f"is gone: aws iam untag-user --user-name {self.user} --tag-keys {CLUSTER_TAG}"
        )

    def _claim(self, cluster: str) -> None:
        self.claimed = True
        self.report.act(f"tagged IAM user {self.user} as this management cluster's", f"IAM user {self.user}", "tagged")
        if not self.check_mode:
            self.iam.tag_user(UserName=self.user, Tags=[{"Key": CLUSTER_TAG, "Value": cluster}], aws_retry=True)

    def _delete(self, key_ids: tuple[str, ...]) -> None:
        for key_id in key_ids:
            what = f"deleted access key {key_id}, which nobody held and nobody had used"
            self.report.act(what, self._keys_name, "deleted")
            self.report.deleted.append(key_id)
            if not self.check_mode:
                self._delete_key(key_id)

    def _delete_key(self, key_id: str) -> None:
        try:
            self.iam.delete_access_key(UserName=self.user, AccessKeyId=key_id, aws_retry=True)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "NoSuchEntity":
                raise

    def _create(self) -> None:
        """Makes a key and writes it into the Secret; where the write fails, takes the key away again."""
        # Asks the server first, so that a missing right or an admission policy costs no key.
        trial = self._reconcile(
            external_dns_secret(self.namespace, labels(self.fleet), KNOWN_LATER, KNOWN_LATER), check_mode=True
        )
        if trial.action == "refused":
            raise Stop(f"{trial.ref} is refused: {trial.reason}")
        if self.check_mode:
            self.report.add(trial)
            self.report.act(f"made an access key of IAM user {self.user}, id {KNOWN_LATER}", self._keys_name, "created")
            return
        # Without aws_retry and with the client's own retries this may at worst make a second key, never used, which
        # the next pass deletes.
        answer = self.iam.create_access_key(UserName=self.user, aws_retry=True)["AccessKey"]
        made = Credentials(answer["AccessKeyId"], answer["SecretAccessKey"])
        self.hide(made.secret_access_key)
        try:
            self._write(made)
        except (ApiError, ApiUnavailable, UnsendableString, Stop) as problem:
            raise Stop(f"{problem} (the new access key {self._give_up(made.access_key_id)})") from None
        self.report.access_key_id = made.access_key_id
        what = f"made access key {made.access_key_id} of IAM user {self.user}"
        self.report.act(what, self._keys_name, "created")

    def _give_up(self, key_id: str) -> str:
        try:
            self._delete_key(key_id)
        except (BotoCoreError, ClientError):
            return f"{key_id} is left at AWS unused; the next run deletes it"
        return f"{key_id} was deleted again"

    def _write(self, credentials: Credentials) -> None:
        wanted = external_dns_secret(
            self.namespace, labels(self.fleet), credentials.access_key_id, credentials.secret_access_key
        )
        self.report.add(self._reconcile(wanted, check_mode=self.check_mode))

    def _ensure_namespace(self) -> None:
        outcome = self._reconcile(namespace_of(self.namespace, self.fleet), check_mode=self.check_mode)
        self.report.add(outcome)
        if self.check_mode and outcome.action == "created":
            self.pending.add("Namespace", self.namespace)

    def _reconcile(self, wanted: dict[str, Any], *, check_mode: bool) -> reconcile.Outcome:
        return reconcile.reconcile(
            self.connection,
            [wanted],
            policy=self.policy,
            check_mode=check_mode,
            pending=self.pending,
            guards=self.guards,
        )[0]

    def _get(self, api_version: str, kind: str, namespace: str | None, name: str) -> dict[str, Any] | None:
        return get_or_none(self.connection, (api_version, kind, namespace, name))


def own_uid(connection: Connection) -> str:
    """By what a management cluster is told from others.

    :raises Stop: it has none.
    """
    namespace = get_or_none(connection, ("v1", "Namespace", None, "kube-system"))
    if namespace is None:
        raise Stop(f"{connection.server} has no namespace kube-system: is it a Kubernetes cluster?")
    return str(namespace["metadata"]["uid"])


def _is_young(secret: Mapping[str, Any] | None) -> bool:
    """Whether the Secret was written within the last minute, so that its key may not be listed yet."""
    times = [entry.get("time") for entry in ((secret or {}).get("metadata") or {}).get("managedFields") or []]
    written = [calendar.timegm(time.strptime(each, "%Y-%m-%dT%H:%M:%SZ")) for each in times if isinstance(each, str)]
    return bool(written) and abs(time.time() - max(written)) < YOUNG_SECONDS


def result_of(report: Report, *, with_diff: bool) -> dict[str, Any]:
    """The module's result; ids and names only."""
    result = changes.result_of(report.outcomes, diff=with_diff)
    if with_diff and report.done:
        result["diff"].append(
            {"before_header": "AWS", "after_header": "AWS", "before": "", "after": "\n".join(report.done) + "\n"}
        )
    return result | {
        "changed": report.changed,
        "access_key_id": report.access_key_id,
        "deleted_access_key_ids": report.deleted,
        "objects": result["objects"] + report.at_aws,
        "msg": "; ".join(report.done) or f"access key {report.access_key_id} is in the Secret and at AWS",
    }
