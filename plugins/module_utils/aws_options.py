# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS' options for what has Kubernetes' options too; their documentation is doc_fragments/aws_beside_kubernetes.py.

Only here may amazon.aws' own argument specification be taken apart.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import aws_argument_spec


def aws_beside_kubernetes() -> dict[str, Any]:
    """AWS' options but for validate_certs, whose name is Kubernetes' here, and the request log, which might tell."""
    aws = {
        name: option
        for name, option in aws_argument_spec().items()
        if name not in ("validate_certs", "debug_botocore_endpoint_logs")
    }
    return {**aws, "aws_validate_certs": {"type": "bool", "default": True}}
