# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""external-dns' AWS credentials: the text of the Secret and what to do about the access keys at AWS.

Pure: neither network nor clock. The module external_dns_access_key and the action external_dns_secret do the talking.
No message made here contains a secret access key; access key ids are no secrets and are named.
"""

from __future__ import annotations

import base64
import binascii
import configparser
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.dns.aws.secret import KEY, NAME

PROFILE = "default"

# Access keys can't carry tags at AWS; the IAM user does, and whatever it owns is ours.
FLEET_TAG = "k0rdent.kof/fleet"
# Two management clusters may both call their fleet `kof`, in one AWS account: the user is the one's that tagged it.
CLUSTER_TAG = "k0rdent.kof/management-cluster"

_KEY_ID = re.compile(r"[A-Z0-9]{16,128}\Z")
_SECRET_HALF = re.compile(r"[A-Za-z0-9/+=]{16,256}\Z")


class CredentialsFault(ValueError):
    """Credentials that can't be used; the message says why and never quotes the secret half."""


@dataclass(frozen=True)
class Credentials:
    """One access key. The secret half is kept out of repr(), so that no traceback or log line can show it."""

    access_key_id: str
    secret_access_key: str = field(repr=False)


@dataclass(frozen=True)
class ListedKey:
    """One access key as AWS lists it. `last_used` is AWS's date as text, None for never (or: not asked for)."""

    access_key_id: str
    active: bool = True
    last_used: str | None = None


@dataclass(frozen=True)
class KeyPlan:
    """What to do: `keep` an id, or make a key (`create`) after deleting the ids in `delete`; `stop` is why not to."""

    keep: str | None = None
    create: bool = False
    delete: tuple[str, ...] = ()
    stop: str | None = None
    warnings: tuple[str, ...] = ()


def checked(access_key_id: str, secret_access_key: str) -> Credentials:
    """Credentials that can stand in the INI text unharmed.

    Raises CredentialsFault for empty, malformed (a line break would add settings to the file) or temporary ones:
    a key of AWS STS needs a session token, ends within hours, and has no place in a Secret.
    """
    access_key_id, secret_access_key = access_key_id.strip(), secret_access_key.strip()
    if not _KEY_ID.match(access_key_id):
        raise CredentialsFault("the access key id isn't 16 to 128 capitals and digits, e.g. AKIAIOSFODNN7EXAMPLE")
    if access_key_id.startswith("ASIA"):
        raise CredentialsFault(
            f"{access_key_id} is a temporary key of AWS STS, which ends within hours; use an IAM user's key (AKIA…)"
        )
    if not _SECRET_HALF.match(secret_access_key):
        raise CredentialsFault("the secret access key isn't 16 to 256 letters, digits, slashes, plus and equals signs")
    return Credentials(access_key_id, secret_access_key)


def read_ini(text: str, profile: str = PROFILE) -> Credentials:
    """The key of one profile of an AWS credentials file.

    Raises CredentialsFault; parser errors are not quoted, since they would cite the offending line.
    """
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    try:
        parser.read_string(text)
    except configparser.Error:
        raise CredentialsFault("it isn't an AWS credentials file: a line [default], then name = value lines") from None
    if not parser.has_section(profile):
        known = ", ".join(parser.sections()[:10]) or "none"
        raise CredentialsFault(f"it has no profile [{profile}] (profiles found: {known})")
    section = parser[profile]
    missing = [name for name in ("aws_access_key_id", "aws_secret_access_key") if not section.get(name)]
    if missing:
        raise CredentialsFault(f"profile [{profile}] lacks {' and '.join(missing)}")
    if section.get("aws_session_token"):
        raise CredentialsFault(f"profile [{profile}] holds a temporary key of AWS STS (it has a session token)")
    return checked(section["aws_access_key_id"], section["aws_secret_access_key"])


def held_credentials(secret: Mapping[str, Any] | None) -> Credentials | None:
    """The key which a live Secret (as the API returned it, data in base64) holds; None for none or an unusable one."""
    if secret is None:
        return None
    encoded = (secret.get("data") or {}).get(KEY)
    if not isinstance(encoded, str):
        return None
    try:
        return read_ini(base64.b64decode(encoded, validate=True).decode())
    except (binascii.Error, UnicodeDecodeError, CredentialsFault):
        return None


def plan_keys(user: str, held_id: str | None, listed: Iterable[ListedKey]) -> KeyPlan:
    """Decides about the access keys of our IAM user, given the id which our Secret holds (None for none).

    A key whose secret half nobody holds and which was never used is the trace of a run that was killed between making
    it and writing the Secret: deleting it harms nobody. One that has been used is in somebody's hands: that is for a
    person to decide. `last_used` must be filled in for every listed key but the held one.
    """
    keys = {key.access_key_id: key for key in listed}
    others = [key for key in keys.values() if key.access_key_id != held_id]
    unused = tuple(sorted(key.access_key_id for key in others if key.last_used is None))
    used = sorted((key for key in others if key.last_used is not None), key=lambda key: key.access_key_id)
    remedy = (
        f"find out who uses it, then delete it (aws iam delete-access-key --user-name {user} --access-key-id ID), "
        "or put it into the Secret (dns_credentials_method: existing)"
    )

    if held_id is not None and held_id in keys:
        if not keys[held_id].active:
            return KeyPlan(
                stop=f"The access key {held_id} in Secret {NAME} is set Inactive at AWS (IAM user {user}). "
                f"Activate it: aws iam update-access-key --user-name {user} --access-key-id {held_id} --status Active; "
                "or delete it, and a new one will be made."
            )
        return KeyPlan(
            keep=held_id,
            delete=unused,
            warnings=tuple(
                f"IAM user {user} has a second access key {key.access_key_id}, last used {key.last_used}, which isn't "
                f"the Secret's; it is left alone: {remedy}."
                for key in used
            ),
        )
    if used:
        named = ", ".join(f"{key.access_key_id} (last used {key.last_used})" for key in used)
        return KeyPlan(
            stop=f"IAM user {user} has an access key which Secret {NAME} doesn't hold and which has been used: "
            f"{named}. No new key is made: {remedy}."
        )
    return KeyPlan(create=True, delete=unused)
