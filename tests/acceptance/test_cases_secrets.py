"""No secret gets out: not through an error, an event, a file, the fact cache or another process' list.

Every place of the inventory that can hold a secret holds a canary here, malformed in each of some ways, each on a host
of its own. A stand-in answers for the management cluster, since most of these runs end before they have spoken to one.
"""

from __future__ import annotations

import base64
import http.server
import itertools
import json
import os
import pathlib
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from canaries import Canary, Seen, named, run
from support import EVENTS, REPOSITORY

HOW: dict[str, Callable[[str], Any]] = {
    "as it should be": lambda secret: secret,
    "newline behind": lambda secret: f"{secret}\n",
    "newline inside": lambda secret: f"{secret}\n{secret}",
    "control character": lambda secret: f"{secret}\x1b]0;\x07{secret}",
    "list": lambda secret: [secret],
    "map": lambda secret: {"a": secret},
    "half a surrogate pair": lambda secret: "{{ '" + secret + r"' ~ '\udc80' }}",
    "broken template": lambda secret: "{{ '" + secret + "' nonsense }}",
    "failing filter": lambda secret: "{{ '" + secret + "' | from_json }}",
}


def _url(secret: Any) -> Any:
    return f"http://me:{secret}@127.0.0.1:1" if isinstance(secret, str) else secret


def _kubeconfig(user: dict[str, Any], cluster: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "{{ stand_in }}", **(cluster or {})}}],
        "users": [{"name": "u", "user": user}],
    }


def _at_host(**variables: Any) -> dict[str, Any]:
    return {"kof_host": "{{ stand_in }}", **variables}


def _logged_in(**variables: Any) -> dict[str, Any]:
    return _at_host(kof_api_key="harmless-token", **variables)


def _exec(secret: Any) -> dict[str, Any]:
    return {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "/bin/false",
        "env": [{"name": "E", "value": secret}],
    }


#: By place, the variables of a host that has a secret there.
PLACES: dict[str, Callable[[Any], dict[str, Any]]] = {
    "kof_api_key": lambda it: _at_host(kof_api_key=it),
    "kof_password": lambda it: _at_host(kof_username="me", kof_password=it),
    "kof_proxy": lambda it: _logged_in(kof_proxy=_url(it)),
    "kof_host": lambda it: {"kof_host": _url(it), "kof_api_key": "harmless-token"},
    "kof_client_key as text": lambda it: _at_host(kof_client_cert="/dev/null", kof_client_key=f"-----BEGIN\n{it}"),
    "kubeconfig: token": lambda it: {"kof_kubeconfig": _kubeconfig({"token": it})},
    "kubeconfig: password": lambda it: {"kof_kubeconfig": _kubeconfig({"username": "me", "password": it})},
    "kubeconfig: client key": lambda it: {
        "kof_kubeconfig": _kubeconfig({"client-certificate-data": "eA==", "client-key-data": it})
    },
    "kubeconfig: proxy": lambda it: {
        "kof_kubeconfig": _kubeconfig({"token": "harmless-token"}, {"proxy-url": _url(it)})
    },
    "kubeconfig: exec environment": lambda it: {"kof_kubeconfig": _kubeconfig({"exec": _exec(it)})},
    "kubeconfig: auth provider": lambda it: {
        "kof_kubeconfig": _kubeconfig(
            {"auth-provider": {"name": "oidc", "config": {"refresh-token": it, "id-token": it}}}
        )
    },
    "kubeconfig as text": lambda it: {"kof_kubeconfig": json.dumps(_kubeconfig({"token": it}), indent=1)},
    "kubeconfig as broken text": lambda it: {"kof_kubeconfig": f"users:\n- user: {{token: {it!r}\n"},
    "kubeconfig as base64": lambda it: {
        "kof_kubeconfig": base64.b64encode(json.dumps(_kubeconfig({"token": it})).encode()).decode()
    },
    "kof_chart_repository": lambda it: _logged_in(kof_chart_repository=f"oci://me:{it}@127.0.0.1:1/c"),
    "kof_chart_repository_password": lambda it: _logged_in(
        kof_chart_repository_username="me", kof_chart_repository_password=it
    ),
    "regional_service_values": lambda it: _logged_in(
        regional_service_values={"kof-storage": {"grafana-operator": {"adminPassword": it}}}
    ),
    "regional_config": lambda it: _logged_in(regional_config={"region": "us-east-2", "secret": it}),
    "mothership_values": lambda it: _logged_in(mothership_values={"grafana-operator": {"adminPassword": it}}),
    "a URL in mothership_values": lambda it: _logged_in(mothership_values={"grafana-operator": {"dsn": _url(it)}}),
    "dns_credentials_secret_access_key": lambda it: _logged_in(
        dns_credentials_access_key_id="AKIAIOSFODNN7EXAMPLE",
        dns_credentials_secret_access_key=it,
    ),
    "dns_credentials_aws_secret_key": lambda it: _logged_in(dns_credentials_aws_secret_key=it),
    "dns_credentials_aws_session_token": lambda it: _logged_in(dns_credentials_aws_session_token=it),
    **{
        place: lambda it: {"secret": it}
        for place in ("option api_key", "option proxy_headers", "option proxy_basic_auth", "keyword environment")
    },
}

