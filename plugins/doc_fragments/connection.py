# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the options that say which cluster to speak to: kubernetes.core's, same meaning."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  kubeconfig:
    description:
      - Path of a kubeconfig, several separated by C(:), or its content as a dictionary or text. A file may be vaulted.
      - A relative path is looked for as by M(kubernetes.core.k8s), in C(files/) of the role and the playbook and beside
        it, then in the working folder.
      - The variable C(kof_kubeconfig) of the host stands in for it, and so for the other options; then the environment.
      - Without it, and without O(host) or O(context), the service account of the pod that Ansible runs in is used, then
        E(KUBECONFIG), then C(~/.kube/config).
      - Certificates, tokens, token files and passwords need no library; users with C(exec) or C(auth-provider) need the
        Python library C(kubernetes).
      - The environment variable E(K8S_AUTH_KUBECONFIG) stands in for it.
    type: raw
  context:
    description: Name of a context of the kubeconfig. The environment variable E(K8S_AUTH_CONTEXT) stands in for it.
    type: str
  host:
    description:
      - Address of the API server. The environment variable E(K8S_AUTH_HOST) stands in for it.
      - Without O(kubeconfig) and O(context) no kubeconfig is read, so give O(api_key), O(username) and O(password), or
        O(client_cert) and O(client_key) with it.
    type: str
  api_key:
    description: Bearer token. The environment variable E(K8S_AUTH_API_KEY) stands in for it.
    type: str
  username:
    description: User for basic authentication. The environment variable E(K8S_AUTH_USERNAME) stands in for it.
    type: str
  password:
    description: Password for basic authentication. The environment variable E(K8S_AUTH_PASSWORD) stands in for it.
    type: str
  client_cert:
    description: File with a client certificate. The environment variable E(K8S_AUTH_CERT_FILE) stands in for it.
    type: path
    aliases: [cert_file]
  client_key:
    description: File with its key. The environment variable E(K8S_AUTH_KEY_FILE) stands in for it.
    type: path
    aliases: [key_file]
  ca_cert:
    description:
      - File with the certificate authorities that the server's certificate is checked against.
      - The environment variable E(K8S_AUTH_SSL_CA_CERT) stands in for it.
    type: path
    aliases: [ssl_ca_cert]
  validate_certs:
    description:
      - Whether to check the server's certificate. Without it the kubeconfig decides, and by default it is checked.
      - The environment variable E(K8S_AUTH_VERIFY_SSL) stands in for it.
    type: bool
    aliases: [verify_ssl]
  proxy:
    description:
      - Address of a proxy (C(http://), C(https://), or C(socks5://), which needs the Python library PySocks).
      - Since it may hold a login, it is shown nowhere.
      - The environment variable E(K8S_AUTH_PROXY) stands in for it.
      - Without it the kubeconfig's C(proxy-url) and then E(HTTPS_PROXY) decide, as for C(kubectl).
    type: str
  no_proxy:
    description:
      - Comma-separated names, suffixes, addresses and networks that are reached without a proxy.
      - The environment variables E(K8S_AUTH_NO_PROXY) and E(NO_PROXY) stand in for it.
    type: str
  proxy_headers:
    description: Headers for the proxy.
    type: dict
    suboptions:
      proxy_basic_auth:
        description:
          - C(user:password) for the proxy.
          - The environment variable E(K8S_AUTH_PROXY_HEADERS_PROXY_BASIC_AUTH) stands in for it.
        type: str
      basic_auth:
        description:
          - C(user:password) for basic authentication at the proxy.
          - The environment variable E(K8S_AUTH_PROXY_HEADERS_BASIC_AUTH) stands in for it.
        type: str
      user_agent:
        description:
          - The user agent that the proxy sees.
          - The environment variable E(K8S_AUTH_PROXY_HEADERS_USER_AGENT) stands in for it.
        type: str
  persist_config:
    description:
      - Whether the library C(kubernetes) may write refreshed tokens of an auth provider back to the kubeconfig.
      - The environment variable E(K8S_AUTH_PERSIST_CONFIG) stands in for it.
    type: bool
  impersonate_user:
    description: User to act as. The environment variable E(K8S_AUTH_IMPERSONATE_USER) stands in for it.
    type: str
  impersonate_groups:
    description:
      - Groups to act as.
      - The environment variable E(K8S_AUTH_IMPERSONATE_GROUPS), comma-separated, stands in for it.
    type: list
    elements: str
"""
