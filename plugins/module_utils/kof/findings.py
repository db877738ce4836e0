# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be found in a fleet: by its code how bad it is, what it means, and what to do. Data only.

Codes are stable: people search for them, programs match them. Which object is so, judges say (readiness.py, lines/,
fleet/status.py); docs/findings.md is made of this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

FAILED, WARNING, PROGRESS = "failed", "warning", "progress"
#: The worst first.
SEVERITIES = (FAILED, WARNING, PROGRESS)


@dataclass(frozen=True)
class Meaning:
    """
    :ivar severity: failed: the cluster doesn't do its work; warning: somebody has to look; progress: normal in the
        middle of a rollout.
    :ivar title: a noun.
    :ivar means: what it is, and how it comes about.
    :ivar remedy: what to do.
    :ivar later: the severity once it has lasted longer than is normal; of progress that is a warning.
    :ivar inside: whether only a look inside of a cluster sees it (verify's); else status sees it, too.
    :ivar data: whether only `verify_data` sees it.
    """

    severity: str
    title: str
    means: str
    remedy: str
    later: str = ""
    inside: bool = False
    data: bool = False

    def after(self, *, patience_is_over: bool) -> str:
        """The severity of what has lasted so long."""
        if not patience_is_over:
            return self.severity
        return self.later or (WARNING if self.severity == PROGRESS else self.severity)


_OPERATOR = "See that `kof-mothership-kof-operator` runs, and its log."
_SVELTOS = "See that Sveltos runs: `kubectl get pods -n projectsveltos`."
_LATER_LINES = "Only of lines in which kof's operator attaches clusters by labels."