#: Tasks that a host runs, each whatever became of the others.
ACTIONS = """
- name: Apply
  k0rdent.kof.fleet_apply: {layer: regional}
  ignore_errors: true
- name: Existing key
  k0rdent.kof.external_dns_secret:
    access_key_id_variable: dns_credentials_access_key_id
    secret_access_key_variable: dns_credentials_secret_access_key
    fleet: kof
  ignore_errors: true
- name: Settings
  ansible.builtin.debug:
    msg: "{{ (hostvars[inventory_hostname] | k0rdent.kof.mothership).namespace }}"
  ignore_errors: true
- name: Manifests
  ansible.builtin.debug:
    msg: "{{ hostvars[inventory_hostname] | k0rdent.kof.regional_manifests | length }}"
  ignore_errors: true
"""
MODULES = """
- name: Look at AWS
  k0rdent.kof.external_dns_access_info:
    user_name: me
    policy_name: mine
    fleet: kof
    endpoint_url: "{{ stand_in }}"
    region: us-east-1
    access_key: AKIAIOSFODNN7EXAMPLE
    secret_key: "{{ dns_credentials_aws_secret_key | default('x') }}"
    session_token: "{{ dns_credentials_aws_session_token | default(omit) }}"
    aws_config: {retries: {max_attempts: 1}, connect_timeout: 2}
  when: "'aws' in place"
  ignore_errors: true
- name: Key
  k0rdent.kof.external_dns_access_key:
    user_name: me
    fleet: kof
    endpoint_url: "{{ stand_in }}"
    region: us-east-1
    access_key: AKIAIOSFODNN7EXAMPLE
    secret_key: "{{ dns_credentials_aws_secret_key | default('x') }}"
    session_token: "{{ dns_credentials_aws_session_token | default(omit) }}"
    aws_config: {retries: {max_attempts: 1}, connect_timeout: 2}
  when: "'aws' in place"
  ignore_errors: true
- name: Promxy
  k0rdent.kof.promxy_server_group: {kof_version: "0.1.1", cluster_name: one, targets: ["vmauth.example.com:443"]}
  when: "'aws' not in place and 'values' not in place and 'chart' not in place"
  ignore_errors: true
- name: Chart
  k0rdent.kof.helm_release:
    name: one
    namespace: kof
    chart_ref: "{{ kof_chart_repository | default('oci://127.0.0.1:1/c') }}/one"
    values: "{{ mothership_values | default({}) }}"
    registry_username: me
    registry_password: "{{ kof_chart_repository_password | default('x') }}"
    timeout: 2s
  when: "'values' in place or 'chart' in place"
  ignore_errors: true
"""
#: Options of tasks, which ansible-core looks at before we do.
OPTIONS = """
- name: Option
  k0rdent.kof.fleet_apply: {layer: regional, api_key: "{{ secret }}", host: "{{ stand_in }}"}
  when: place == 'option api_key'
  ignore_errors: true
- name: Headers
  k0rdent.kof.fleet_apply: {layer: regional, api_key: x, host: "{{ stand_in }}", proxy_headers: ["{{ secret }}"]}
  when: place == 'option proxy_headers'
  ignore_errors: true
- name: Login at a proxy
  k0rdent.kof.promxy_server_group:
    kof_version: "0.1.1"
    cluster_name: one
    targets: ["vmauth.example.com:443"]
    host: "{{ stand_in }}"
    proxy_headers: {proxy_basic_auth: "{{ secret }}"}
  when: place == 'option proxy_basic_auth'
  ignore_errors: true
- name: Keyword
  k0rdent.kof.promxy_server_group:
    kof_version: "0.1.1"
    cluster_name: one
    targets: ["vmauth.example.com:443"]
    host: "{{ stand_in }}"
  environment: {K8S_AUTH_API_KEY: "{{ secret if secret is string else 'x' }}"}
  when: place == 'keyword environment'
  ignore_errors: true
"""


