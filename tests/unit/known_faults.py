"""What is known to go wrong with kof, and by which finding it is recognised. Data only; docs/findings.md has it too.

Collected from kof's issues and guides and from a real chain of kcm, Sveltos and kof that was broken on purpose. Each
has codes, or the words of kof/findings.py's UNSEEN for why it has none.
"""

from __future__ import annotations

from dataclasses import dataclass

STATUS, VERIFY = "status", "verify, inside"
BOTH = f"{STATUS}; {VERIFY}"


@dataclass(frozen=True)
class Fault:
    """
    :ivar number: of the collection it is from.
    :ivar codes: any of them tells it.
    :ivar where: who sees it.
    :ivar unseen: a key of UNSEEN.
    """

    number: str
    what: str
    codes: tuple[str, ...] = ()
    where: str = STATUS
    unseen: str = ""


FAULTS = (
    Fault("1", "promxy's pod waits for its configuration (kof 0.0)", ("secret-missing", "region-not-in-promxy")),
    Fault("2", "promxy has no data of a region", ("region-not-in-promxy", "server-group-unlabelled")),
    Fault("3", "promxy's operator can't read a login", ("server-group-login-missing", "secret-missing")),
    Fault("4", "promxy refuses its configuration", ("promxy-config-broken", "pod-crashing")),
    Fault("5", "a cluster hasn't got the login", ("secrets-not-copied",)),
    Fault("6", "a chart fails until the login is there", ("service-being-retried",)),
    Fault("7", "volumes stay Pending, there is no StorageClass", ("volume-not-bound",), BOTH),
    Fault("8", "logs are lost when their pod goes", ("logs-not-kept",)),
    Fault("9", "a certificate isn't issued", ("certificate-not-ready", "load-balancer-missing"), VERIFY),
    Fault(
        "10",
        "external-dns has no login, or can't use it",
        ("secrets-not-copied", "pod-crashing"),
        BOTH,
    ),
    Fault(
        "10a", "external-dns writes to another zone", unseen="an external-dns writes to a zone that isn't the cluster's"
    ),
    Fault("11", "a ServiceTemplate is missing or not valid", ("template-missing", "template-not-valid")),
    Fault(
        "12",
        "kof-regional is refused right behind kof-mothership",
        unseen="a MultiClusterService is refused as long as its templates aren't valid",
    ),
    Fault("13", "a Credential isn't ready", ("credential-not-ready", "credential-missing")),
    Fault(
        "14",
        "a cluster's machines or network don't come up",
        (
            "cluster-release-not-ready",
            "infrastructure-not-ready",
            "control-plane-not-ready",
            "machines-not-ready",
            "cluster-config-refused",
        ),
    ),
    Fault(
        "15",
        "a cluster is Ready and its services are missing",
        ("service-failed", "service-not-deployed", "service-missing", "services-not-taken-over"),
    ),
    Fault("16", "two profiles want one release", ("service-conflict",)),
    Fault("17", "a datasource isn't in Grafana", ("datasource-unmatched", "datasource-refused", "grafana-not-ready")),
    Fault("18", "the login of a region's Grafana is gone (kof 0.1)", ("grafana-login-missing",), VERIFY),
    Fault("19", "promxy was killed for its memory", ("pod-out-of-memory",)),
    Fault("20", "kof's namespace stays Terminating", ("namespace-terminating",)),
    Fault(
        "21",
        "kof-mothership can't be uninstalled",
        unseen="a chart of kof can't be uninstalled, since clusters still use its ServiceTemplates",
    ),
    Fault("22", "a cluster's deletion hangs", ("being-deleted", "deletion-held")),
    Fault("23", "a child isn't attached to its region (later lines)", ("child-not-attached",)),
    Fault(
        "24",
        "a template's upgrade is refused",
        unseen="a cluster can't be upgraded from one template to another",
    ),
    Fault(
        "25",
        "the OpenTelemetry operator waits for its certificate",
        ("pod-not-started", "certificate-not-ready"),
        BOTH,
    ),
    Fault("26", "helm's time-out passes", ("chart-being-installed", "chart-not-deployed", "service-being-retried")),
    Fault("27", "a collector takes too much memory", ("pod-out-of-memory", "collector-not-ready"), VERIFY),
    Fault(
        "28",
        "OpenCost ends without prices",
        unseen="OpenCost ends with `strconv.ParseFloat` where a cloud has no prices",
    ),
    Fault("29", "metrics come and go with promxy's replicas", unseen="promxy's replicas answer differently"),
    Fault("30", "a template lacks annotations", unseen="a template of Sveltos fails for lack of an annotation"),
    Fault("31", "two regions' load balancers have one name", ("load-balancer-missing",), VERIFY),
    Fault("32", "metrics lose labels", unseen="VictoriaMetrics drops labels of series that have too many"),
    Fault("33", "Sveltos doesn't reach a cluster", ("cluster-unreached", "cluster-unsteady", "cluster-not-connected")),
    Fault("34", "helm 4", unseen="helm 4 doesn't get on with kof's charts"),
    Fault("35", "too many open files", unseen="a pod has too many open files"),
    Fault("seen 8", "charts still come from the old repository", ("another-repository",)),
    Fault("seen 9", "an upgrade takes a Grafana's login away", ("grafana-login-missing",), VERIFY),
    Fault("seen 10", "an old login is still in use", ("login-outdated",), f"{STATUS} (promxy); {VERIFY} (collectors)"),
    Fault("seen 11", "somebody deleted a workload on a child", ("workload-missing",), VERIFY),
    Fault(
        "seen 12",
        "the management cluster was adopted",
        unseen="the management cluster was adopted as its own regional or child",
    ),
)