FINDINGS: Mapping[str, Meaning] = {
    # -- a cluster as a whole
    "cluster-missing": Meaning(
        PROGRESS,
        "A cluster of the inventory isn't there",
        "There is no ClusterDeployment of its name: its turn hasn't come yet, it was refused, or somebody deleted it.",
        "Run `k0rdent.kof.site` (or `.regional`, `.child`) for it, or take it out of the inventory.",
        later=FAILED,
    ),
    "mothership-missing": Meaning(
        FAILED,
        "kof isn't on the management cluster",
        "The namespace of kof isn't there, and so nothing of what is installed in it.",
        "Run `k0rdent.kof.site`. If kof is there under another name, set `kof_namespace`.",
    ),
    "namespace-terminating": Meaning(
        FAILED,
        "The namespace of kof is being deleted",
        "Kubernetes takes everything in it along; it hangs where an object has a finalizer whose controller is "
        "gone, as those of VictoriaMetrics are (`apps.victoriametrics.com/finalizer`) once their operator is gone.",
        "Let the controllers finish, or take the finalizers off the objects that are named; then run "
        "`k0rdent.kof.site`.",
    ),
    "cluster-of-another-fleet": Meaning(
        WARNING,
        "A cluster belongs to another fleet",
        "Its ClusterDeployment carries the label `app.kubernetes.io/part-of` of another fleet: no run with this "
        "inventory changes it.",
        "Take it out of this inventory, or set `kof_fleet` to its fleet; to take it over see docs/guards.md.",
    ),
    "being-deleted": Meaning(
        WARNING,
        "Something that is wanted is being deleted",
        "It has a deletionTimestamp and is held by the finalizers that are named. Of a ClusterDeployment that takes as "
        "long as its machines need to go.",
        "If it shall go, take it out of the inventory. If it hangs, look at the log of the controller of its first "
        "finalizer; of a cluster also at load balancers and volumes that keep its network.",
    ),
    "deletion-held": Meaning(
        FAILED,
        "A deletion can't end",
        "kcm checks Credential and ServiceTemplates of a ClusterDeployment even when it takes its own finalizer off: "
        "without them it stays for ever.",
        "Make again what is named as missing, or mend what isn't valid; the deletion goes on by itself.",
    ),
    "not-being-deleted": Meaning(
        PROGRESS,
        "A deletion hasn't begun",
        "Something is to go when its owner goes, and nobody has begun to delete it.",
        "Wait; if it lasts, look at the log of the controller that made it.",
    ),
    "cluster-dry-run": Meaning(
        FAILED,
        "A cluster is only tried",
        "`spec.dryRun` of its ClusterDeployment is set: kcm checks it, and makes no cluster of it, though it calls it "
        "Ready.",
        "Unset `spec.dryRun`.",
    ),
    "change-not-seen": Meaning(
        PROGRESS,
        "The controller hasn't seen the latest change",
        "The status is older than what is wanted (`observedGeneration`).",
        "Wait. If it lasts, its controller doesn't run or is refused: `kubectl get pods -n kcm-system`.",
    ),
    "cluster-not-ready": Meaning(
        PROGRESS,
        "A cluster isn't ready",
        "Its ClusterDeployment isn't Ready, for a reason that has no code of its own: see the message.",
        "See the conditions of the ClusterDeployment.",
    ),
    "cluster-template-not-ready": Meaning(
        FAILED,
        "A cluster's ClusterTemplate isn't valid",
        "kcm can't read the chart of the ClusterTemplate, or it doesn't fit this k0rdent.",
        "See `status.validationError` of the ClusterTemplate; name another one by `regional_template`, "
        "`child_template` if it can't be mended.",
    ),
    "credential-not-ready": Meaning(
        FAILED,
        "A cluster's Credential isn't ready",
        "The identity object that it names, or the Secret of that, is missing or refused. kcm then changes nothing of "
        "the cluster, and refuses new ones.",
        "See the conditions of the Credential: the identity object and its Secret must exist.",
    ),
    "credential-missing": Meaning(
        FAILED,
        "A cluster's Credential isn't there",
        "The Credential that its ClusterDeployment names was deleted. No change of the cluster is accepted, and its "
        "deletion would hang.",
        "Make the Credential again, under the same name.",
    ),
    "cluster-chart-not-ready": Meaning(
        PROGRESS,
        "The chart of a cluster can't be had",
        "Flux hasn't fetched the chart of the ClusterTemplate.",
        "See its HelmChart and HelmRepository: address, login, CA of the registry.",
    ),
    "cluster-config-refused": Meaning(
        FAILED,
        "The chart refuses a cluster's config",
        "kcm renders the chart of the ClusterTemplate with `spec.config`, and the chart's schema doesn't allow a value "
        "in it. It fails so each time.",
        "Change `regional_config` or `child_config` at the key that is named, and run again.",
    ),
    "cluster-release-not-ready": Meaning(
        PROGRESS,
        "The release of a cluster isn't ready",
        "Flux installs or upgrades the chart that makes the cluster's machines.",
        "Wait. If it lasts, see the HelmRelease of the cluster's name: `kubectl describe helmrelease -n kcm-system`.",
    ),
    "infrastructure-not-ready": Meaning(
        PROGRESS,
        "A cluster's infrastructure isn't ready",
        "Network, load balancer and permissions are being made at the cloud.",
        "Wait. If it lasts, see the events of the infrastructure cluster (AWSCluster): quotas, permissions, limits of "
        "VPCs and addresses.",
    ),
    "control-plane-not-ready": Meaning(
        PROGRESS,
        "A cluster's control plane isn't ready",
        "Its machines are being made, or are broken.",
        "Wait. If it lasts, see the Machines of the cluster and their events.",
    ),
    "machines-not-ready": Meaning(
        PROGRESS,
        "A cluster's machines aren't all available",
        "Workers are being made or replaced, or are broken.",
        "Wait. If it lasts, see the MachineDeployments and Machines of the cluster and their events.",
    ),
    # -- what Sveltos does on a cluster
    "cluster-not-connected": Meaning(
        PROGRESS,
        "Sveltos hasn't connected to a cluster yet",
        "Its SveltosCluster has no connectionStatus.",
        "Wait. If it lasts: " + _SVELTOS[0].lower() + _SVELTOS[1:],
    ),
    "cluster-unsteady": Meaning(
        WARNING,
        "Sveltos reaches a cluster not each time",
        "Its SveltosCluster is Healthy, and the last try to reach it failed.",
        "See that its API server isn't overloaded and the way to it is well; it heals by itself.",
    ),
    "cluster-unreached": Meaning(
        FAILED,
        "A cluster can't be reached from the management cluster",
        "Sveltos or Cluster API doesn't reach its API server: it is down, the way is cut, or the kubeconfig isn't "
        "accepted any more. What is changed meanwhile doesn't come there, and old states look well.",
        "See that its API server runs and answers the management cluster; of an adopted cluster renew the kubeconfig "
        "in the Secret that its Credential names.",
    ),
    "cluster-paused": Meaning(
        WARNING,
        "A cluster is paused",
        "`spec.paused` of its Cluster or SveltosCluster is set: nothing is deployed there.",
        "Unset it, once whoever paused it is done.",
    ),
    "sveltos-cluster-missing": Meaning(
        WARNING,
        "An adopted cluster isn't registered with Sveltos",
        "Its ClusterSummary is there, and its SveltosCluster isn't: it was deleted, or its release is broken.",
        "See the HelmRelease of the cluster's name.",
    ),
    "services-not-handed-over": Meaning(
        PROGRESS,
        "kcm hasn't handed a cluster's services over to Sveltos",
        "kcm can't write the Profile: a ServiceTemplate is missing or not valid.",
        "See that every ServiceTemplate exists and is valid: `kubectl get servicetemplates -n kcm-system`.",
    ),
    "service-status-unread": Meaning(
        PROGRESS,
        "kcm can't read what Sveltos says of the services",
        "The condition FetchServicesStatusSuccess isn't True.",
        "Wait. If it lasts, see the log of kcm-controller-manager.",
    ),
    "services-not-taken-over": Meaning(
        PROGRESS,
        "Sveltos hasn't taken over what a cluster wants",
        "The ClusterSummary is missing, or has other services, values or versions than the ClusterDeployment.",
        "Wait. If it lasts: " + _SVELTOS[0].lower() + _SVELTOS[1:],
    ),
    "service-not-deployed": Meaning(
        PROGRESS,
        "A service isn't deployed yet",
        "Sveltos has not yet installed or upgraded it as it is wanted.",
        "Wait. If it lasts, see the ClusterSummary of the cluster: `kubectl get clustersummaries -A -o wide`.",
    ),
    "service-being-retried": Meaning(
        PROGRESS,
        "A service failed and is being tried again",
        "Helm refused it; Sveltos tries again by itself. That is how it looks when a chart needs what another one "
        "brings, kof-storage and kof-collectors the copied login for example; then it heals within a minute. Where all "
        "that is wanted is deployed already it stays in progress, unless Sveltos counts three failures in a row.",
        "Read the message: where it stays, the service's values or its chart don't fit.",
    ),
    "service-failed": Meaning(
        FAILED,
        "A service failed",
        "Helm refused it in a way that trying again doesn't mend.",
        "Read the message, and change the service's values, or what it asks for on the cluster.",
    ),
    "service-reference-missing": Meaning(
        FAILED,
        "A ConfigMap or Secret that services refer to isn't there",
        "Sveltos deploys nothing to the cluster until it is. Often it is `<identity>-resource-template`, which kcm "
        "wants beside the identity object of every Credential.",
        "Make it: of `<identity>-resource-template` an empty ConfigMap with the annotation "
        '`projectsveltos.io/template: "true"` will do. It goes on by itself.',
    ),
    "service-of-others": Meaning(
        FAILED,
        "Somebody else has installed a service on the cluster",
        "Helm doesn't take over objects of another release, or of nobody's.",
        "Leave it out (`regional_disabled_services`, `child_disabled_services`), or uninstall the other one.",
    ),
    "service-conflict": Meaning(
        FAILED,
        "Two profiles want the same release on a cluster",
        "Sveltos lets the one with the better priority have it, and leaves this one undone.",
        "Remove it from the other profile, change `regional_service_priority` or `child_service_priority`, or leave it "
        "out here.",
    ),
    "service-still-deployed": Meaning(
        PROGRESS,
        "A service that isn't wanted any more is still deployed",
        "Sveltos hasn't uninstalled it yet.",
        "Wait. If it lasts, see the ClusterSummary of the cluster.",
    ),
    "secrets-not-copied": Meaning(
        PROGRESS,
        "A cluster hasn't got the login",
        "The ClusterProfile that copies the Secret with the login to the cluster doesn't select it, or isn't done: "
        "collectors can't send, and kof-storage fails.",
        "Wait. If it lasts, see that the Cluster or SveltosCluster carries the label that is named, and the "
        "ClusterSummary of that ClusterProfile.",
    ),
    "secrets-still-copied": Meaning(
        PROGRESS,
        "A login is being withdrawn from a cluster",
        "The Secrets of a ClusterProfile that doesn't select the cluster any more are still there.",
        "Wait. If it lasts, see the ClusterSummary of that ClusterProfile.",
    ),
    "logs-not-kept": Meaning(
        WARNING,
        "A region's logs are lost with their pod",
        "Its kof-storage has no volume for VictoriaLogs: the guide's values name a key that the chart doesn't know.",
        "Run `k0rdent.kof.regional` for it, with `--check --diff` first: what is there now is lost once more.",
    ),
    "chart-repository-not-ready": Meaning(
        PROGRESS,
        "Flux doesn't reach the repository of kof's charts",
        "HelmRepository `kof` isn't Ready: address, login or CA aren't right, or the repository is away. What is "
        "fetched already goes on; no chart of another version comes. Of an OCI repository Flux says nothing there: its "
        "charts do (`template-not-valid`).",
        "See `kubectl describe helmrepository kof -n kcm-system`; the address is `kof_chart_repository`.",
    ),
    "another-repository": Meaning(
        WARNING,
        "A cluster's charts still come from another repository",
        "`kof_chart_repository` was changed: kcm hands the new address on only when a ClusterDeployment changes.",
        "Touch the ClusterDeployment as the message says, or change it by a run.",
    ),
    "service-missing": Meaning(
        PROGRESS,
        "A cluster doesn't want a service of kof",
        "Its ClusterDeployment lacks a service that the inventory wants, or has it disabled: its run hasn't been made "
        "yet, or somebody changed it.",
        "Run `k0rdent.kof.site` for it, with `--check --diff` first; or leave the service out "
        "(`regional_disabled_services`, `child_disabled_services`).",
        later=FAILED,
    ),
    "version-skew": Meaning(
        PROGRESS,
        "A cluster has another version of a service than the inventory says",
        "Its ClusterDeployment names another ServiceTemplate than this inventory's `kof_version` and variables: its "
        "run hasn't been made yet, or stopped half-way, or somebody changed it.",
        "Run `k0rdent.kof.site` for it, with `--check --diff` first.",
    ),
    # -- what the management cluster has
    "k0rdent-not-ready": Meaning(
        WARNING,
        "k0rdent isn't well",
        "The Management object isn't there, isn't Ready, or says of a component that it failed.",
        "See `kubectl get management -o yaml`, status.components.",
    ),
    "chart-being-installed": Meaning(
        PROGRESS,
        "One of kof's charts isn't installed yet",
        "Its Helm release isn't there, or an installation or upgrade is under way, or was left in the middle.",
        "Wait. If it lasts, run `k0rdent.kof.mothership`: it brings a release that was left half-way forward.",
        later=FAILED,
    ),
    "chart-not-deployed": Meaning(
        FAILED,
        "One of kof's charts isn't deployed",
        "The newest revision of its Helm release failed; an older one may still be deployed.",
        "Run `k0rdent.kof.mothership`, which says why, or mends it.",
    ),
    "kof-version-differs": Meaning(
        WARNING,
        "Another version of kof is installed than the inventory says",
        "The Helm release has another chart version than this inventory's `kof_version`.",
        "Set `kof_version` to what is there, or run `k0rdent.kof.site` (`preflight` says whether it may).",
    ),
    "kind-not-served": Meaning(
        PROGRESS,
        "A kind of kof isn't served",
        "The CustomResourceDefinition is missing: kof's charts aren't installed, or somebody deleted it, and all "
        "objects of its kind with it.",
        "Run `k0rdent.kof.mothership`, then `.regional`.",
        later=FAILED,
    ),
    "object-malformed": Meaning(
        WARNING,
        "An object has another form than its kind has here",
        "A part of it is of another type than is known (a text where a list belongs): its CRD is of another version, "
        "or somebody wrote it past the schema. It isn't judged, and nothing is said of what depends on it.",
        "See the object (`kubectl get -o yaml`), and which version its CRD is of. Where both are as they should be, "
        "report the line.",
    ),
    "object-missing": Meaning(
        PROGRESS,
        "An object of ours isn't there",
        "A run makes it together with its cluster: it was deleted, or the run was stopped.",
        "Run `k0rdent.kof.site` for the cluster.",
    ),
    "deployment-missing": Meaning(
        PROGRESS,
        "A Deployment of kof isn't there",
        "The chart that brings it isn't installed yet, or somebody deleted it.",
        "Wait. If it lasts, run `k0rdent.kof.mothership`: it repairs deleted objects.",
    ),
    "deployment-not-available": Meaning(
        PROGRESS,
        "A Deployment's replicas aren't all available",
        "Its pods are starting, or can't. Of promxy at kof 0.0 that is so until the first region is there.",
        "See its pods and their events: image, Secrets, PersistentVolumeClaims, memory.",
    ),
    "deployment-pods-refused": Meaning(
        WARNING,
        "A Deployment's pods are refused",
        "The API server lets no pod of it be made: a quota, a policy, or a missing ServiceAccount.",
        "Read the message, and see the events of its ReplicaSet.",
    ),
    "deployment-stuck": Meaning(
        FAILED,
        "A Deployment doesn't get on",
        "Its progress deadline has passed and its replicas aren't available.",
        "See its pods and their events: image, Secrets, PersistentVolumeClaims, memory.",
    ),
    "deployment-scaled-down": Meaning(
        FAILED,
        "A Deployment has no replicas",
        "It is scaled to 0, by hand or by values: what it does isn't done.",
        "Scale it up again (`kubectl scale`), or see the values of its chart.",
    ),
    "grafana-not-ready": Meaning(
        PROGRESS,
        "Grafana isn't ready",
        "The Grafana operator hasn't brought it through all its stages.",
        "Wait. If it lasts, see the pods of grafana-vm-deployment and the log of the Grafana operator.",
    ),
    # -- what runs, on the management cluster or inside of another one
    "pod-out-of-memory": Meaning(
        WARNING,
        "A container was killed for its memory",
        "It took more than its limit: now, or within the last day. promxy's default limit is too small for many "
        "regions or a large query.",
        "Raise its limit: of promxy by `mothership_values: {promxy: {resources: {limits: {memory: 1Gi}}}}` and a run "
        "of `k0rdent.kof.mothership`, of a region's or child's by `regional_service_values`, `child_service_values`.",
    ),
    "pod-crashing": Meaning(
        PROGRESS,
        "A container ends again and again",
        "It ends with an error and is started again, ever more slowly. So does what waits for something that isn't "
        "there yet; of promxy also what can't read its configuration, of external-dns what has no access to the zone.",
        "Read why in its log: `kubectl logs --previous -n <namespace> <pod>`.",
    ),
    "image-not-pulled": Meaning(
        PROGRESS,
        "An image can't be pulled",
        "Registry, name, tag or login aren't right, or the node doesn't reach the registry.",
        "Read the message; see the image in the values, and the registry from that cluster's nodes.",
    ),
    "pod-not-scheduled": Meaning(
        PROGRESS,
        "No node takes a pod",
        "None has the room, or all are kept for others (taints, selectors).",
        "Read the message: more or larger nodes, or smaller requests in the values.",
    ),
    "pod-not-started": Meaning(
        PROGRESS,
        "A pod doesn't start",
        "It waits for a Secret, ConfigMap or volume that it mounts. promxy of kof 0.0 does until the first region is "
        "there, an OpenTelemetry operator until cert-manager has made the certificate of its webhook.",
        "Wait. If it lasts, see its events: `kubectl describe pod -n <namespace> <pod>`.",
    ),
    "pod-not-ready": Meaning(
        PROGRESS,
        "A pod isn't ready",
        "It runs, and its probe fails.",
        "Wait. If it lasts, see its events and log.",
    ),
    "volume-not-bound": Meaning(
        PROGRESS,
        "A PersistentVolumeClaim has no volume",
        "Its StorageClass doesn't exist, makes none, or hasn't yet; whatever mounts it waits. A cluster of k0s has no "
        "StorageClass by itself.",
        "Mark a StorageClass as default, or name one: `mothership_storage_class`, `regional_storage_class`. A claim "
        "that is there keeps its class: delete it, if nothing is on it.",
    ),
    "secret-missing": Meaning(
        PROGRESS,
        "A Secret of kof isn't there",
        "The chart or operator that makes it hasn't done so. promxy's pod waits for its configuration so.",
        "Wait. If it lasts, run `k0rdent.kof.mothership`; of promxy's configuration see the log of its operator.",
    ),
    "secret-empty": Meaning(
        PROGRESS,
        "A Secret of kof has no value yet",
        "A key that is needed is missing or empty: promxy's configuration is, until the first region is in it.",
        "Wait. If it lasts, see the log of the operator that writes it.",
    ),
    "template-missing": Meaning(
        PROGRESS,
        "A ServiceTemplate isn't there",
        "kof's charts bring it; without it no cluster with that service is accepted, and none with it can be deleted.",
        "Wait. If it lasts, run `k0rdent.kof.mothership`.",
    ),
    "template-not-valid": Meaning(
        PROGRESS,
        "A ServiceTemplate isn't valid",
        "kcm can't fetch its chart. New clusters with it are refused, and deletions of its clusters hang; for a minute "
        "after its creation that is normal.",
        "See its HelmChart and HelmRepository: address, login, CA of the registry.",
    ),
    # -- regions in the global view
    "server-group-unlabelled": Meaning(
        WARNING,
        "A PromxyServerGroup lacks its label",
        "promxy's operator goes by the label that names the Secret with promxy's configuration, and passes it over.",
        "Run `k0rdent.kof.regional` for the region; of another one set the label that is named.",
    ),
    "server-group-login-missing": Meaning(
        FAILED,
        "A PromxyServerGroup names a login that isn't there",
        "promxy's operator then writes the configuration of no region any more, until it is there or the group is "
        "gone.",
        "Make the Secret in kof's namespace, or delete the PromxyServerGroup if nobody needs it.",
    ),
    "promxy-config-broken": Meaning(
        FAILED,
        "promxy's configuration doesn't read",
        "promxy's operator of kof 0.1 writes texts between quotes as they are: a quote or backslash in a login or "
        "name, an address that is missing or a wrong duration break it for all regions. promxy goes on with what it "
        "has until it is started again.",
        "Correct what is named (letters and digits, as the chart makes logins), then touch the PromxyServerGroups.",
    ),
    "login-outdated": Meaning(
        WARNING,
        "An old login is still in use",
        "The Secret with the login was changed. Its copies follow, but promxy's operator and the collectors' chart "
        "have written the old one down, and look at it no more.",
        "For promxy touch the PromxyServerGroups (any annotation will do); for collectors have kof-collectors deployed "
        "again by another text of its values.",
    ),
    "region-not-in-promxy": Meaning(
        PROGRESS,
        "promxy doesn't know a region",
        "kof's operator hasn't written it into promxy's configuration, or with another address. One PromxyServerGroup "
        "whose login Secret is missing keeps it from writing any.",
        "See that the Secrets that all PromxyServerGroups name exist, and the log of the promxy operator.",
    ),
    "region-still-in-promxy": Meaning(
        PROGRESS,
        "promxy still asks a region that is gone",
        f"kof's operator hasn't taken it out of its configuration; of the last region it never does. {_LATER_LINES}",
        "Wait. If it lasts, see the log of the promxy operator.",
    ),
    "alert-rules-missing": Meaning(
        PROGRESS,
        "A cluster's alert rules aren't there",
        "There is no VMRule of its name: its turn hasn't come yet, it was refused, or somebody deleted it.",
        "Run `k0rdent.kof.site` (or `.mothership`, `.regional`, `.child`).",
        later=WARNING,
    ),
    "alert-rules-left": Meaning(
        WARNING,
        "Alert rules of no variable any more are still evaluated",
        "A run made the VMRule out of `mothership_alert_rules`, `regional_alert_rules`, `child_alert_rules` or a "
        "maintenance, none of which says anything now. Nothing is deleted because it is absent.",
        "If they shall go, run `k0rdent.kof.mothership`, `.regional` or `.child` with `-e kof_alert_rules_prune=true`; "
        "else say them again.",
    ),
    "cluster-left-inventory": Meaning(
        WARNING,
        "A cluster of the fleet, or what is left of one, isn't in its inventory",
        "A run of this fleet made the cluster, and the inventory, which is declared whole (`kof_inventory_complete`), "
        "has no host of its name any more. It lives on as it is, and no run changes it. Of one whose ClusterDeployment "
        "somebody deleted by hand its places in promxy and Grafana are left, and promxy fails every query by them.",
        "If it shall go, run `k0rdent.kof.prune` (docs/grow.md); else put it back into the inventory.",
    ),
    "alert-rule-fails": Meaning(
        WARNING,
        "An alert rule fails",
        "vmalert asks promxy for its expression, and gets an error: a region is away, or it isn't PromQL. "
        "`k0rdent.kof.alerts` tells it.",
        "See the error that is told. If it isn't PromQL, mend the rule.",
    ),
    "alert-rule-never-fires": Meaning(
        WARNING,
        "An alert rule can't fire",
        "kof-mothership 0.1.1 renders its rules of groups kubernetes-apps and kubernetes-storage with "
        '`namespace=~""`, for nothing sets '
        "the value they take it from: they select series without a namespace, of which there are none. "
        "`k0rdent.kof.alerts` tells them.",
        "Say what is to be watched by `mothership_alert_rules`; later releases of kof have mended it.",
    ),
    "alert-rules-refused": Meaning(
        FAILED,
        "Alert rules are refused",
        "The VictoriaMetrics operator leaves the VMRule out, and vmalert evaluates none of its rules.",
        "Mend the rule that is named, in `mothership_alert_rules`, `regional_alert_rules` or `child_alert_rules`.",
    ),
    "dashboard-missing": Meaning(
        PROGRESS,
        "A dashboard of yours isn't there",
        "A run makes a GrafanaDashboard of each file of `mothership_dashboards` and `regional_dashboards`: this one "
        "was deleted, or no run was made since the file is there.",
        "Run `k0rdent.kof.mothership`, or `k0rdent.kof.regional` for the region.",
    ),
    "dashboard-unmatched": Meaning(
        WARNING,
        "A GrafanaDashboard is in no Grafana",
        "No Grafana in its namespace has the labels that its instanceSelector selects.",
        "See that the Grafana is in its namespace, with label `dashboards: grafana`.",
    ),
    "dashboard-refused": Meaning(
        WARNING,
        "Grafana doesn't take a dashboard",
        "The Grafana operator sent it, and Grafana refused.",
        "The message has Grafana's reason; see the log of the Grafana operator.",
    ),
    "dashboard-not-in-grafana": Meaning(
        PROGRESS,
        "A dashboard isn't in Grafana as it is wanted",
        "The Grafana operator has put another text of it there, or none yet: it waits for Grafana, or Grafana refused, "
        "which it says in its log alone.",
        "Wait. If it lasts, see the log of the Grafana operator.",
    ),
    "dashboard-left": Meaning(
        WARNING,
        "A dashboard's file is gone, and the dashboard is still in Grafana",
        "A GrafanaDashboard that a run has made is of no file any more: the file was taken out of the folder or "
        "renamed, or `mothership_dashboards` or `regional_dashboards` isn't set any more. Nothing is deleted because "
        "it is absent.",
        "If it shall go, run `k0rdent.kof.mothership` or `.regional` with `-e kof_dashboards_prune=true`; else put "
        "the file back.",
    ),
    "datasource-missing": Meaning(
        PROGRESS,
        "A region's GrafanaDatasource isn't there",
        "A run makes it together with the regional cluster: it was deleted, or the run was stopped.",
        "Run `k0rdent.kof.regional` for the region.",
    ),
    "datasource-not-seen": Meaning(
        PROGRESS,
        "The Grafana operator hasn't seen a GrafanaDatasource",
        "It has no status.",
        "Wait. If it lasts, see that the Grafana operator runs.",
    ),
    "datasource-unmatched": Meaning(
        WARNING,
        "A GrafanaDatasource is in no Grafana",
        "No Grafana in its namespace has the labels that its instanceSelector selects.",
        "See that the Grafana is in its namespace, with label `dashboards: grafana`.",
    ),
    "datasource-refused": Meaning(
        WARNING,
        "A GrafanaDatasource isn't accepted",
        "The Grafana operator can't put it into Grafana: its Secret is missing, or Grafana doesn't answer.",
        "Read the message; see the Secret and keys in its valuesFrom.",
    ),
    # -- inside of a cluster only
    "cluster-not-answering": Meaning(
        PROGRESS,
        "A cluster doesn't answer from here",
        "Its API server hasn't answered, or not all that it was asked, within `verify_deadline`: it is down, "
        "overloaded, or this machine, other than the management cluster, has no way to it. What it hadn't answered "
        "was not looked at.",
        "See that its API server runs and that this machine reaches the address in its kubeconfig; where it is only "
        "slow, a larger `verify_deadline`.",
        later=FAILED,
        inside=True,
    ),
    "kubeconfig-missing": Meaning(
        PROGRESS,
        "There is no kubeconfig of a cluster",
        "The Secret `<cluster>-kubeconfig` in kcm's namespace, which Cluster API makes with the control plane, isn't "
        "there or holds none; nor does the Secret that its Credential names, as of an adopted cluster.",
        "Wait until its control plane is there. Of an adopted cluster see the Secret of its Credential.",
        later=FAILED,
        inside=True,
    ),
    "kubeconfig-unusable": Meaning(
        FAILED,
        "The kubeconfig of a cluster can't be used",
        "What is in its Secret is no usable kubeconfig, or logs in by a command or a file, which aren't run or read: "
        "whoever may write that Secret would run them on this machine.",
        "Have a kubeconfig in that Secret that holds a token or a client certificate itself.",
        inside=True,
    ),
    "kubeconfig-refused": Meaning(
        PROGRESS,
        "A cluster refuses the login of its kubeconfig",
        "The token or certificate has expired or was withdrawn, or may not do what is asked. What was refused was not "
        "looked at.",
        "Renew the login in that Secret. It has to be one that may read what is in the namespaces of kof's services.",
        later=FAILED,
        inside=True,
    ),
    "workload-missing": Meaning(
        PROGRESS,
        "A workload of kof isn't on a cluster",
        "What a chart of kof brings isn't there: not yet, or somebody deleted it, which Sveltos neither sees nor "
        "mends: it goes on calling the service deployed.",
        "Have Sveltos deploy the service again: change its values (`regional_service_values`, `child_service_values`) "
        "by a run, or delete its Helm release on the cluster.",
        later=FAILED,
        inside=True,
    ),
    "workload-not-ready": Meaning(
        PROGRESS,
        "Not all pods of a workload are ready",
        "They are being started or replaced, or can't start.",
        "Wait. If it lasts, see its pods and their events.",
        inside=True,
    ),
    "certificate-not-ready": Meaning(
        PROGRESS,
        "A certificate isn't issued",
        "cert-manager hasn't got it: the DNS name doesn't lead to the cluster yet, port 80 isn't reached, Let's "
        "Encrypt gives no more this week, or it has no mail address.",
        "See its Order and Challenges: `kubectl describe challenges -n kof`; `regional_domain` and its records, "
        "`regional_admin_email`.",
        inside=True,
    ),
    "load-balancer-missing": Meaning(
        PROGRESS,
        "A load balancer has no address",
        "The cloud has made none for the Service: quota, permissions or subnets, or another cluster's has its name. "
        "Nothing can be sent to the region.",
        "Wait. If it lasts, see the events of the Service.",
        inside=True,
    ),
    "collector-not-ready": Meaning(
        PROGRESS,
        "Not all pods of a collector are ready",
        "The OpenTelemetry operator counts less than there should be: they are starting, take more memory than they "
        "may, or their configuration doesn't fit.",
        "Wait. If it lasts, see its pods and their logs.",
        inside=True,
    ),
    "grafana-login-missing": Meaning(
        WARNING,
        "The login of a region's Grafana is gone",
        "kof-storage 0.1.1 takes the Secret away with each upgrade. The Grafana goes on with the old one until its pod "
        "is replaced, and then doesn't start.",
        "Make one of your own, as the README of role `k0rdent.kof.regional` says; or upgrade kof-storage once more.",
        inside=True,
    ),
    # -- lines that are told by labels
    "helm-release-missing": Meaning(
        PROGRESS,
        "A HelmRelease of kof isn't there",
        f"Chart kof makes it. {_LATER_LINES}",
        "Run `k0rdent.kof.mothership`.",
    ),
    "helm-release-not-ready": Meaning(
        PROGRESS,
        "A HelmRelease isn't ready",
        f"Flux installs or upgrades it. {_LATER_LINES}",
        "Wait. If it lasts, see its events.",
    ),
    "helm-release-stalled": Meaning(
        FAILED,
        "Flux has given a HelmRelease up",
        f"It failed as often as it may. {_LATER_LINES}",
        "See its events, mend the cause, then `flux reconcile hr` it.",
    ),
    "helm-release-version": Meaning(
        PROGRESS,
        "A HelmRelease has another version than is wanted",
        f"Flux hasn't upgraded it yet. {_LATER_LINES}",
        "Wait. If it lasts, see its HelmChart.",
    ),
    "multi-cluster-service-missing": Meaning(
        PROGRESS,
        "A MultiClusterService isn't there",
        f"kof's charts or its operator make it. {_LATER_LINES}",
        "See the HelmReleases of kof. " + _OPERATOR,
    ),
    "multi-cluster-service-not-valid": Meaning(
        PROGRESS,
        "A MultiClusterService isn't valid",
        f"kcm doesn't know all of its ServiceTemplates. {_LATER_LINES}",
        "See that they exist and are valid.",
    ),
    "multi-cluster-service-unmatched": Meaning(
        PROGRESS,
        "A MultiClusterService doesn't select a cluster",
        f"The cluster lacks the label that it selects by. {_LATER_LINES}",
        "See the labels of the ClusterDeployment.",
    ),
    "service-set-missing": Meaning(
        PROGRESS,
        "A ServiceSet isn't there",
        f"kcm makes one for each MultiClusterService and cluster. {_LATER_LINES}",
        "Wait. If it lasts, see the log of kcm-controller-manager.",
    ),
    "service-set-empty": Meaning(
        PROGRESS,
        "A MultiClusterService has no services",
        f"It brings nothing to a cluster. {_LATER_LINES}",
        "See the HelmReleases of kof.",
    ),
    "regional-not-known": Meaning(
        PROGRESS,
        "kof's operator doesn't know a regional cluster",
        f"It has made no ConfigMap for it. {_LATER_LINES}",
        "The ClusterTemplate's status.providers must name an infrastructure that kof knows. " + _OPERATOR,
    ),
    "regional-known-otherwise": Meaning(
        PROGRESS,
        "kof's operator knows a regional cluster otherwise",
        f"Its ConfigMap has another address or name. {_LATER_LINES}",
        _OPERATOR,
    ),
    "child-not-attached": Meaning(
        PROGRESS,
        "A child isn't attached to its regional cluster",
        f"kof's operator has made no ConfigMap for it, or the regional's isn't there. {_LATER_LINES}",
        "See that the regional cluster is there, and the event RegionalClusterDiscoveryFailed. " + _OPERATOR,
    ),
    "child-sends-elsewhere": Meaning(
        FAILED,
        "A child sends to another regional cluster",
        f"kof's operator has attached it to another one than the inventory says. {_LATER_LINES}",
        "Set the label with the regional's name on its ClusterDeployment, by a run of `k0rdent.kof.child`.",
    ),
    "child-config-old": Meaning(
        PROGRESS,
        "A child's configuration is an older one of its regional",
        f"The regional's address changed since. {_LATER_LINES}",
        "kof's operator looks again when the ClusterDeployment is applied again.",
    ),
    "server-group-missing": Meaning(
        PROGRESS,
        "A region's PromxyServerGroup isn't there",
        f"kof's operator makes it. {_LATER_LINES}",
        _OPERATOR,
    ),
    "server-group-otherwise": Meaning(
        PROGRESS,
        "A region's PromxyServerGroup says something else",
        f"Its cluster, target or login isn't that of the region. {_LATER_LINES}",
        _OPERATOR,
    ),
    # -- data
    "vmauth-name-unknown": Meaning(
        PROGRESS,
        "The name of a regional's vmauth doesn't resolve",
        "Nobody knows a `vmauth.<domain>` where verify runs: external-dns hasn't written it, or the domain isn't "
        "delegated. Its children can't send either, if they ask the same name servers: their logs wait, their metrics "
        "are lost.",
        "See `kof-storage-external-dns` and its log on the regional cluster, and the hosted zone; without external-dns "
        "make the record by hand.",
        later=FAILED,
        data=True,
    ),
    "vmauth-certificate-not-trusted": Meaning(
        PROGRESS,
        "The certificate of a regional's vmauth isn't trusted",
        "It is of another name, out of date, or signed by nobody who is trusted here. Collectors don't trust it either "
        "(`tls.insecure` is for http): they drop metrics after seconds, and keep logs for a while.",
        "See the Certificate `vmauth-tls` in the namespace of kof on the regional cluster, and its Order. "
        "A private authority has to be trusted where verify runs, and by the collectors.",
        later=FAILED,
        data=True,
    ),
    "vmauth-not-reached": Meaning(
        PROGRESS,
        "A regional's vmauth doesn't answer",
        "The name resolves, and nobody answers behind it: no ingress, no load balancer, a firewall, or vmauth isn't "
        "there.",
        "See the pods of ingress-nginx and vmauth on the regional cluster, and the address of the load balancer.",
        later=FAILED,
        data=True,
    ),
    "vmauth-login-refused": Meaning(
        PROGRESS,
        "A regional's vmauth refuses the stored login",
        "User and password of the management cluster's Secret aren't those of its VMUser: the user's name is copied "
        "when kof-storage is installed, and not followed. promxy and Grafana are refused, too.",
        "Have kof-storage installed anew on the regional cluster after the Secret has arrived there, or put the old "
        "login back.",
        later=FAILED,
        data=True,
    ),
    "vmauth-route-missing": Meaning(
        PROGRESS,
        "A regional's vmauth has no route for kof's paths",
        "Its VMUser isn't the one of this line of kof, or was changed.",
        "See the VMUser in the namespace of kof on the regional cluster.",
        later=FAILED,
        data=True,
    ),
    "vmauth-answer-unknown": Meaning(
        PROGRESS,
        "What answers for a regional's vmauth isn't kof's",
        "The name leads to something else, or the store behind vmauth fails.",
        "Open the address that is named in a browser, and see who answers.",
        later=FAILED,
        data=True,
    ),
    "store-not-reached": Meaning(
        PROGRESS,
        "What stores a region's data doesn't run",
        "vmauth answers, and VictoriaMetrics or VictoriaLogs behind it doesn't. Its children's metrics are lost "
        "meanwhile; logs wait in the collectors for some minutes.",
        "See the pods vminsert, vmselect, vmstorage and victoria-logs on the regional cluster, and their volumes.",
        later=FAILED,
        data=True,
    ),
    "metrics-missing": Meaning(
        PROGRESS,
        "A child's metrics never arrived",
        "Its regional has no sample of it within a day.",
        "See what is named as the reason; else the log of the collector `kof-collectors-node-exporter` on the child.",
        later=FAILED,
        data=True,
    ),
    "metrics-stale": Meaning(
        FAILED,
        "A child's metrics arrive no more",
        "The newest sample at its regional is older than is allowed.",
        "See what is named as the reason; else the log of the collector `kof-collectors-node-exporter` on the child.",
        data=True,
    ),
    "logs-missing": Meaning(
        PROGRESS,
        "A child's logs never arrived",
        "Its regional has no line of any of its pods within a day.",
        "See what is named as the reason; else the log of the collector `kof-collectors-node-exporter` on the child.",
        later=FAILED,
        data=True,
    ),
    "logs-stale": Meaning(
        WARNING,
        "A child's logs arrive no more",
        "The newest line at its regional is older than is allowed, or its pods say nothing.",
        "See what is named as the reason; else the log of the collector `kof-collectors-node-exporter` on the child.",
        data=True,
    ),
    "costs-missing": Meaning(
        PROGRESS,
        "A child's costs never arrived",
        "Its regional has no cost of any of its nodes within a day. Where its metrics arrive, it is OpenCost that "
        "doesn't work: mostly it can't read from vmauth.",
        "See the log of `kof-collectors-opencost` on the child.",
        later=FAILED,
        data=True,
    ),
    "costs-stale": Meaning(
        FAILED,
        "A child's costs arrive no more",
        "The newest cost of a node at its regional is older than is allowed.",
        "See the log of `kof-collectors-opencost` on the child.",
        data=True,
    ),
    "data-in-another-region": Meaning(
        FAILED,
        "A child's data arrives in another region",
        "Its collectors send to another regional's domain. All have one login, so it is accepted there in silence.",
        "Run `k0rdent.kof.child` for it; where `child_service_values` name an endpoint, mend that.",
        data=True,
    ),
    "promxy-not-reached": Meaning(
        FAILED,
        "promxy doesn't answer",
        "Its API isn't reached from here.",
        "See the Deployment `kof-mothership-promxy`.",
        data=True,
    ),
    "promxy-query-failed": Meaning(
        FAILED,
        "promxy answers no query",
        "One region that refuses it, or doesn't answer, fails the queries of all.",
        "Mend the region that is named; see the log of `kof-mothership-promxy`.",
        data=True,
    ),
    "dashboard-without-data": Meaning(
        PROGRESS,
        "A dashboard of Grafana has nothing to show",
        "A variable of it finds no series through promxy, and all that it shows is chosen by its variables. Metrics of "
        "clusters arrive all the same: what makes these series doesn't run there, or nobody scrapes it.",
        "See kube-state-metrics, node-exporter and OpenCost on the clusters, which make them.",
        later=WARNING,
        data=True,
    ),
    "promxy-lacks-region": Meaning(
        PROGRESS,
        "A region's metrics don't come through promxy",
        "The region has metrics, and promxy knows none: its configuration lacks the region or is an old one.",
        "See the PromxyServerGroup of the region and the Secret `kof-mothership-promxy-config`; restart promxy.",
        later=FAILED,
        data=True,
    ),
}

