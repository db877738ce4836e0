# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What external-dns has to have at AWS by each method of role dns_credentials, and what of that is to be made.

Pure: plugin_utils/iam.py says what is there, access_key.py what is to do about the key. No secret comes here. `options`
are everywhere the role's, judged and with their defaults, without the prefix `dns_credentials_`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.dns.aws.keys import FLEET_TAG

#: A region of each partition but `aws`, whose IAM the SDK finds by it.
_FIRST_REGIONS = {"arn:aws-cn:": "cn-north-1", "arn:aws-us-gov:": "us-gov-west-1"}
#: What external-dns calls. ListHostedZones knows no resources: AWS accepts it on "*" only; it shows names, not records.
_RECORDS = ("ChangeResourceRecordSets", "ListResourceRecordSets", "ListTagsForResource", "ListTagsForResources")
_FIND_ZONES = ("ListHostedZones", "ListHostedZonesByName")
#: What may belong to somebody else, and the option of the aws CLI's tag-user, tag-role or tag-policy that names it.
_OWNED = {"user": ("name", "--user-name"), "role": ("name", "--role-name"), "policy": ("arn", "--policy-arn")}


class NotForUs(Exception):
    """What these credentials or this fleet may not touch; the message says what to do."""


def names(options: Mapping[str, Any]) -> dict[str, str]:
    """Names of user, policy and role. One may do for all: each kind has a namespace of its own at AWS."""
    return {kind: options.get(f"{kind}_name") or f"kof-external-dns-{options['kof_fleet']}" for kind in _OWNED}


def entries(options: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(kind, name) of what the method needs at AWS, in the order of making. An access key has its user's name."""
    name, method = names(options), options["method"]
    if method == "node_role" and options.get("existing_node_roles"):
        return [("inline_policy", role) for role in options["existing_node_roles"]]
    kinds = {
        "iam_user": ("policy", "user", "access_key"),
        "node_role": ("policy", "role", "instance_profile"),
        "irsa": ("policy", "role"),
    }
    owner = {"access_key": "user", "instance_profile": "role"}
    return [(kind, name[owner.get(kind, kind)]) for kind in kinds.get(method, ())]


def first_region(options: Mapping[str, Any]) -> str:
    """A region for the SDK, which wants one for IAM too, in the partition that the zones' ARNs name."""
    zones = options["hosted_zones"]
    found = (region for arn, region in _FIRST_REGIONS.items() if any(zone.startswith(arn) for zone in zones))
    return next(found, "us-east-1")


def policy_arn(caller: Mapping[str, str], path: str, name: str) -> str:
    """ARN of a policy of the caller's account."""
    return f"arn:{_partition(caller)}:iam::{caller['account']}:policy{path}{name}"


def wanted(options: Mapping[str, Any], caller: Mapping[str, str]) -> dict[str, Any]:
    """All that there has to be, as the role's tasks take it.

    :param caller: account and arn of the AWS credentials: what they make is in their account and partition.
    :raises NotForUs: a hosted zone lies in another partition.
    """
    name, path, method = names(options), options["path"], options["method"]
    arn = policy_arn(caller, path, name["policy"])
    records = _allow(_RECORDS, _zones(options, caller), "Records")
    return {
        **name,
        "path": path,
        "permissions_boundary": options.get("permissions_boundary", ""),
        "tags": {**options["tags"], FLEET_TAG: options["kof_fleet"], "k0rdent.kof/managed-by": "k0rdent.kof"},
        "policy_arn": arn,
        "document": _document([records, _allow(_FIND_ZONES, ["*"], "FindZones")]),
        "role_policies": [arn, *options["role_extra_policies"]],
        "trust": _document(_irsa(options) if method == "irsa" else [_ec2(caller)]),
        "node_roles": options["existing_node_roles"] if method == "node_role" else [],
    }


def refuse_strangers(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    """Raise NotForUs where user, role or policy is there without the tag of our fleet: somebody else made it."""
    tag = (FLEET_TAG, wanted["tags"][FLEET_TAG])
    for kind, (key, option) in _OWNED.items():
        there = found.get(kind)
        if there and tag not in there["tags"].items():
            raise NotForUs(
                f"The IAM {kind} {wanted[kind]} exists and doesn't carry our tag {'='.join(tag)}: somebody else made "
                f"it. Set dns_credentials_{kind}_name, or hand it over: aws iam tag-{kind} {option} {there[key]} "
                f"--tags Key={tag[0]},Value={tag[1]}"
            )


def to_make(options: Mapping[str, Any], wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """What isn't proved to be as wanted, in the order of making.

    :param found: policy and user as plugin_utils/iam.py has them; `access_key`: what is outstanding, and warnings.
    """
    as_wanted = {
        "policy": lambda: _policy_is(wanted, found["policy"]),
        "user": lambda: _user_is(wanted, found["user"]),
        "access_key": lambda: not (found["access_key"]["outstanding"] or found["access_key"]["warnings"]),
    }
    # What a role is like, its module compares by itself.
    kinds = dict.fromkeys(kind for kind, _name in entries(options))
    return [kind for kind in kinds if kind not in as_wanted or not as_wanted[kind]()]


def _policy_is(wanted: Mapping[str, Any], policy: Mapping[str, Any] | None) -> bool:
    return bool(
        policy
        and policy["arn"] == wanted["policy_arn"]
        and policy["document"] == wanted["document"]
        and len(policy["version_ids"]) == 1
        and wanted["tags"].items() <= policy["tags"].items()
    )


def _user_is(wanted: Mapping[str, Any], user: Mapping[str, Any] | None) -> bool:
    return bool(
        user
        and user["path"] == wanted["path"]
        and wanted["permissions_boundary"] in ("", user["permissions_boundary"])
        and wanted["policy_arn"] in user["attached_policies"]
        and wanted["tags"].items() <= user["tags"].items()
    )


def _partition(caller: Mapping[str, str]) -> str:
    return caller["arn"].split(":")[1]


def _zones(options: Mapping[str, Any], caller: Mapping[str, str]) -> list[str]:
    prefix = f"arn:{_partition(caller)}:route53:::hostedzone/"
    foreign = [zone for zone in options["hosted_zones"] if zone.startswith("arn:") and not zone.startswith(prefix)]
    if foreign:
        raise NotForUs(
            f"dns_credentials_hosted_zones: {', '.join(foreign)} isn't in partition {_partition(caller)}, where these "
            f"AWS credentials are at home ({caller['arn']})"
        )
    ids = ["*"] if options["all_zones"] else [zone.rpartition("/")[2] for zone in options["hosted_zones"]]
    return sorted({prefix + each for each in ids})


def _document(statements: list[dict[str, Any]]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": statements}


def _allow(calls: Iterable[str], resources: list[str], sid: str) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": [f"route53:{each}" for each in calls], "Resource": resources}


def _ec2(caller: Mapping[str, str]) -> dict[str, Any]:
    """EC2 may give the role to nodes."""
    service = "ec2.amazonaws.com.cn" if _partition(caller) == "aws-cn" else "ec2.amazonaws.com"
    return {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}}


def _irsa(options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """external-dns' service account may take the role, on each regional cluster; no tokens for other audiences."""
    subject = f"system:serviceaccount:{options['kof_namespace']}:{options['service_account']}"
    return [
        {
            "Effect": "Allow",
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Principal": {"Federated": arn},
            "Condition": {"StringEquals": {f"{issuer}:aud": options["oidc_audience"], f"{issuer}:sub": subject}},
        }
        for arn in options["oidc_provider_arns"]
        for issuer in [arn.split(":oidc-provider/")[1]]
    ]
