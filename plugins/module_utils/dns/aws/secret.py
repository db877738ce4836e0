# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Secret with external-dns' AWS credentials. It has `data` only: `stringData` can't be compared with a live one."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

# The charts mount the Secret of this name at /etc/aws/credentials and read the file of this name there.
NAME = "external-dns-aws-credentials"
KEY = "external-dns-aws-credentials"
#: Stands for what AWS makes up.
KNOWN_LATER = "known after the run"


def external_dns_secret(namespace: str, labels: Mapping[str, str], key_id: str, secret_key: str) -> dict[str, Any]:
    """The Secret, its one key an AWS credentials file (INI) with one default profile.

    :param key_id, secret_key: without line breaks (`external_dns.checked` sees to it).
    """
    text = f"[default]\naws_access_key_id = {key_id}\naws_secret_access_key = {secret_key}\n"
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": NAME, "namespace": namespace, "labels": dict(labels)},
        "type": "Opaque",
        "data": {KEY: base64.b64encode(text.encode()).decode()},
    }
