# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of AWS' options where validate_certs is Kubernetes'. They are module_utils/dns/aws/options.py."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
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
"""
