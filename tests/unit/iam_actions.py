"""The actions of IAM that whoever runs role dns_credentials needs, by entry, and what they are about. Data only.

They are what plugin_utils/iam.py, access_key.py and the modules of amazon.aws call. TagPolicy and its like are asked
for by AWS where something is made with tags, PassRole where a role is put into an instance profile
(docs.aws.amazon.com, Service Authorization Reference).
"""

from __future__ import annotations

#: By kind of entry, the actions on it.
ON_ENTRY = {
    "policy": (
        *("GetPolicy", "GetPolicyVersion", "ListPolicyVersions"),
        *("CreatePolicy", "CreatePolicyVersion", "SetDefaultPolicyVersion", "DeletePolicyVersion", "TagPolicy"),
    ),
    "user": (
        *("GetUser", "ListAttachedUserPolicies", "CreateUser", "UpdateUser", "TagUser"),
        *("AttachUserPolicy", "PutUserPermissionsBoundary"),
    ),
    "access_key": (
        "GetUser",
        "TagUser",
        "ListAccessKeys",
        "GetAccessKeyLastUsed",
        "CreateAccessKey",
        "DeleteAccessKey",
    ),
    "role": (
        *("GetRole", "ListAttachedRolePolicies", "CreateRole", "UpdateRole", "UpdateAssumeRolePolicy", "TagRole"),
        *("AttachRolePolicy", "PutRolePermissionsBoundary"),
    ),
    "instance_profile": (
        *("GetInstanceProfile", "CreateInstanceProfile", "AddRoleToInstanceProfile", "TagInstanceProfile"),
        "PassRole",
    ),
    "inline_policy": ("ListRolePolicies", "GetRolePolicy", "PutRolePolicy"),
}
#: Those that AWS accepts on "*" alone: which policy has a name is seen in the list of all.
ON_ALL = {"policy": ("ListPolicies",)}
#: What an entry is called in ARNs. An inline policy is its role's, an access key its user's.
IN_ARNS = {
    "policy": "policy",
    "user": "user",
    "access_key": "user",
    "role": "role",
    "instance_profile": "instance-profile",
    "inline_policy": "role",
}
