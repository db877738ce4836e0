"""The ways to say which cluster, as data, and what stands at the one that nobody named. No test is here.

In texts {named} is the path of the named cluster's kubeconfig, {host}, {cert}, {key}, {ca} are its server and the
user's files, {both} is a kubeconfig whose current context is the other cluster's and which has one called `named`,
{vaulted} a vaulted one, {work} the folder of the play, {home} the home folder; {decoy} is the other server's address.
"""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import threading
from collections.abc import Mapping
from typing import Any


class Decoy:
    """A server's stand-in on a port of its own: passes all on, and remembers every connection."""

    def __init__(self, port: int) -> None:
        self.connections = 0
        self._upstream = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"https://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _address = self._listener.accept()
            except OSError:
                return  # closed
            self.connections += 1
            server = socket.create_connection(("127.0.0.1", self._upstream))
            for pair in ((client, server), (server, client)):
                threading.Thread(target=_pass_on, args=pair, daemon=True).start()

    def close(self) -> None:
        self._listener.close()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@dataclasses.dataclass(frozen=True)
class Way:
    """A way to say where, and what is to come of it.

    :ivar options: arguments of every task; `play` and `task`: keywords; `variables`: of group all in the inventory.
    :ivar files: texts by path below the play's folder; `arguments`: of ansible-playbook; `environment`: its own.
    :ivar refused: the pattern of the message where it is refused; empty where it is honoured.
    :ivar but: the plugins for which the other of the two is right.
    :ivar places: whether also what speaks to no cluster is refused.
    :ivar secret: what may not be in the output.
    """

    name: str
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    play: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    task: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    variables: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    files: Mapping[str, str] = dataclasses.field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    refused: str = ""
    but: tuple[str, ...] = ()
    places: bool = False
    secret: str = ""
    long: bool = False


#: Modules: they run in a process of their own, where the connection leads.
MODULES = ("external_dns_access_key", "grafana_datasource", "helm_release", "promxy_server_group")
#: A host with credentials stands for itself.
BY_HOST = {"HOST": "{host}", "CERT_FILE": "{cert}", "KEY_FILE": "{key}", "SSL_CA_CERT": "{ca}"}
K8S_AUTH = {f"K8S_AUTH_{name}": value for name, value in BY_HOST.items()}
DECOYS_HOST = {**K8S_AUTH, "K8S_AUTH_HOST": "{decoy}"}
OURS, THEIRS = "k0rdent.kof", "kubernetes.core"

