# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Line 1.10 of kof: one umbrella chart, clusters told by labels. Data only.

Not offered yet: no `kof_version` chooses it, and no option is checked for it. Sources: the charts of kof v1.10.0, and
what its operator was seen to do.
"""

from __future__ import annotations

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.kcm import KCM_GROUP
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines import labels_names
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.line_0_1 import KOF_0_1_1
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import (
    Chart,
    ExpectedDeployment,
    Labels,
    Needs,
    Paths,
    Promxy,
)

_VERSION = "1.10.0"
_VM_OPERATOR = "0.58.1"
_SERVICES_WITH_SETTINGS = (
    "kof-storage",
    "kof-collectors",
    "kof-operators",
    "ingress-nginx",
    "envoy-gateway",
    "victoria-metrics-operator",
)

KOF_1_10 = Labels(
    version=_VERSION,
    charts={"kof": Chart(_VERSION)},
    # No other Kubernetes is asked for than before.
    needs=Needs(kcm="v1beta1", k0rdent="1.10.0", kubernetes=KOF_0_1_1.needs.kubernetes),
    cluster_template_version="1-0-34",
    promxy=Promxy(
        api_version=f"kof.{KCM_GROUP}/v1beta1",
        label=f"{KCM_GROUP}/secret-name",
        secret="kof-mothership-promxy-config",
        deployment="kof-mothership-promxy",
        memory="2Gi",
    ),
    paths=Paths(
        read_logs="/vls",
        read_metrics="/vm/select/0/prometheus",
        write_logs="/vli/insert/opentelemetry/v1/logs",
        write_metrics="/vm/insert/0/prometheus/api/v1/write",
    ),
    dns=KOF_0_1_1.dns,
    service_templates=(
        "cert-manager-v1-19-3",
        "gateway-helm-v1-7-2",
        "ingress-nginx-4-14-3",
        "kof-collectors-1-10-0",
        "kof-operators-1-10-0",
        "kof-propagation-1-10-0",
        "kof-storage-1-10-0",
        "victoria-metrics-operator-0-58-1",
    ),
    deployments=tuple(
        ExpectedDeployment(name, "kof", ("kof-mothership", "enabled"))
        for name in ("kof-mothership-kof-operator", "kof-mothership-promxy")
    ),
    refused={
        **dict.fromkeys(
            ("regional_disabled_services", "child_disabled_services"), "its services are the same for all such clusters"
        ),
        **dict.fromkeys(
            ("regional_service_templates", "child_service_templates"), "its charts choose the ServiceTemplates for all"
        ),
        **dict.fromkeys(("regional_vmuser_secret", "child_vmuser_secret"), "each cluster has a user of its own"),
        "regional_datasource_resync_period": "no GrafanaDatasource is made for a region",
        "mothership_promxy_image_tag": "its chart says which promxy it is",
        # Its charts have other values, and no such sizes.
        **dict.fromkeys(KOF_0_1_1.options.keys() - {"regional_retention", "mothership_retention"}, "it isn't written"),
        "regional_cluster_issuer": "kof-regional makes its own",
    },
    user_of=labels_names.user,
    components={
        "kof-operators": _VERSION,
        "victoria-metrics-operator": _VM_OPERATOR,
        "kof-mothership": _VERSION,
        "kof-regional": _VERSION,
        "kof-child": _VERSION,
    },
    vmuser_api_version="operator.victoriametrics.com/v1beta1",
    regional_services="kof-regional-cluster",
    child_services="kof-child-cluster",
    secret_services="kof-storage-child-secret-propagation",
    dns_services="kof-aws-dns-secrets-remote",
    settings={
        name: f"{KCM_GROUP}/{name if name.startswith('kof-') else f'kof-{name}'}-values"
        for name in _SERVICES_WITH_SETTINGS
    },
)
