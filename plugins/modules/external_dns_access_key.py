#!/usr/bin/python
# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the access key of external-dns' IAM user and the Secret that holds it, in one process.

Talks to AWS and Kubernetes; what to do about which key is decided in module_utils/external_dns.py. The secret half of a
key is shown by AWS once: it goes from that answer into the Secret, never into arguments, results, logs or files.
"""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: external_dns_access_key
short_description: Make the access key of an IAM user and the Secret external-dns-aws-credentials that holds it
version_added: 0.1.0
description:
  - Sees to it that the IAM user has exactly one access key, and that this key is in the Secret
    C(external-dns-aws-credentials), as the file which external-dns reads. Both in one process, so that the secret half
    of the key is in no argument, result, diff, log or file.
  - A key is made only if the Secret holds none that AWS lists for the user. A key whose secret half the Secret doesn't
    hold and which was never used is what a killed run leaves behind; it is deleted first. One that has been used stops
    the run and is named.
  - The IAM user must exist and carry the tag C(k0rdent.kof/fleet) with the fleet's name; M(amazon.aws.iam_user) makes
    it. The user is then tagged with the management cluster (C(k0rdent.kof/management-cluster), the uid of its namespace
    C(kube-system)), so that fleets of the same name on two management clusters never delete each other's keys.
  - The namespace is made if it isn't there.
options:
  user_name:
    description: The IAM user.
    type: str
    required: true
  fleet:
    description: The fleet's name, expected as the value of the user's tag C(k0rdent.kof/fleet).
    type: str
    required: true
  namespace:
    description: The namespace of the Secret, on the management cluster.
    type: str
    default: kof
  validate_certs:
    description:
      - Whether to check the certificate of the Kubernetes API server. For AWS see O(aws_validate_certs).
      - Can also be given by the environment variable E(K8S_AUTH_VERIFY_SSL).
    type: bool
    aliases: [verify_ssl]
  access_key:
    description: AWS access key id of the administrator. Can also be given by E(AWS_ACCESS_KEY_ID).
    type: str
    aliases: [aws_access_key_id, aws_access_key]
  secret_key:
    description: AWS secret access key of the administrator. Can also be given by E(AWS_SECRET_ACCESS_KEY).
    type: str
    aliases: [aws_secret_access_key, aws_secret_key]
  session_token:
    description: AWS session token of the administrator. Can also be given by E(AWS_SESSION_TOKEN).
    type: str
    aliases: [aws_session_token]
  profile:
    description: Profile of the administrator's AWS configuration. Can also be given by E(AWS_PROFILE).
    type: str
    aliases: [aws_profile]
  endpoint_url:
    description: URL of an IAM endpoint to use instead of AWS' own. Can also be given by E(AWS_URL).
    type: str
    aliases: [aws_endpoint_url]
  aws_ca_bundle:
    description: File of CA certificates to check AWS' certificate against. Can also be given by E(AWS_CA_BUNDLE).
    type: path
  aws_config:
    description: Settings of the AWS client, as of C(botocore.config.Config).
    type: dict
  region:
    description: AWS region; only its partition matters, IAM is global. Can also be given by E(AWS_REGION).
    type: str
    aliases: [aws_region]
  aws_validate_certs:
    description: Whether to check AWS' certificate.
    type: bool
    default: true
extends_documentation_fragment:
  - k0rdent.kof.connection
  - k0rdent.kof.reconcile
  - k0rdent.kof.attributes
attributes:
  check_mode:
    support: full
    description: Reads AWS, and sends only C(dryRun=All) requests to Kubernetes.
  diff_mode:
    support: full
    description: Names keys by their id. The Secret's data are masked.
  idempotent:
    support: full
    description: A run that finds its key in the Secret and at AWS changes nothing.
requirements:
  - boto3 >= 1.34
  - The right to C(iam:GetUser), C(iam:ListAccessKeys), C(iam:GetAccessKeyLastUsed), C(iam:CreateAccessKey),
    C(iam:DeleteAccessKey) and C(iam:TagUser) on the user
  - The right to get the namespace C(kube-system) of the management cluster
seealso:
  - module: amazon.aws.iam_user
  - module: k0rdent.kof.external_dns_secret
author:
  - k0rdent.kof contributors (@k0rdent)
"""

