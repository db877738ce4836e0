"""Bad input, as data: what is spoilt in the sandbox's inventory or surroundings, and what the run must say about it.

Each case starts from inventories/sandbox, in which all is well (test_site_bad_input.py shows that too). TOGETHER has
those that are one run. No test is in here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

MOTHERSHIP, US, EU = "mothership", "aws-us-east-2", "aws-eu-west-1"
US_CHILD, EU_CHILD = f"{US}-child1", f"{EU}-child1"
HOSTS = (MOTHERSHIP, US, EU, US_CHILD, EU_CHILD)
#: Key of BadInput.variables for all hosts of the inventory.
EVERY = "every host"


@dataclass(frozen=True)
class BadInput:
    """One kind of bad input.

    :ivar says: a regular expression that one line of the output must have: which host, which variable, what is right.
    :ivar variables: YAML text of host variables by host, over those of the sandbox inventory.
    :ivar cut: lines of the sandbox inventory that have one of these texts are left out.
    :ivar hosts: the whole text of hosts.yml instead of the sandbox's; None keeps it.
    :ivar arguments: more arguments for ansible-playbook; `{work}` is the case's own folder, `{sandbox}` the state
        folder.
    :ivar environment: more environment variables; the same placeholders.
    :ivar files: text files to make in the case's folder first, executable; the same placeholders.
    :ivar playbook: name in playbooks/, or text of a playbook to run from the case's folder.
    :ivar objects: Kubernetes objects to make on the mothership first, as an administrator, and to delete again after.
    :ivar in_kof: the same for objects in the namespace kof, which is there then.
    :ivar patches: kubectl arguments to spoil what is there, each with those that mend it.
    :ivar faults: of `python -m sandbox fault`, cleared after.
    :ivar hides: texts that the output must not have (the value of an option that is secret).
    :ivar inventory: False leaves out -i's own hosts: the inventory path doesn't exist.
    """

    name: str
    says: str
    variables: Mapping[str, str] = field(default_factory=dict)
    cut: tuple[str, ...] = ()
    hosts: str | None = None
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    playbook: str = "preflight"
    objects: str = ""
    in_kof: str = ""
    patches: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = ()
    faults: tuple[str, ...] = ()
    hides: tuple[str, ...] = ()
    inventory: bool = True

    @property
    def alone(self) -> bool:
        """Whether it spoils the mothership itself, so that nothing may run beside it."""
        return bool(self.objects or self.in_kof or self.patches or self.faults)


def regional(name: str, text: str, says: str, **more: object) -> BadInput:
    """A case of one variable (or some) of the regional host US."""
    return BadInput(name, rf"{US}\b.*{says}", {US: text}, **more)  # type: ignore[arg-type]


def child(name: str, text: str, says: str) -> BadInput:
    return BadInput(name, rf"{US_CHILD}\b.*{says}", {US_CHILD: text})


def mothership(name: str, text: str, says: str, **more: object) -> BadInput:
    return BadInput(name, rf"{MOTHERSHIP}\b.*{says}", {MOTHERSHIP: text}, **more)  # type: ignore[arg-type]


def shared(name: str, text: str, says: str, **more: object) -> BadInput:
    """A case of kof_* variables, the same for every host."""
    return BadInput(name, says, {EVERY: text}, **more)  # type: ignore[arg-type]


INVENTORY = (
    BadInput("inventory missing", r"failed to parse inventory source .*/nowhere", inventory=False),
    BadInput("inventory empty", r"failed to parse inventory source .*hosts\.yml", hosts="---\n"),
    BadInput(
        "inventory unparsable",
        r"failed to parse inventory source .*hosts\.yml",
        hosts="kof_mothership:\n  hosts: [unclosed\n",
    ),
    BadInput(
        "inventory of something else",
        r"no host in kof_mothership, kof_regional or kof_child",
        hosts="web:\n  hosts:\n    www1:\n",
    ),
    BadInput(
        "group misspelt",
        r"kof_regionals\b.*did you mean kof_regional\?",
        hosts=f"kof_mothership:\n  hosts:\n    {MOTHERSHIP}:\nkof_regionals:\n  hosts:\n    {US}:\n",
    ),
    BadInput(
        "group without our prefix",
        rf"group regional\b.*{US} in none of its groups; did you mean kof_regional\?",
        hosts=f"kof_mothership:\n  hosts:\n    {MOTHERSHIP}:\nregional:\n  hosts:\n    {US}:\n",
    ),
    BadInput(
        "two motherships",
        r"kof_mothership\b.*exactly one",
        hosts=f"kof_mothership:\n  hosts:\n    {MOTHERSHIP}:\n    second:\n",
    ),
    BadInput(
        "host in two groups",
        rf"{US}\b.*kof_regional\b.*kof_child\b.*one cluster",
        hosts=(
            f"kof_mothership:\n  hosts:\n    {MOTHERSHIP}:\n"
            f"kof_regional:\n  hosts:\n    {US}:\n"
            f"kof_child:\n  hosts:\n    {US}:\n"
        ),
    ),
    BadInput(
        "limit without a host",
        r"(?i)(no hosts to target|does not match any hosts|no hosts matched)",
        arguments=("--limit", "nowhere"),
    ),
    BadInput(
        "strategy free",
        r"fleet_preflight.*not supported in the free strategy",
        environment={"ANSIBLE_STRATEGY": "free"},
    ),
)

VARIABLES = (
    BadInput("domain missing", rf"{US}\b.*regional_domain\b.*(?i:missing|required)", cut=(f"regional_domain: {US}",)),
    regional("domain null", "regional_domain: null", r"regional_domain\b"),
    regional("domain a map", "regional_domain: {a: b}", r"regional_domain\b.*(?i:string|domain)"),
    regional(
        "domain an url",
        "regional_domain: https://us.example.com",
        r"regional_domain\b.*kof\.example\.com|regional_domain\b.*(?i:domain|DNS)",
    ),
    regional(
        "domain with an underscore", "regional_domain: us_east.example.com", r"regional_domain\b.*(?i:DNS|domain)"
    ),
    regional("domain with a quote", "regional_domain: 'us\".example.com'", r"regional_domain\b.*(?i:DNS|domain)"),
    BadInput(
        "domain twice",
        rf"({US}|{EU})\b.*regional_domain\b.*({US}|{EU})",
        {EU: f"regional_domain: {US}.kof.example.com"},
    ),
    BadInput("e-mail missing", r"regional_admin_email\b.*(?i:missing|required)", cut=("regional_admin_email",)),
    regional("e-mail no address", "regional_admin_email: nobody", r"regional_admin_email\b.*(?i:mail|@)"),
    regional(
        "cluster name too long",
        f"regional_cluster_name: {'a' * 64}",
        r"regional_cluster_name\b.*(?i:characters|longer|DNS|at most)",
    ),
    regional(
        "cluster name no DNS label", "regional_cluster_name: US_East", r"regional_cluster_name\b.*(?i:DNS|lower|a-z)"
    ),
    regional("cluster name a number", "regional_cluster_name: 12", r"regional_cluster_name\b.*(?i:string|quote|DNS)"),
    BadInput(
        "cluster name twice",
        rf"({US}|{EU})\b.*regional_cluster_name\b.*({US}|{EU})",
        {EU: f"regional_cluster_name: {US}"},
    ),
    BadInput(
        "regional missing", rf"{US_CHILD}\b.*child_regional\b.*(?i:missing|required)", cut=(f"child_regional: {US}",)
    ),
    child("regional a list", f"child_regional: [{US}]", r"child_regional\b.*(?i:string)"),
    child("priority zero", "child_service_priority: 0", r"child_service_priority\b.*(?i:1|least|minimum)"),
    child("boolean a word", "child_opencost: perhaps", r"child_opencost\b.*(?i:bool|true|false)"),
    regional("config a list", "regional_config: [region]", r"regional_config\b.*(?i:map|dict|object)"),
    regional("config text that is no map", "regional_config: 'region'", r"regional_config\b.*(?i:map).*in YAML"),
    regional(
        "config octal", "regional_config: {controlPlaneNumber: 010}", r"regional_config\b.*010 is read as the number 8"
    ),
    regional("config key no string", "regional_config: {1: one}", r"regional_config\b.*(?i:key)"),
    regional(
        "config a date",
        "regional_config: {region: us-east-2, since: 2026-01-01}",
        r"regional_config\b.*(?i:date|quote)",
    ),
    regional(
        "config not a number",
        "regional_config: {region: us-east-2, workersNumber: .nan}",
        r"regional_config\b.*(?i:nan|number)",
    ),
    regional("labels a string", "regional_cluster_labels: 'a=1'", r"regional_cluster_labels\b.*(?i:map|dict|object)"),
    regional("dial time-out without unit", 'regional_promxy_dial_timeout: "5"', r"regional_promxy_dial_timeout\b.*5s"),
    regional(
        "dial time-out a number", "regional_promxy_dial_timeout: 5", r"regional_promxy_dial_timeout\b.*(?i:string|5s)"
    ),
    regional("retention without unit", 'regional_retention: "30"', r"regional_retention\b.*30d"),
    regional(
        "storage size in words", "regional_logs_storage_size: 10 gigs", r"regional_logs_storage_size\b.*(?i:10Gi)"
    ),
    regional(
        "external-dns unknown", "regional_external_dns: maybe", r"regional_external_dns\b.*secret\b.*node\b.*none"
    ),
    regional(
        "secret name with a quote", "regional_vmuser_secret: 'a\"b'", r"regional_vmuser_secret\b.*(?i:name|DNS|lower)"
    ),
    regional(
        "extra service without template", "regional_extra_services: [{name: x}]", r"regional_extra_services\b.*template"
    ),
    regional(
        "extra service without name",
        "regional_extra_services: [{template: x-1-0-0}]",
        r"regional_extra_services\b.*name",
    ),
    regional(
        "service template for no service",
        "regional_service_templates: {kof-storag: x-1-0-0}",
        r"regional_service_templates\b.*kof-storag",
    ),
    regional("undefined variable", 'regional_domain: "{{ nowhere }}.example.com"', r"regional_domain\b.*nowhere"),
    regional(
        "variable of nobody's",
        "regional_instance_type: t3.xlarge",
        r"regional_instance_type\b.*no such variable.*regional_config: \{worker: \{instanceType: \.\.\.\}\}.*my_",
    ),
    shared("shared variable of nobody's", "kof_grafana_enabled: false", r"kof_grafana_enabled\b.*mothership_values"),
    regional(
        "vault password missing",
        "regional_admin_email: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  3030",
        r"regional_admin_email\b.*--vault-password-file, in AWX a Vault credential",
    ),
    BadInput(
        "survey's text that became a number",
        r"kof_context\b.*arrived as the number 1\.1\b.*AWX reads a survey's answer",
        arguments=("-e", '{"kof_context": 1.10}'),
    ),
    BadInput(
        "survey's password that became a number",
        r"kof_api_key\b.*arrived as a number\b.*credential",
        arguments=("-e", '{"kof_api_key": 835412}'),
        hides=("835412",),
    ),
    BadInput("serial no size", r"kof_serial: 'abc' is no number", arguments=("-e", "kof_serial=abc"), playbook="site"),
    BadInput(
        "serial a list with nothing in it",
        r"kof_serial: '' is no number",
        arguments=("-e", '{"kof_serial": "1,,5"}'),
        playbook="site",
    ),
    mothership(
        "zones that the layer would refuse",
        "dns_credentials_hosted_zones: [kof.example.com]",
        r"dns_credentials_hosted_zones\b.*neither the id nor the ARN",
        playbook="site",
    ),
    regional(
        "variable misspelt", "regional_domian: us.example.com", r"regional_domian\b.*did you mean regional_domain\?"
    ),
    child("child variable misspelt", "child_regoinal: us", r"child_regoinal\b.*did you mean child_regional\?"),
    shared("shared variable misspelt", "kof_kubeconfg: /tmp/x", r"kof_kubeconfg\b.*did you mean kof_kubeconfig\?"),
    mothership(
        "unquoted template of an alert",
        'mothership_values: {defaultRules: "{{ $labels.x }}"}',
        r"mothership_values\b.*(?i:templat|unsafe)",
    ),
    mothership("retention of the mothership without unit", 'mothership_retention: "1"', r"mothership_retention\b.*d\b"),
    mothership(
        "helm time-out in words", "mothership_helm_timeout: soon", r"mothership_helm_timeout\b.*(?i:int|number|seconds)"
    ),
    mothership("dns method unknown", "dns_credentials_method: magic", r"dns_credentials_method\b.*iam_user"),
    BadInput("version missing", r"kof_version isn't set;.* kof_version: \"0\.1\.1\"", cut=("kof_version",)),
    shared("version a number", "kof_version: 1.10", r"kof_version\b.*(?i:string|quot)"),
    shared("version unknown", 'kof_version: "9.9.9"', r"kof_version\b.*0\.1\.1"),
    shared("time-out negative", "kof_wait_timeout: -5", r"kof_wait_timeout\b.*(?i:-5|least|minimum|0|1)"),
    shared("percentage over 100", "kof_max_fail_percentage: 150", r"kof_max_fail_percentage\b.*100"),
    shared("force unknown", "kof_force_conflicts: maybe", r"kof_force_conflicts\b.*hands\b.*never\b.*always"),
    shared("namespace no DNS label", "kof_namespace: KOF_1", r"kof_namespace\b.*(?i:DNS|lower|a-z)"),
    shared("fleet no label", "kof_fleet: 'a fleet!'", r"kof_fleet\b.*(?i:label|letters|a-z)"),
    shared("boolean an assignment", "kof_adopt: a=1", r"kof_adopt\b.*(?i:bool|true|false)"),
    shared("drift managers a map", "kof_drift_managers: {kubectl: true}", r"kof_drift_managers\b.*(?i:list|array)"),
    shared("password a map", "kof_password: {word: TOPSECRET}", r"kof_password\b.*(?i:string)", hides=("TOPSECRET",)),
    shared(
        "repository of no kind", "kof_chart_repository: ftp://charts.example.com", r"kof_chart_repository\b.*oci://"
    ),
    BadInput(
        "repository CA no certificate",
        r"kof_chart_repository_ca_file\b.*no PEM certificate",
        {EVERY: "kof_chart_repository_ca_file: '{work}/ca.pem'"},
        files={"ca.pem": "hello\n"},
    ),
    shared("serial in the inventory", "kof_serial: 1", r"kof_serial\b.*-e kof_serial"),
    BadInput(
        "two management clusters",
        r"kof_kubeconfig\b.*(?i:one management cluster)",
        {US: "kof_kubeconfig: /tmp/other.kubeconfig"},
    ),
    BadInput("two contexts", r"kof_context\b.*(?i:one management cluster)", {US: "kof_context: other"}),
    BadInput("two fleets", r"kof_fleet\b.*(?i:one management cluster|fleet)", {US: "kof_fleet: other"}),
    BadInput(
        "variable on the play",
        r"regional_retention\b.*play\.yml.*(?i:inventory)",
        playbook="""\
