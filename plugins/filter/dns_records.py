# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter `k0rdent.kof.dns_records`: the records to make by hand where there is no external-dns."""

from __future__ import annotations

DOCUMENTATION = r"""
name: dns_records
short_description: DNS records of a regional cluster, from its load balancer's address
version_added: 0.1.0
author:
  - k0rdent.kof contributors (@k0rdent)
description:
  - The records for C(vmauth.) and C(grafana.) before the domain. A load balancer with a host name, as on AWS, gets
    CNAME records, one with addresses A and AAAA records.
positional: _input, domain
options:
  _input:
    description: >-
      The Service C(ingress-nginx-controller) of the regional cluster, or its C(status.loadBalancer.ingress).
    type: raw
    required: true
  domain:
    description: The C(regional_domain) of the cluster.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Look at the ingress of the regional cluster
  kubernetes.core.k8s_info:
    kubeconfig: regional-kubeconfig
    kind: Service
    namespace: ingress-nginx
    name: ingress-nginx-controller
  register: ingress

- name: Make the records
  amazon.aws.route53:
    state: present
    zone: example.com
    record: "{{ item.name }}"
    type: "{{ item.type }}"
    value: "{{ item.value }}"
  loop: "{{ ingress.resources[0] | k0rdent.kof.dns_records(hostvars['aws-us-east-2'].regional_domain) }}"
"""

RETURN = r"""
_value:
  description: The records, maps of name, type and value.
  type: list
  elements: dict
  sample:
    - name: vmauth.aws-us-east-2.kof.example.com
      type: CNAME
      value: a1.us-east-2.elb.amazonaws.com
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.k0rdent.kof.plugins.module_utils.kof import syntax
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests import dns_records as records
from ansible_collections.k0rdent.kof.plugins.module_utils.text.shown import shown
from ansible_collections.k0rdent.kof.plugins.plugin_utils import guarded
from ansible_collections.k0rdent.kof.plugins.plugin_utils.filter_input import plain


@guarded.template
def dns_records(service: Any, domain: str) -> list[dict[str, str]]:
    """See DOCUMENTATION and RETURN."""
    ingress, domain = plain(service, "the input"), plain(domain, "domain")
    if isinstance(ingress, dict):
        ingress = ((ingress.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    if not isinstance(ingress, list) or not all(isinstance(entry, dict) for entry in ingress):
        raise AnsibleFilterError("the input must be a Service or the list in its status.loadBalancer.ingress")
    problem = syntax.domain(domain) if isinstance(domain, str) else "must be a string"
    if problem:
        raise AnsibleFilterError(f"domain: {problem}")
    try:
        return records.dns_records(ingress, domain)
    except records.NoAddress as problem_found:
        raise AnsibleFilterError(shown(str(problem_found))) from None


class FilterModule:
    """The table Ansible asks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"dns_records": dns_records}