EXAMPLES = r"""
---
- name: Make the IAM user of the fleet
  amazon.aws.iam_user:
    name: kof-external-dns-production
    tags:
      k0rdent.kof/fleet: production

- name: Make its key, and the Secret
  k0rdent.kof.external_dns_access_key:
    user_name: kof-external-dns-production
    fleet: production
    kubeconfig: ~/.kube/management
"""

RETURN = r"""
---
access_key_id:
  description: Id of the key in the Secret; in check mode C(known after the run) where one would be made.
  returned: success
  type: str
  sample: AKIAIOSFODNN7EXAMPLE
deleted_access_key_ids:
  description: Ids of the keys that nobody held and nobody had used.
  returned: success
  type: list
  elements: str
  sample: []
objects:
  description: What changed, or in check mode would. Objects of the cluster, and the user's key at AWS.
  returned: success
  type: list
  elements: dict
  sample: [{"object": "Secret kof/external-dns-aws-credentials", "action": "created"}]
took_back:
  description: Fields that a person had changed and that were set back.
  returned: success
  type: list
  elements: str
  sample: []
msg:
  description: A summary in one line, or what is wrong and what to do.
  returned: always
  type: str
  sample: made access key AKIAIOSFODNN7EXAMPLE of IAM user kof-external-dns-production
"""

import base64
import calendar
import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

# AnsibleAWSModule says so where it is missing.
with contextlib.suppress(ImportError):
    from botocore.exceptions import BotoCoreError, ClientError

