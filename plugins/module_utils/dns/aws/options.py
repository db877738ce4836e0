# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS' options for what has Kubernetes' options too; their documentation is doc_fragments/aws_beside_kubernetes.py.

Only here may amazon.aws' own argument specification be taken apart.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import aws_argument_spec
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiUnavailable, one_line
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.kubeconfig import text
from ansible_collections.k0rdent.kof.plugins.module_utils.text.telling import scrubbed, unsendable_login


def aws_beside_kubernetes() -> dict[str, Any]:
    """AWS' options but for validate_certs, whose name is Kubernetes' here, and the request log, which might tell."""
    aws = {
        name: option
        for name, option in aws_argument_spec().items()
        if name not in ("validate_certs", "debug_botocore_endpoint_logs")
    }
    return {**aws, "aws_validate_certs": {"type": "bool", "default": True}}


_LOGIN = ("access_key", "secret_key", "session_token")


def sendable(options: Mapping[str, Any]) -> dict[str, Any]:
    """AWS' options with the login as it can be sent, without white space at its ends.

    Raises ApiUnavailable, which quotes nothing, where the SDK would show in an error what no header can carry.
    """
    for name, problem in unsendable_login(os.environ):
        raise ApiUnavailable(f"{name} {problem}")
    return {name: text(value, name) if name in _LOGIN and value else value for name, value in options.items()}


#: Of AWS' options, those whose values are secret, and the environment's names for them.
_SECRETS = ("secret_key", "aws_secret_key", "session_token", "aws_session_token")
_SECRET_VARIABLES = ("AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")


def told(error: BaseException, options: Mapping[str, Any]) -> str:
    """What AWS or its SDK said, in one line and without secrets: AWS answers a wrong signature with what was signed."""
    secrets = [options.get(name) for name in _SECRETS] + [os.environ.get(name) for name in _SECRET_VARIABLES]
    return one_line(scrubbed(str(error), [str(each).strip() for each in secrets if each]))