class _Refusing(http.server.BaseHTTPRequestHandler):
    """Refuses everybody, and notes what they logged in with."""

    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        self.server.logins.append(self.headers.get("Authorization", ""))  # type: ignore[attr-defined]
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = (
            b'{"kind": "Status", "status": "Failure", "reason": "Unauthorized", "message": "Unauthorized", "code": 401}'
        )
        self.send_response(401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _answer

    def log_message(self, *_arguments: Any) -> None:
        pass


@pytest.fixture(scope="module")
def stand_in() -> Iterator[http.server.ThreadingHTTPServer]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Refusing)
    server.logins = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


def _inventory(folder: pathlib.Path, address: str, hows: list[str]) -> list[Canary]:
    """A regional cluster for each place and way."""
    canaries, hosts = [], {}
    for number, (place, how) in enumerate(itertools.product(PLACES, hows)):
        canary = Canary(number, place, how)
        canaries.append(canary)
        hosts[f"host{number:04d}"] = {
            "place": place,
            "regional_domain": f"h{number}.example.com",
            **PLACES[place](HOW[how](canary.text)),
        }
    shared = {
        "stand_in": address,
        "kof_version": "0.1.1",
        "regional_admin_email": "me@example.com",
        "regional_config": {"region": "us-east-2"},
    }
    folder.mkdir()
    # JSON is YAML, and no character of it is the parser's matter.
    inventory = {"all": {"vars": shared}, "kof_regional": {"hosts": hosts}}
    (folder / "hosts.yml").write_text(json.dumps(inventory, indent=1))
    return canaries


def _play(folder: pathlib.Path, tasks: str) -> pathlib.Path:
    play = [
        "- hosts: kof_regional",
        "  gather_facts: false",
        "  serial: 1",
        "  connection: local",
        "  vars:",
        "    ansible_connection: local",
        "    ansible_become: false",
        f"    ansible_python_interpreter: {sys.executable}",
        "  tasks:",
    ]
    path = folder / "play.yml"
    path.write_text("\n".join([*play, *(f"  {line}" for line in tasks.splitlines())]) + "\n")
    return path


def _seen(tmp_path: pathlib.Path, tasks: str, *arguments: str, **environment: str) -> Seen:

    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("K8S_AUTH_", "KUBECONFIG", "AWS_"))
    }
    surroundings = {
        **clean,
        **EVENTS,
        "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(REPOSITORY / ".work" / "collections"),
        "ANSIBLE_NOCOLOR": "1",
        **environment,
    }
    command = ["ansible-playbook", "-i", str(tmp_path / "inventory"), str(_play(tmp_path, tasks)), *arguments]
    return run(command, tmp_path / "work", surroundings, timeout=3000)


def _value(how: str, canary: Canary) -> str:
    return json.dumps(HOW[how](canary.text))


QUICK = ["newline inside", "broken template"]
LOUD = {"ANSIBLE_DISPLAY_TRACEBACK": "always"}


@pytest.mark.parametrize(
    ("tasks", "hows", "arguments", "environment"),
    [
        pytest.param(ACTIONS, QUICK, ("-vvvv",), LOUD, id="actions"),
        pytest.param(ACTIONS, list(HOW), (), {}, id="all-quiet", marks=pytest.mark.long),
        pytest.param(ACTIONS + OPTIONS + MODULES, list(HOW), ("-vvvv",), LOUD, id="all-loud", marks=pytest.mark.long),
    ],
)
def test_what_is_wrong_with_a_variable_is_told_without_it(
    stand_in: http.server.ThreadingHTTPServer,
    tmp_path: pathlib.Path,
    tasks: str,
    hows: list[str],
    arguments: tuple[str, ...],
    environment: dict[str, str],
) -> None:
    canaries = _inventory(tmp_path / "inventory", f"http://127.0.0.1:{stand_in.server_port}", hows)
    seen = _seen(tmp_path, tasks, *arguments, **environment)
    # What the keyword `environment` says is in the module's environment: that is what it is for.
    found = [hit for hit in named(seen, canaries, tmp_path / "work") if hit[:2] != ("environ", "keyword environment")]
    assert not found
    assert seen.code == 0, seen.output[-3000:]
    assert seen.output.count("...ignoring") > len(canaries) / 2
    assert "unexpected" not in seen.output, "each of these has a message of its own"
    assert seen.processes > 3