- hosts: kof_mothership:kof_regional:kof_child
  gather_facts: false
  connection: local
  vars: {regional_retention: 30d}
  tasks:
    - k0rdent.kof.fleet_preflight:
      run_once: true
""",
    ),
    BadInput(
        "variable in vars_files",
        r"kof_namespace\b.*(?i:inventory)",
        files={"more.yml": "kof_namespace: elsewhere\n"},
        playbook="""\
- hosts: kof_mothership:kof_regional:kof_child
  gather_facts: false
  connection: local
  vars_files: [more.yml]
  tasks:
    - k0rdent.kof.fleet_preflight:
      run_once: true
""",
    ),
)

KUBECONFIG_WITHOUT_CLUSTER = (
    "apiVersion: v1\nkind: Config\nclusters: []\ncontexts: []\nusers: []\ncurrent-context: ''\n"
)
HELM = "#!/bin/sh\necho {}\n"
SURROUNDINGS = (
    shared("API server away", "kof_host: https://127.0.0.1:1", r"https://127\.0\.0\.1:1\b", playbook="site"),
    shared("API server a name nobody knows", "kof_host: https://api.nowhere.invalid:6443", r"api\.nowhere\.invalid"),
    shared("kubeconfig missing", "kof_kubeconfig: /nowhere/kubeconfig", r"/nowhere/kubeconfig", playbook="site"),
    BadInput(
        "kubeconfig empty",
        r"(?i)kubeconfig",
        {EVERY: "kof_kubeconfig: '{work}/kubeconfig'"},
        files={"kubeconfig": KUBECONFIG_WITHOUT_CLUSTER},
    ),
    shared("context unknown", "kof_context: nowhere", r"(?i)context.*nowhere"),
    BadInput(
        "certificate of another authority",
        r"(?i)(certificate|TLS|CA)",
        {EVERY: "kof_ca_cert: '{work}/ca.pem'"},
        files={"ca.pem": "not a certificate\n"},
    ),
    BadInput(
        "login refused",
        r"doesn't accept the credentials",
        {
            EVERY: 'kof_host: "'
            "{{ (lookup('file', sandbox.kof_kubeconfig) | from_yaml).clusters[0].cluster.server }}"
            '"\n'
            "kof_validate_certs: false\nkof_api_key: TOPSECRET"
        },
        cut=("kof_kubeconfig",),
        hides=("TOPSECRET",),
    ),
    BadInput(
        "no permission",
        r"may not .*clusterdeployments\.k0rdent\.mirantis\.com in namespace kcm-system",
        {EVERY: "kof_impersonate_user: nobody"},
        playbook="site",
    ),
    shared("namespace of kcm wrong", "kof_kcm_namespace: kcm", r"kof_kcm_namespace\b.*missing"),
    BadInput(
        "helm 4",
        r"mothership\b.*kof_helm_binary\b.*v4\.0\.1.*< 4",
        {EVERY: "kof_helm_binary: '{work}/helm'"},
        files={"helm": HELM.format("v4.0.1")},
        playbook="site",
    ),
    BadInput(
        "helm too old",
        r"kof_helm_binary\b.*v3\.7\.0.*>= 3\.14",
        {EVERY: "kof_helm_binary: '{work}/helm'"},
        files={"helm": HELM.format("v3.7.0")},
    ),
    BadInput(
        "helm broken",
        r"kof_helm_binary\b.*ended with 3",
        {EVERY: "kof_helm_binary: '{work}/helm'"},
        files={"helm": "#!/bin/sh\nexit 3\n"},
    ),
    shared(
        "repository CA missing",
        "kof_chart_repository_ca_file: /nowhere/ca.pem",
        r"mothership\b.*kof_chart_repository_ca_file\b.*/nowhere/ca\.pem",
    ),
    shared("helm missing", "kof_helm_binary: /nowhere/helm", r"kof_helm_binary\b.*/nowhere/helm"),
    mothership(
        "storage class that doesn't exist",
        "mothership_storage_class: standart",
        r"mothership_storage_class\b.*standart.*did you mean standard\?",
    ),
    regional(
        "template that doesn't exist",
        "regional_template: aws-standalone-cp-0-1-1",
        r"regional_template\b.*(did you mean|valid are)",
        playbook="site",
    ),
    regional(
        "template invalid",
        "regional_template: aws-standalone-cp-0-9-0",
        r"regional_template\b.*invalid.*use aws-standalone-cp-0-1-0",
    ),
    regional(
        "template kind that doesn't exist",
        "regional_template_kind: aws-standalon-cp",
        r"regional_template_kind\b.*did you mean aws-standalone-cp\?",
    ),
    child("regional unknown", "child_regional: aws-us-east-3", r"child_regional\b.*aws-us-east-3\b.*aws-us-east-2"),
    child("regional a child", f"child_regional: {EU_CHILD}", r"child_regional\b.*kof_regional"),
    child("template of a child that doesn't exist", "child_template: nothing-1-0-0", r"child_template\b.*valid are"),
    regional(
        "credential that doesn't exist",
        "regional_credential: aws-cluster-identity-crd",
        r"regional_credential\b.*did you mean aws-cluster-identity-cred\?",
        playbook="site",
    ),
    regional(
        "config key misspelt",
        "regional_config: {regoin: us-east-2}",
        r"regional_config\b.*regoin.*did you mean region\?",
    ),
    regional("config type", "regional_config: {workersNumber: '3'}", r"regional_config\b.*workersNumber is '3', text"),
    child(
        "config a boolean for text",
        "child_config: {worker: {instanceType: NO}}",
        r"child_config\b.*worker\.instanceType is false, a boolean.*quote it",
    ),
    child(
        "config key below misspelt",
        "child_config: {region: us-east-2, worker: {instanceTyp: t3.small}}",
        r"child_config\b.*worker\.instanceTyp\b.*did you mean worker\.instanceType\?",
    ),
    regional(
        "extra service's template that doesn't exist",
        "regional_extra_services: [{name: dex, template: dex-0-23-0, namespace: dex}]",
        r"dex-0-23-0|regional_extra_services\b.*not in kcm-system",
    ),
    regional(
        "service template that doesn't exist",
        "regional_service_templates: {kof-storage: kof-storage-9-9-9}",
        r"regional_service_templates\b.*not in kcm-system",
    ),
    BadInput(
        "DNS Secret that nobody makes",
        rf"{US}\b.*regional_external_dns\b.*dns_credentials_method",
        {MOTHERSHIP: "dns_credentials_method: none"},
    ),
    BadInput(
        "no mothership in the batch, and none installed", rf"{US}\b.*mothership playbook", arguments=("--limit", US)
    ),
)

DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
CLUSTER_DEPLOYMENT = """\
apiVersion: k0rdent.mirantis.com/v1alpha1
kind: ClusterDeployment
metadata:
  name: {name}
  namespace: kcm-system
  labels: {{app.kubernetes.io/managed-by: k0rdent.kof, app.kubernetes.io/part-of: other}}
  annotations: {{k0rdent-kof/regional-domain: {domain}}}