#: What goes wrong with kof and is no finding, and why.
UNSEEN: Mapping[str, str] = {
    "OpenCost ends with `strconv.ParseFloat` where a cloud has no prices": (
        "only its log says so; as long as its pod ends again and again that is `pod-crashing`"
    ),
    "VictoriaMetrics drops labels of series that have too many": "only its log says so",
    "a pod has too many open files": "only its log says so; where it ends of it that is `pod-crashing`",
    "helm 4 doesn't get on with kof's charts": "it is the run's own: preflight refuses it before",
    "a chart of kof can't be uninstalled, since clusters still use its ServiceTemplates": (
        "kcm refuses the request, which whoever made it is told"
    ),
    "a cluster can't be upgraded from one template to another": "kcm refuses the request, which the run tells",
    "the management cluster was adopted as its own regional or child": "preflight and apply refuse it before",
    "a MultiClusterService is refused as long as its templates aren't valid": (
        "the lines that this collection writes have none"
    ),
    "promxy's replicas answer differently": "the lines that this collection writes have one promxy",
    "a template of Sveltos fails for lack of an annotation": "the lines that this collection writes have none such",
    "an external-dns writes to a zone that isn't the cluster's": (
        "only its log says so; preflight looks for the zone before, and what ends of it is `pod-crashing`"
    ),
}