from ansible_collections.amazon.aws.plugins.module_utils.modules import (
    AnsibleAWSModule,
    aws_argument_spec,
)
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry
from ansible_collections.k0rdent.kof.plugins.module_utils import reconcile
from ansible_collections.k0rdent.kof.plugins.module_utils.api_errors import (
    ApiError,
    ApiUnavailable,
    UnsendableString,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.connection import (
    CONNECTION_OPTIONS,
    Connection,
    connect,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.external_dns import (
    CLUSTER_TAG,
    FLEET_TAG,
    Credentials,
    KeyPlan,
    ListedKey,
    held_credentials,
    plan_keys,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.manifests.dns_secret import NAME, external_dns_secret
from ansible_collections.k0rdent.kof.plugins.module_utils.manifests.namespace import namespace as namespace_of
from ansible_collections.k0rdent.kof.plugins.module_utils.single_object import RECONCILE_OPTIONS, policy_from

KNOWN_LATER = "known after the run"
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
    ) -> None:
        self.iam, self.connection, self.policy, self.check_mode, self.hide = iam, connection, policy, check_mode, hide
        self.user, self.fleet, self.namespace = user, fleet, namespace
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
        cluster = self._management_cluster()
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
            external_dns_secret(self.namespace, self.fleet, KNOWN_LATER, KNOWN_LATER), check_mode=True
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
            raise Stop(f"{problem} (the new access key {self._give_up(made.access_key_id)})") from problem
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
            self.namespace, self.fleet, credentials.access_key_id, credentials.secret_access_key
        )
        self.report.add(self._reconcile(wanted, check_mode=self.check_mode))

    def _ensure_namespace(self) -> None:
        outcome = self._reconcile(namespace_of(self.namespace, self.fleet), check_mode=self.check_mode)
        self.report.add(outcome)
        if self.check_mode and outcome.action == "created":
            self.pending.add("Namespace", self.namespace)

    def _reconcile(self, wanted: dict[str, Any], *, check_mode: bool) -> reconcile.Outcome:
        return reconcile.reconcile(
            self.connection, [wanted], policy=self.policy, check_mode=check_mode, pending=self.pending
        )[0]

    def _management_cluster(self) -> str:
        namespace = self._get("v1", "Namespace", None, "kube-system")
        if namespace is None:
            raise Stop(f"{self.connection.server} has no namespace kube-system: is it a Kubernetes cluster?")
        return namespace["metadata"]["uid"]

    def _get(self, api_version: str, kind: str, namespace: str | None, name: str) -> dict[str, Any] | None:
        try:
            return self.connection.request("GET", self.connection.path(api_version, kind, namespace, name))
        except ApiError as error:
            if error.status == 404:
                return None
            raise


def _is_young(secret: Mapping[str, Any] | None) -> bool:
    """Whether the Secret was written within the last minute, so that its key may not be listed yet."""
    times = [entry.get("time") for entry in ((secret or {}).get("metadata") or {}).get("managedFields") or []]
    written = [calendar.timegm(time.strptime(each, "%Y-%m-%dT%H:%M:%SZ")) for each in times if isinstance(each, str)]
    return bool(written) and abs(time.time() - max(written)) < YOUNG_SECONDS


def argument_spec() -> dict[str, Any]:
    """AWS' options but for validate_certs, whose name is Kubernetes' here, and the request log, which might tell."""
    aws = {
        name: option
        for name, option in aws_argument_spec().items()
        if name not in ("validate_certs", "debug_botocore_endpoint_logs")
    }
    own = {
        "user_name": {"type": "str", "required": True},
        "fleet": {"type": "str", "required": True},
        "namespace": {"type": "str", "default": "kof"},
        "aws_validate_certs": {"type": "bool", "default": True},
    }
    return {**aws, **CONNECTION_OPTIONS, **RECONCILE_OPTIONS, **own}


def result_of(report: Report, *, with_diff: bool) -> dict[str, Any]:
    """The module's result; ids and names only."""
    result: dict[str, Any] = {
        "changed": report.changed,
        "access_key_id": report.access_key_id,
        "deleted_access_key_ids": report.deleted,
        "objects": [
            {"object": str(outcome.ref), "action": outcome.action}
            | ({"not_checked": outcome.not_checked} if outcome.not_checked else {})
            for outcome in report.outcomes
            if outcome.changed
        ]
        + report.at_aws,
        "took_back": [
            f"{outcome.ref}: {changed} from {manager}{f' (set {when})' if when else ''}"
            for outcome in report.outcomes
            for changed, manager, when in outcome.took_back
        ],
        "msg": "; ".join(report.done) or f"access key {report.access_key_id} is in the Secret and at AWS",
    }
    if with_diff:
        result["diff"] = reconcile.diff_of(report.outcomes)
        if report.done:
            result["diff"].append(
                {"before_header": "AWS", "after_header": "AWS", "before": "", "after": "\n".join(report.done) + "\n"}
            )
    return result


def main() -> None:
    module = AnsibleAWSModule(argument_spec=argument_spec(), default_args=False, supports_check_mode=True)
    verify = (module.params["aws_ca_bundle"] or True) if module.params["aws_validate_certs"] else False
    iam = module.client("iam", retry_decorator=AWSRetry.jittered_backoff(), verify=verify)

    def hide(secret: str) -> None:
        module.no_log_values.update({secret, base64.b64encode(secret.encode()).decode()})

    connection = None
    try:
        connection = connect(module.params)
        report = KeyAndSecret(
            iam,
            connection,
            user=module.params["user_name"],
            fleet=module.params["fleet"],
            namespace=module.params["namespace"],
            policy=policy_from(module.params),
            check_mode=module.check_mode,
            hide=hide,
        ).ensure()
    except (Stop, ApiError, ApiUnavailable, UnsendableString) as problem:
        module.fail_json(msg=str(problem))
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg=f"AWS can't manage the access key of IAM user {module.params['user_name']}")
    finally:
        if connection:
            connection.close()
    for warning in report.warnings:
        module.warn(warning)
    module.exit_json(**result_of(report, with_diff=module._diff))


if __name__ == "__main__":
    main()