WAYS = (
    Way("an option of the task", options={"kubeconfig": "{named}"}),
    Way(
        "an option by its alias",
        options={"host": "{host}", "cert_file": "{cert}", "key_file": "{key}", "ssl_ca_cert": "{ca}"},
        long=True,
    ),
    Way("an option, a context", options={"kubeconfig": "{both}", "context": "named"}, long=True),
    Way(
        "module_defaults of the group",
        play={"module_defaults": {f"group/{OURS}.kof": {"kubeconfig": "{named}"}}},
        long=True,
    ),
    Way(
        "module_defaults over variables",
        play={"module_defaults": {f"group/{OURS}.kof": {"kubeconfig": "{named}"}}},
        variables={"kof_kubeconfig": "{home}/.kube/config"},
    ),
    Way(
        "module_defaults of one module",
        play={"module_defaults": {f"{OURS}.helm_release": {"kubeconfig": "{named}"}}},
        refused=rf"module_defaults name one for {OURS}\.helm_release",
        but=("helm_release",),
        long=True,
    ),
    Way(
        "module_defaults of one module, the variables another",
        play={"module_defaults": {f"{OURS}.helm_release": {"kubeconfig": "{named}"}}},
        variables={"kof_kubeconfig": "{work}/another"},
        files={"another": "{text}"},
        refused=rf"module_defaults name one for {OURS}\.helm_release",
        but=("helm_release",),
        long=True,
    ),
    Way(
        "module_defaults of kubernetes.core",
        play={"module_defaults": {"group/k8s": {"kubeconfig": "{named}"}}},
        refused="module_defaults name one for group/",
    ),
    Way(
        "module_defaults of kubernetes.core, by its full name, over the environment",
        play={"module_defaults": {f"group/{THEIRS}.k8s": {"kubeconfig": "{named}"}}},
        environment={"K8S_AUTH_KUBECONFIG": "{home}/.kube/config"},
        refused="module_defaults name one for group/",
        long=True,
    ),
    Way(
        "module_defaults of kubernetes.core beside our variables",
        play={"module_defaults": {"group/k8s": {"kubeconfig": "{home}/.kube/config"}}},
        variables={"kof_kubeconfig": "{named}"},
        long=True,
    ),
    Way(
        "environment of the play",
        play={"environment": {"K8S_AUTH_KUBECONFIG": "{{ mine }}"}},
        variables={"mine": "{named}"},
    ),
    Way(
        "environment as a list, the task's over the play's",
        play={"environment": [{"K8S_AUTH_KUBECONFIG": "{home}/.kube/config"}, {"OTHER": "x"}]},
        task={"environment": [{"OTHER": "y"}, {"K8S_AUTH_KUBECONFIG": "{named}"}]},
        long=True,
    ),
    Way(
        "environment, over ansible-playbook's own",
        play={"environment": {"K8S_AUTH_KUBECONFIG": "{named}"}},
        environment={"K8S_AUTH_KUBECONFIG": "{home}/.kube/config"},
        long=True,
    ),
    Way("environment with a host", play={"environment": K8S_AUTH}, long=True),
    Way("environment with KUBECONFIG", play={"environment": {"KUBECONFIG": "{named}"}}, long=True),
    Way(
        "environment with a home",
        play={"environment": {"HOME": "{work}/home"}},
        files={"home/.kube/config": "{text}"},
        long=True,
    ),
    Way(
        "environment that a host of ansible-playbook's own would overrule",
        play={"environment": {"K8S_AUTH_KUBECONFIG": "{named}"}},
        environment=DECOYS_HOST,
        refused="K8S_AUTH_KUBECONFIG of the keyword environment in .*play.yml.*K8S_AUTH_HOST of the environment",
    ),
    Way(
        "environment with KUBECONFIG that K8S_AUTH_KUBECONFIG would overrule",
        play={"environment": {"KUBECONFIG": "{named}"}},
        environment={"K8S_AUTH_KUBECONFIG": "{home}/.kube/config"},
        refused="KUBECONFIG of the keyword environment in .*K8S_AUTH_KUBECONFIG of the environment",
        long=True,
    ),
    Way(
        "environment that came out empty",
        play={"environment": {"K8S_AUTH_KUBECONFIG": "{{ mine | default('') }}"}},
        refused="K8S_AUTH_KUBECONFIG of the keyword environment.* is empty",
        long=True,
    ),
    Way("ansible-playbook's own environment", environment={"K8S_AUTH_KUBECONFIG": "{named}"}, long=True),
    Way("AWX's credential", environment=K8S_AUTH, long=True),
    Way(
        "a context of the environment",
        environment={"K8S_AUTH_KUBECONFIG": "{both}", "K8S_AUTH_CONTEXT": "named"},
        long=True,
    ),
    Way(
        "several files of KUBECONFIG",
        environment={"KUBECONFIG": "{work}/first:{work}/missing:{both}"},
        files={"first": "current-context: named\n"},
        long=True,
    ),
    Way("group_vars of the inventory", variables={"kof_kubeconfig": "{named}"}),
    Way(
        "variables with a host",
        variables={"kof_host": "{host}", "kof_client_cert": "{cert}", "kof_client_key": "{key}", "kof_ca_cert": "{ca}"},
        environment={"K8S_AUTH_KUBECONFIG": "{home}/.kube/config"},
        long=True,
    ),
    Way(
        "variables, over the environment",
        variables={"kof_kubeconfig": "{named}"},
        environment={"K8S_AUTH_KUBECONFIG": "{home}/.kube/config"},
        long=True,
    ),
    Way("variables, a context", variables={"kof_kubeconfig": "{both}", "kof_context": "named"}, long=True),
    Way(
        "an extra variable",
        variables={"kof_kubeconfig": "{home}/.kube/config"},
        arguments=("-e", "kof_kubeconfig={named}"),
        long=True,
    ),
    Way("a dictionary", variables={"kof_kubeconfig": "{{ lookup('file', '{named}') | from_yaml }}"}, long=True),
    Way(
        "the text of a kubeconfig",
        variables={"kof_kubeconfig": "{{ lookup('file', '{named}') }}\n# hush-hush"},
        secret="hush-hush",
        long=True,
    ),
    Way("a home in the path", variables={"kof_kubeconfig": "~/named"}, files={"../home/named": "{text}"}, long=True),
    Way(
        "a variable of the shell in the path",
        variables={"kof_kubeconfig": "$WHERE/named"},
        environment={"WHERE": "{work}"},
        files={"named": "{text}"},
        long=True,
    ),
    Way(
        "a file under files/ of the play",
        variables={"kof_kubeconfig": "mgmt.kubeconfig"},
        files={"files/mgmt.kubeconfig": "{text}"},
    ),
    Way("a vaulted file", variables={"kof_kubeconfig": "{vaulted}"}, arguments=("--vault-password-file", "{password}")),
    Way(
        "a vaulted file and no password",
        variables={"kof_kubeconfig": "{vaulted}"},
        refused="encrypted by Ansible Vault, and no given vault password fits",
        long=True,
    ),
    Way(
        "a vaulted file of the environment",
        environment={"K8S_AUTH_KUBECONFIG": "{vaulted}"},
        arguments=("--vault-password-file", "{password}"),
        refused="encrypted by Ansible Vault, which is undone only",
        long=True,
    ),
    Way(
        "variables that a host of the environment would overrule",
        variables={"kof_kubeconfig": "{named}"},
        environment=DECOYS_HOST,
        refused="kof_kubeconfig in .*all.yml:.*K8S_AUTH_HOST of the environment",
    ),
    Way(
        "a context that a host of the environment would overrule",
        variables={"kof_context": "named"},
        environment=DECOYS_HOST,
        refused="kof_context in .*all.yml:.*K8S_AUTH_HOST of the environment",
        long=True,
    ),
    Way(
        "a variable that came out empty",
        variables={"kof_kubeconfig": "{{ lookup('env', 'NOT_SET') }}"},
        refused="kof_kubeconfig.* is empty",
        places=True,
        long=True,
    ),
    Way(
        "a file that isn't there, before one that is",
        variables={"kof_kubeconfig": "{work}/missing:{home}/.kube/config"},
        refused="there is no kubeconfig .*missing",
        long=True,
    ),
    Way(
        "the same of the environment",
        environment={"K8S_AUTH_KUBECONFIG": "{work}/missing:{home}/.kube/config"},
        refused="there is no kubeconfig .*missing",
        long=True,
    ),
    Way(
        "variables of the play",
        play={"vars": {"kof_kubeconfig": "{named}"}},
        refused="where the fleet can't see it",
        but=(*MODULES, "external_dns_access_info", "external_dns_secret"),
        places=True,
        long=True,
    ),
    Way(
        "delegate_to this machine",
        task={"delegate_to": "localhost"},
        variables={"kof_kubeconfig": "{named}"},
        long=True,
    ),
    Way(
        "delegate_to another machine", task={"delegate_to": "bastion"}, refused="delegate_to names bastion", places=True
    ),
    Way(
        "another user",
        play={"become": True, "become_method": "su"},
        variables={"kof_kubeconfig": "{named}"},
        refused="the task becomes another user",
        but=MODULES,
        places=True,
        long=True,
    ),
    Way(
        "another connection",
        play={"connection": "ssh"},
        task={"ignore_unreachable": True},
        variables={"kof_kubeconfig": "{named}", "ansible_host": "127.0.0.1", "ansible_port": 9},
        refused="the connection is ssh, not local|Failed to connect|Connection refused|No such file",
        places=True,
        long=True,
    ),
)