spec:
  template: aws-standalone-cp-0-1-0
  credential: aws-cluster-identity-cred
  dryRun: true
"""
#: What has to be spoilt on the mothership itself; these run one after the other.
MOTHERSHIP_ITSELF = (
    BadInput(
        "no default storage class",
        r"mothership\b.*mothership_storage_class\b.*no default among standard",
        patches=(
            (
                ("annotate", "storageclass", "standard", f"{DEFAULT_CLASS}-", "--overwrite"),
                ("annotate", "storageclass", "standard", f"{DEFAULT_CLASS}=true", "--overwrite"),
            ),
        ),
    ),
    BadInput(
        "credential not ready",
        rf"{US}\b.*_credential\b.*not ready: .*secret is not usable",
        faults=("credential_not_ready=aws-cluster-identity-cred",),
    ),
    BadInput(
        "quote in a password",
        rf"{US}\b.*regional_vmuser_secret\b.*its password has a double quote.*letters and digits",
        in_kof="apiVersion: v1\nkind: Secret\nmetadata: {name: storage-vmuser-credentials, namespace: kof}\n"
        + "stringData: {username: kof, password: 'ab\"HIDDENWORD'}\n",
        hides=("HIDDENWORD",),
    ),
    BadInput(
        "backslash in a user name",
        rf"{US}\b.*regional_vmuser_secret\b.*its username has a backslash",
        in_kof="apiVersion: v1\nkind: Secret\nmetadata: {name: storage-vmuser-credentials, namespace: kof}\n"
        + "stringData: {username: 'ab\\HIDDENWORD', password: word}\n",
        hides=("HIDDENWORD",),
    ),
    BadInput(
        "DNS Secret with keys of its own",
        rf"{US}\b.*regional_external_dns\b.*no key external-dns-aws-credentials.*aws_access_key_id",
        {MOTHERSHIP: "dns_credentials_method: none"},
        in_kof="apiVersion: v1\nkind: Secret\nmetadata: {name: external-dns-aws-credentials, namespace: kof}\n"
        + "stringData: {aws_access_key_id: AKIA}\n",
    ),
    BadInput(
        "cluster of another fleet",
        rf"{US}\b.*regional_cluster_name\b.*belongs to fleet other",
        objects=CLUSTER_DEPLOYMENT.format(name=US, domain="elsewhere.example.com"),
    ),
    BadInput(
        "domain of another fleet's cluster",
        rf"{US}\b.*regional_domain\b.*the live cluster taken of fleet other",
        objects=CLUSTER_DEPLOYMENT.format(name="taken", domain=f"{US}.kof.example.com"),
    ),
)

CASES = (*INVENTORY, *VARIABLES, *SURROUNDINGS, *MOTHERSHIP_ITSELF)


def _variables_alone(cases: Iterable[BadInput], *keys: str) -> list[BadInput]:
    """Those that spoil nothing but variables of one of these."""
    nothing = BadInput("", "")
    return [
        case
        for case in cases
        if len(case.variables) == 1
        and set(case.variables) <= set(keys)
        and replace(case, name="", says="", variables={}, hides=()) == nothing
    ]


def _of_all() -> list[BadInput]:
    """One of each variable that all hosts have, or the mothership."""
    found: dict[str, BadInput] = {}
    for case in _variables_alone(VARIABLES, EVERY, MOTHERSHIP):
        (text,) = case.variables.values()
        found.setdefault(text.partition(":")[0], case)
    return list(found.values())


#: By the run's name, cases that are one run, in which each has to be named beside all the others. A cluster's is a host
#: of its own there. All other cases are runs of their own: the doors at which a run can end.
TOGETHER: Mapping[str, tuple[BadInput, ...]] = {
    "variables of clusters": tuple(_variables_alone(VARIABLES, US, US_CHILD)),
    "what clusters refer to": tuple(_variables_alone(SURROUNDINGS, US, US_CHILD)),
    "variables of all": tuple(_of_all()),
}


def host_of(case: BadInput) -> str:
    """Of a case of one cluster's variables, its host where it is together with others."""
    return re.sub(r"\W+", "-", case.name)


def says_together(case: BadInput) -> str:
    """What the run must say where the case is together with others."""
    return re.sub(rf"^({US_CHILD}|{US})\b", lambda _host: rf"(?<![-\w]){host_of(case)}", case.says)
