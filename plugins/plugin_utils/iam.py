# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS from the controller's process: clients by amazon.aws' options, and what IAM holds for external-dns.

Only reads. What is wanted isn't known here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleError

from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleBotocoreError
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry
from ansible_collections.amazon.aws.plugins.plugin_utils.base import AWSPluginBase
from ansible_collections.k0rdent.kof.plugins.module_utils.dns.aws.errors import ClientError
from ansible_collections.k0rdent.kof.plugins.module_utils.dns.aws.options import sendable


class Aws(AWSPluginBase):
    """Clients of AWS by the options of module_utils/dns/aws/options.py, found as by every module of amazon.aws.

    Raises AnsibleError where the SDK is missing, or the options can't make a client; ApiUnavailable for a login that
    can't be sent.
    """

    ansible_name = "k0rdent.kof"

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = {**sendable(options), "validate_certs": options["aws_validate_certs"]}
        try:
            self.require_aws_sdk()
        except AnsibleBotocoreError as problem:  # no AnsibleError
            raise AnsibleError(str(problem)) from None

    def get_options(self) -> dict[str, Any]:
        return self._options

    def retrying(self, service: str) -> Any:
        """A client whose calls take aws_retry=True."""
        return self.client(service, retry_decorator=AWSRetry.jittered_backoff())


def caller(sts: Any) -> dict[str, str]:
    """Whose credentials these are: account and arn."""
    answer = sts.get_caller_identity(aws_retry=True)
    return {"account": answer["Account"], "arn": answer["Arn"]}


def policy(iam: Any, arn: str) -> dict[str, Any] | None:
    """A managed policy: arn, document (of its default version), version_ids and tags; None if there is none."""
    try:
        found = iam.get_policy(PolicyArn=arn, aws_retry=True)["Policy"]
        versions = iam.list_policy_versions(PolicyArn=arn, aws_retry=True)["Versions"]  # at most five
        default = iam.get_policy_version(PolicyArn=arn, VersionId=found["DefaultVersionId"], aws_retry=True)
    except ClientError as error:
        _raise_unless_missing(error)
        return None
    return {
        "arn": found["Arn"],
        "document": default["PolicyVersion"]["Document"],
        "version_ids": [each["VersionId"] for each in versions],
        "tags": _tags(found),
    }


@AWSRetry.jittered_backoff()
def policy_named(iam: Any, name: str) -> dict[str, Any] | None:
    """As `policy`, whatever its path is: the name is taken in all of the account."""
    pages = iam.get_paginator("list_policies").paginate()
    arns = (each["Arn"] for page in pages for each in page["Policies"] if each["PolicyName"] == name)
    return next((policy(iam, arn) for arn in arns), None)


def role(iam: Any, name: str) -> dict[str, Any] | None:
    """A role: name and tags; None for no role."""
    try:
        found = iam.get_role(RoleName=name, aws_retry=True)["Role"]
    except ClientError as error:
        _raise_unless_missing(error)
        return None
    return {"name": found["RoleName"], "tags": _tags(found)}


def user(iam: Any, name: str) -> dict[str, Any] | None:
    """A user: name, path, permissions_boundary (arn or empty), attached_policies (arns) and tags; None for no user."""
    try:
        found = iam.get_user(UserName=name, aws_retry=True)["User"]
        # AWS attaches at most twenty to a user, and lists a hundred at once.
        attached = iam.list_attached_user_policies(UserName=name, aws_retry=True)["AttachedPolicies"]
    except ClientError as error:
        _raise_unless_missing(error)
        return None
    return {
        "name": found["UserName"],
        "path": found["Path"],
        "permissions_boundary": found.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", ""),
        "attached_policies": [each["PolicyArn"] for each in attached],
        "tags": _tags(found),
    }


@AWSRetry.jittered_backoff()
def attached_to(iam: Any, arn: str) -> set[tuple[str, str]]:
    """Who has a managed policy: user, role or group, and its name."""
    pages = list(iam.get_paginator("list_entities_for_policy").paginate(PolicyArn=arn))
    kinds = (
        ("user", "PolicyUsers", "UserName"),
        ("role", "PolicyRoles", "RoleName"),
        ("group", "PolicyGroups", "GroupName"),
    )
    return {(kind, each[name]) for kind, key, name in kinds for page in pages for each in page.get(key, ())}


def has_inline_policy(iam: Any, role_name: str, name: str) -> bool:
    """Whether a role has a policy of its own of this name."""
    try:
        iam.get_role_policy(RoleName=role_name, PolicyName=name, aws_retry=True)
    except ClientError as error:
        _raise_unless_missing(error)
        return False
    return True


def has_instance_profile(iam: Any, name: str, tags: Mapping[str, str]) -> bool:
    """Whether there is an instance profile of this name with the tags of our fleet."""
    try:
        found = iam.get_instance_profile(InstanceProfileName=name, aws_retry=True)["InstanceProfile"]
    except ClientError as error:
        _raise_unless_missing(error)
        return False
    return _tags(found).items() >= {key: value for key, value in tags.items() if key.startswith("k0rdent.kof/")}.items()


def _raise_unless_missing(error: ClientError) -> None:
    if error.response.get("Error", {}).get("Code") != "NoSuchEntity":
        raise error


def _tags(found: Mapping[str, Any]) -> dict[str, str]:
    return {each["Key"]: each["Value"] for each in found.get("Tags", [])}
