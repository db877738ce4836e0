# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From connection options, K8S_AUTH_* variables and kubeconfig files to the settings of one connection.

Reads files and the environment, never the network. Certificates, tokens, token files and passwords are read here; exec
plugins are asked by exec_plugin, and the `kubernetes` library, whose import costs a quarter of a second, only for
auth-provider users.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import re
import string
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import exec_plugin, kubeconfig_fields, pem, route
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiUnavailable
from ansible_collections.k0rdent.kof.plugins.module_utils.text import foreign_yaml, telling
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import truth
from ansible_collections.k0rdent.kof.plugins.module_utils.text.unwritable import NO_ROOM, TMPDIR, unwritable

# kubernetes.core's names and aliases; the environment variables are K8S_AUTH_<name or first alias>.
CONNECTION_OPTIONS: dict[str, dict[str, Any]] = {
    "kubeconfig": {"type": "raw", "no_log": True},
    "context": {"type": "str"},
    "host": {"type": "str"},
    "api_key": {"type": "str", "no_log": True},
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "validate_certs": {"type": "bool", "aliases": ["verify_ssl"]},
    "ca_cert": {"type": "path", "aliases": ["ssl_ca_cert"]},
    "client_cert": {"type": "path", "aliases": ["cert_file"]},
    "client_key": {"type": "path", "aliases": ["key_file"]},
    "proxy": {"type": "str", "no_log": True},  # may hold a login
    "no_proxy": {"type": "str"},
    "proxy_headers": {
        "type": "dict",
        "options": {
            "proxy_basic_auth": {"type": "str", "no_log": True},
            "basic_auth": {"type": "str", "no_log": True},
            "user_agent": {"type": "str"},
        },
    },
    "persist_config": {"type": "bool"},
    "impersonate_user": {"type": "str"},
    "impersonate_groups": {"type": "list", "elements": "str"},
}

#: How near to the task something was said, the nearest first: the task itself or module_defaults, a kof_* variable, the
#: keyword `environment`, this process's own environment.
BY_TASK, BY_VARIABLE, BY_KEYWORD, BY_PROCESS = range(4)
#: Options that say which cluster, and as whom: what was written there and came out empty is never taken for unset, or
#: what is said farther off (a CI's variables, ~/.kube/config) would be taken for what somebody meant.
NEVER_EMPTY = (
    "kubeconfig", "context", "host", "api_key", "username", "password", "client_cert", "client_key",
    "impersonate_user", "impersonate_groups",
)  # fmt: skip
#: What is wrong with an empty one, and what would be right.
IS_EMPTY = "is empty, and nothing said elsewhere is taken for it", "give it a value, or null or default(omit) for none"
#: kubectl's own way to say where, no option of kubernetes.core.
KUBECTLS = "KUBECONFIG"


@dataclass(frozen=True)
class Said:
    """Where an option was said. `words` name the place ("kof_host in group_vars/all.yml:3"), never the value."""

    rank: int
    words: str


#: Of headers that impersonate; the rest of the name is a key of as-user-extra, quoted.
EXTRA = "Impersonate-Extra-"
_IN_HEADER_NAMES = "!#$&'*+-.^_`|~"  # RFC 9110's tokens but for %, which quotes
_IN_CLUSTER = "/var/run/secrets/kubernetes.io/serviceaccount"
#: How a file begins that Ansible Vault made.
VAULTED = "$ANSIBLE_VAULT;"


@dataclass(frozen=True)
class Settings:
    """Everything that one connection needs. Holds credentials: never print it."""

    server: str  # https://host:port, perhaps with a path
    source: str  # where that comes from, for messages: "kubeconfig /x/y, context z"
    verify: bool = True
    ca_pem: bytes | None = field(default=None, repr=False)  # None: the system's certificate authorities
    client_pem: bytes | None = field(default=None, repr=False)  # certificate and key
    tls_server_name: str | None = None
    authorization: str | None = field(default=None, repr=False)  # value of the Authorization header
    headers: tuple[tuple[str, str], ...] = ()  # impersonation
    proxy: str | None = field(default=None, repr=False)  # may hold a password
    proxy_source: str = ""
    proxy_headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    renewable: bool = False  # reading again may give a fresh token (exec, token file)
    by_plugin: bool = False  # a plugin of the kubeconfig (exec, auth-provider) gave the credentials
    exact: bool = True  # the kubeconfig's login was sent as it stands there, with no white space at an end
    expires: float | None = None  # when they do, in seconds since 1970, as far as the plugin says
    said: str = ""  # by what the server was chosen: "kof_kubeconfig in group_vars/all.yml:3"
    unsaid: bool = False  # by nothing: kubectl's default was left

    @property
    def address(self) -> str:
        """The server for messages: a URL may hold a password."""
        return telling.without_login(self.server)

    @property
    def reached(self) -> str:
        """Which server answers by this address: two tunnels, or proxies, may end at one address and lead to two
        clusters. A digest; users and their logins are no part of it."""
        parts = (self.server, self.proxy or "", self.tls_server_name or "", (self.ca_pem or b"").decode("latin-1"))
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person has to know before anything is sent: that somebody on the way can read or forge it."""
        server = route.address(self.server)
        if server.scheme == "http" and not route.is_this_machine(server.host):
            return (
                f"{self.address} ({self.source}) is spoken to unencrypted, so who is on the way reads and changes all "
                "of it: use https://",
            )
        if server.scheme == "https" and not self.verify:
            return (
                f"the certificate of {self.address} ({self.source}) isn't verified, so who is on the way can pose as "
                "it: give its authority (ca_cert, or certificate-authority of the kubeconfig) instead",
            )
        return ()

    @property
    def place(self) -> str:
        """Which cluster this is and who said so, in words; nothing secret."""
        which = f"{self.address} ({self.source})" if self.source.startswith("kubeconfig") else self.address
        return f"{which}, by {self.said}" if self.said else which


def settings(
    options: Mapping[str, Any], environ: Mapping[str, str], said: Mapping[str, Said] | None = None
) -> Settings:
    """The settings for `options` (keys of CONNECTION_OPTIONS; None is unset, "" too but for NEVER_EMPTY) and `environ`
    (a variable that is empty, as AWX leaves them, is unset).

    As kubernetes.core: host with credentials stands for itself, else a named kubeconfig or context, else the
    service account of the pod we run in, else $KUBECONFIG or ~/.kube/config; options given besides win over these.
    Other than there, a host without credentials gets none from a kubeconfig that nobody named, and where that order
    would drop what was said nearer to the task for what was said farther off, nobody is believed.

    :param said: where options, by name, and variables of `environ`, by name, were said, as far as that is known.
    Raises ApiUnavailable with what is wrong and what to do.
    """
    given, by = judged(options, environ, said or {})
    by_itself = given.get("host") and (
        (given.get("username") and given.get("password"))
        or given.get("api_key")
        or (given.get("client_cert") and given.get("client_key"))
    )
    if by_itself or (given.get("host") and not (given.get("kubeconfig") or given.get("context"))):
        base = Settings(server="", source=by["host"].words)
    elif given.get("kubeconfig") or given.get("context"):
        base = _from_kubeconfig(given, environ)
    else:
        base = _in_cluster(environ) or _from_kubeconfig(given, environ)
    return _sendable(replace(_with_proxy(_with_options(base, given), given, environ), **_sayer(by, base)))


def text(value: Any, what: str) -> str:
    """`value` as it can be sent: without white space at its ends, where a file or a YAML block leaves a line break.

    Raises ApiUnavailable, which doesn't quote the value: no text, no Unicode, or with a control character inside.
    """
    if not isinstance(value, str):
        kind = "a map" if isinstance(value, Mapping) else "a list" if isinstance(value, (list, tuple)) else None
        raise ApiUnavailable(f"{what} is {kind or f'a {type(value).__name__}'}, but must be text: quote it")
    stripped = value.strip()
    try:
        stripped.encode()
    except UnicodeEncodeError:
        raise ApiUnavailable(f"{what} holds bytes that are no UTF-8 text") from None
    if telling.CONTROL.search(stripped):
        raise ApiUnavailable(f"{what} has a line break or another control character inside: give it without")
    return stripped


def check_options(options: Mapping[str, Any]) -> None:
    """Raise ApiUnavailable for what of `options` can't be right, before ansible-core looks at them: it quotes what it
    can't convert."""
    for name, spec in CONNECTION_OPTIONS.items():
        for key in (name, *spec.get("aliases", ())):
            if options.get(key) is not None:
                _option(name, options[key], f"option {key}")


def _option(name: str, value: Any, what: str) -> Any:
    """The value of an option, its texts as they can be sent. Raises ApiUnavailable."""
    spec = CONNECTION_OPTIONS[name]
    if name == "kubeconfig":
        if not isinstance(value, (str, Mapping)):
            raise ApiUnavailable(f"{what} is neither a path nor the content of a kubeconfig")
        return value
    if spec["type"] in ("str", "path"):
        return text(value, what)
    if spec["type"] == "dict":
        if not isinstance(value, Mapping):
            raise ApiUnavailable(f"{what} is no map of {', '.join(spec['options'])}")
        return {key: each and text(each, f"{what}, {key}") for key, each in value.items()}
    if spec["type"] == "bool":
        return _boolean(value, what)
    if isinstance(value, str):
        return [part.strip() for part in text(value, what).split(",") if part.strip()]
    if not isinstance(value, (list, tuple)):
        raise ApiUnavailable(f"{what} is no list of texts")
    return [text(each, what) for each in value]


def _sendable(settings: Settings) -> Settings:
    """`settings`, of which every header can be sent, whatever it comes from. Raises ApiUnavailable: an HTTP library
    would quote it."""
    pairs = [("the credentials", settings.authorization or ""), *settings.headers, *settings.proxy_headers]
    for what, value in pairs:
        text(value, f"{settings.source}: {what}")
    return settings


def judged(
    options: Mapping[str, Any], environ: Mapping[str, str], said: Mapping[str, Said]
) -> tuple[dict[str, Any], dict[str, Said]]:
    """What `settings` goes by, and who said it; reads nothing. Raises ApiUnavailable where nobody is to be believed."""
    _empty_options(options, said)
    given, by = _given(options, environ, said)
    _contradiction(given, by)
    if not by.keys() & {"host", "kubeconfig", "context"}:
        _empty_keywords(environ, said)
        if KUBECTLS in by and _runs_in_a_pod(environ):
            raise ApiUnavailable(
                f"{by[KUBECTLS].words} names a kubeconfig, but in a pod with a service account kubernetes.core's "
                "modules take that: name the kubeconfig by kof_kubeconfig or K8S_AUTH_KUBECONFIG, or unset it"
            )
    return given, by


def _given(
    options: Mapping[str, Any], environ: Mapping[str, str], said: Mapping[str, Said]
) -> tuple[dict[str, Any], dict[str, Said]]:
    """The options that are set, their K8S_AUTH_* variables standing in for those that aren't, and who said each.

    KUBECONFIG is among the latter where it is set.
    """
    given: dict[str, Any] = {}
    by: dict[str, Said] = {}

    def of_environment(name: str) -> Said:
        return said.get(name) or Said(BY_PROCESS, f"{name} of the environment")

    for name, spec in CONNECTION_OPTIONS.items():
        who = said.get(name) or Said(BY_TASK, f"option {name}")
        value = options.get(name)
        if value is None:
            value = next((options[alias] for alias in spec.get("aliases", ()) if options.get(alias) is not None), None)
        if value is None and name == "proxy_headers":
            found = {key: environ.get(f"K8S_AUTH_PROXY_HEADERS_{key.upper()}") for key in spec["options"]}
            value = {key: text for key, text in found.items() if text} or None
        elif value is None or value == "":
            names = (f"K8S_AUTH_{each.upper()}" for each in (name, *spec.get("aliases", ())))
            variable = next((each for each in names if environ.get(each, "").strip()), None)
            if variable is not None:
                value, who = environ[variable], of_environment(variable)
        if value is not None and value != "":
            given[name], by[name] = _option(name, value, who.words), who
    if environ.get(KUBECTLS, "").strip():
        given[KUBECTLS], by[KUBECTLS] = environ[KUBECTLS], of_environment(KUBECTLS)
    return given, by


def _boolean(value: Any, what: str) -> bool:
    try:
        return truth(value)
    except ValueError:
        raise ApiUnavailable(f"{what} is neither true nor false: write one of these") from None


def _contradiction(given: Mapping[str, Any], by: Mapping[str, Said]) -> None:
    """Raise where kubernetes.core's order takes a cluster that was named farther from the task than one it drops."""
    for taken, dropped in (("host", ("kubeconfig", "context", KUBECTLS)), ("kubeconfig", (KUBECTLS,))):
        for name in dropped:
            if taken in by and name in by and by[name].rank < by[taken].rank and given[name] != given[taken]:
                raise ApiUnavailable(
                    f"which management cluster? {by[name].words} names one, but kubernetes.core's modules would take "
                    f"the one of {by[taken].words}: take one of them away, or say {taken} where the other is said"
                )


def _empty_options(options: Mapping[str, Any], said: Mapping[str, Said]) -> None:
    """Raise for an option of NEVER_EMPTY that somebody wrote and that came out empty."""
    for name in NEVER_EMPTY:
        for key in (name, *CONNECTION_OPTIONS[name].get("aliases", ())):
            if is_empty(options.get(key)):
                who = said.get(name) or Said(BY_TASK, f"option {key}")
                raise ApiUnavailable(f"{who.words} {': '.join(IS_EMPTY)}")


def is_empty(value: Any) -> bool:
    """Is it a text with nothing in it?"""
    return isinstance(value, str) and not value.strip()


def _empty_keywords(environ: Mapping[str, str], said: Mapping[str, Said]) -> None:
    """Raise where the keyword `environment` was meant to name a cluster, and the name came out empty. That is asked
    only where nothing else names one: an empty text is how the keyword takes a variable of the process away."""
    for variable in (*(f"K8S_AUTH_{name.upper()}" for name in ("kubeconfig", "host", "context")), KUBECTLS):
        if variable in said and not environ.get(variable, "").strip():
            raise ApiUnavailable(
                f"{said[variable].words} is empty, so it names no management cluster: give it a value, or take it away "
                "to have kubectl's default"
            )


def _sayer(by: Mapping[str, Said], base: Settings) -> dict[str, Any]:
    """The fields `said` and `unsaid`."""
    named = [by[name].words for name in ("host", "kubeconfig") if name in by][:1]
    if not named and base.source.startswith("kubeconfig"):
        named = [by[KUBECTLS].words if KUBECTLS in by else "kubectl's default, since nothing says which cluster"]
    if "context" in by and base.source.startswith("kubeconfig"):
        named = [*(named if KUBECTLS in by or "kubeconfig" in by or "host" in by else []), by["context"].words]
    unsaid = not by.keys() & {"host", "kubeconfig", "context", KUBECTLS} and base.source.startswith("kubeconfig")
    return {"said": " and ".join(dict.fromkeys(named or [base.source])), "unsaid": unsaid}


def _with_options(base: Settings, given: Mapping[str, Any]) -> Settings:
    """`base` with what the options say besides."""
    changes: dict[str, Any] = {}
    if given.get("host"):
        changes["server"] = _with_scheme(given["host"])
        if base.server:
            changes["source"] = f"option host with {base.source}"
    if given.get("api_key"):
        changes.update(authorization=f"Bearer {given['api_key']}", renewable=False)
    elif given.get("username") and given.get("password"):
        changes.update(authorization=_basic(given["username"], given["password"]), renewable=False)
    if given.get("client_cert") and given.get("client_key"):
        cert, key = (_read(os.path.expanduser(str(given[name])), name) for name in ("client_cert", "client_key"))
        changes["client_pem"] = _client_pem(cert, key, "the options client_cert and client_key")
    elif given.get("client_cert") or given.get("client_key"):
        raise ApiUnavailable("client_cert and client_key belong together: give both or neither")
    if given.get("ca_cert"):
        changes["verify"] = True  # as kubectl: who gives an authority wants it to be asked
        changes["ca_pem"] = _read(os.path.expanduser(str(given["ca_cert"])), "ca_cert")
    if "validate_certs" in given:
        changes["verify"] = given["validate_certs"]
    headers = list(base.headers)
    if given.get("impersonate_user"):
        headers = [("Impersonate-User", str(given["impersonate_user"]))]
    if given.get("impersonate_groups"):
        headers = [pair for pair in headers if pair[0] != "Impersonate-Group"]
        headers += [("Impersonate-Group", str(group)) for group in given["impersonate_groups"]]
    changes["headers"] = tuple(headers)
    if isinstance(given.get("proxy_headers"), Mapping):
        wanted = given["proxy_headers"]
        pairs = []
        if wanted.get("proxy_basic_auth"):
            pairs.append(("Proxy-Authorization", "Basic " + _base64(wanted["proxy_basic_auth"])))
        if wanted.get("basic_auth"):
            pairs.append(("Authorization", "Basic " + _base64(wanted["basic_auth"])))
        if wanted.get("user_agent"):
            pairs.append(("User-Agent", str(wanted["user_agent"])))
        changes["proxy_headers"] = tuple(pairs)
    return replace(base, **changes)


def _with_scheme(host: Any) -> str:
    host = str(host).rstrip("/")
    return host if "://" in host else f"https://{host}"


def _with_proxy(base: Settings, given: Mapping[str, Any], environ: Mapping[str, str]) -> Settings:
    """The proxy to use: option, kubeconfig, then HTTPS_PROXY/HTTP_PROXY as kubectl does; NO_PROXY for all of them but
    the kubeconfig's, which is for this server alone."""
    server = _address(base.server, f"the server of {base.source} is no address of an API server", route.SERVERS)
    if server.login and not (given.get("api_key") or given.get("username")) and not given.get("host"):
        base = replace(base, authorization=_basic(*server.login), renewable=False)  # as client-go
    proxy, source, schemes = base.proxy, base.proxy_source, route.PROXIES_OF_KUBECONFIGS
    if given.get("proxy") or not proxy:
        found = (str(given["proxy"]), "option proxy") if given.get("proxy") else None
        if not found and (of_environment := route.proxy_of_environment(server, environ)):
            found = of_environment[0], f"environment variable {of_environment[1]}"
        exceptions = str(given.get("no_proxy") or route.no_proxy_of_environment(environ))
        if not found or route.excepted(server, exceptions):
            return replace(base, proxy=None, proxy_source="")
        (proxy, source), schemes = found, route.PROXIES
        proxy = proxy if "://" in proxy else f"http://{proxy}"
    _address(proxy, f"the proxy of {source} is no address of a proxy", schemes)
    return replace(base, proxy=proxy, proxy_source=source)


def _address(url: str, what: str, schemes: tuple[str, ...]) -> route.Address:
    try:
        return route.address(url, schemes)
    except route.NoAddress as why:
        raise ApiUnavailable(f"{what}: {why}") from None  # not quoted: it may hold a password


def _runs_in_a_pod(environ: Mapping[str, str]) -> bool:
    return bool(environ.get("KUBERNETES_SERVICE_HOST")) and os.path.exists(f"{_IN_CLUSTER}/token")


def _in_cluster(environ: Mapping[str, str]) -> Settings | None:
    """The service account of the pod we run in, None when we don't run in one."""
    if not _runs_in_a_pod(environ):
        return None
    host, port = environ["KUBERNETES_SERVICE_HOST"], environ.get("KUBERNETES_SERVICE_PORT", "443")
    token = _token_in(f"{_IN_CLUSTER}/token", "the service account's token")
    return Settings(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        source="the pod's service account",
        ca_pem=_read(f"{_IN_CLUSTER}/ca.crt", "the service account's CA"),
        authorization=f"Bearer {token}",
        renewable=True,
    )


def content_of(kubeconfig: Any) -> Mapping[str, Any] | None:
    """The content of a kubeconfig that is given as a map or as its text; None where paths are given.

    Raises ApiUnavailable, which quotes nothing of it.
    """
    if isinstance(kubeconfig, Mapping):
        return kubeconfig
    if not isinstance(kubeconfig, str):
        raise ApiUnavailable("kubeconfig is neither a path nor the content of a kubeconfig")
    if not _is_content(kubeconfig):
        return None
    try:
        content = foreign_yaml.read(kubeconfig)
    except foreign_yaml.NotYaml as error:
        raise ApiUnavailable(f"kubeconfig is the text of one, but {_not_yaml(error)}") from None
    if not isinstance(content, Mapping):
        raise ApiUnavailable("kubeconfig is a text of several lines, but neither a path nor the text of a kubeconfig")
    return content


#: How a kubeconfig in one line begins.
_BEGUN = re.compile(r"\s*(?:[{#]|---|[\w-]+:\s)")
_NAME_LIMIT = 255  # bytes of a file's name
_PATH_LIMIT = 4096  # bytes of a path


def _is_content(text: str) -> bool:
    """Has it a line break inside, or begins as a kubeconfig in one line?"""
    return "\n" in text.strip() or bool(_BEGUN.match(text))


def paths_of(kubeconfig: str) -> list[str]:
    """The files that a kubeconfig option names. Raises ApiUnavailable for a text that can't be any, without it."""
    if _holds_a_kubeconfig(_base64_of(kubeconfig)):
        raise ApiUnavailable(
            "kubeconfig is the text of a kubeconfig in base64: give a path, or the content itself (after b64decode)"
        )
    paths = [path for path in text(kubeconfig, "kubeconfig").split(os.pathsep) if path]
    if not paths:
        raise ApiUnavailable("kubeconfig names no file: give the path of one")
    if not all(map(_is_path, paths)):
        raise ApiUnavailable("kubeconfig is neither a path nor the content of one (not shown, it may be secret)")
    return paths


_BASE64 = string.ascii_letters + string.digits + "+/"
#: How keys and certificates begin: PEM, kubeconfigs, and what is between PEM's lines, DER. A sequence of which the
#: first is the version of a key, or a sequence again, its length two bytes then.
_KEY_BEGINS = re.compile(
    rb"-----BEGIN|apiVersion|\{\"apiVersion|0(?:[\x00-\x7f]|\x81.|\x82..)\x02\x01[\x00\x01][\x02\x04\x30]|0\x82..0[\x80-\x82]",
    re.DOTALL,
)
_SHORTEST_KEY = 48  # characters in base64
#: Words of which a kubeconfig has one from its beginning on, however little of it is there.
_OF_KUBECONFIGS = re.compile(r"apiVersion|clusters|contexts|users|kind|current-context|preferences|-----BEGIN")


def _is_path(path: str) -> bool:
    """May it be one, of a file that is there or not? Not what has names that no file has, nor the base64 of a key: a
    relative one stands behind the folder that it would be in."""
    if len(path.encode(errors="replace")) > _PATH_LIMIT:
        return False
    if any(len(part.encode(errors="replace")) > _NAME_LIMIT for part in path.split("/")):
        return False
    packed = len(path.rstrip("=").rstrip(_BASE64))  # from here on
    starts = [0, *(slash.end() for slash in re.finditer("/", path))]
    return not any(
        _KEY_BEGINS.match(base64.b64decode(path[at : at + 16]))
        for at in starts
        if packed <= at <= len(path) - _SHORTEST_KEY
    )


def _holds_a_kubeconfig(text: str) -> bool:
    """Any path of letters, digits and slashes is the base64 of something: is it of one?"""
    return _is_content(text) and bool(_OF_KUBECONFIGS.search(text))


def _base64_of(text: str) -> str:
    """What `text` is the base64 of, as Secrets and CI variables have kubeconfigs, cut off ones too; empty for what is
    none."""
    packed = "".join(text.split()).rstrip("=")
    try:
        return base64.b64decode(packed[: len(packed) // 4 * 4], validate=True).decode(errors="replace")
    except ValueError:
        return ""


def _not_yaml(error: foreign_yaml.NotYaml) -> str:
    return f"not YAML at line {error.line}" if error.line else f"not YAML: {error.why}"


def _from_kubeconfig(given: Mapping[str, Any], environ: Mapping[str, str]) -> Settings:
    named = given.get("kubeconfig")
    content = content_of(named) if named is not None else None
    if content is not None:
        where = "kubeconfig given as its content"
        config = localised(kubeconfig_fields.typed(content, where), os.getcwd())
    else:
        files = paths_of(named or environ.get(KUBECTLS) or "~/.kube/config")
        config = merged([os.path.expanduser(path) for path in files], explicit=bool(named))
        where = f"kubeconfig {os.pathsep.join(map(_shown, files))}"
    context_name = given.get("context") or config.get("current-context")
    if not context_name:
        raise ApiUnavailable(f"{where} has no current-context: name one with the option context or K8S_AUTH_CONTEXT")
    context = _named(config, "contexts", "context", context_name, where)
    cluster = _named(config, "clusters", "cluster", context.get("cluster"), where)
    user = _named(config, "users", "user", context["user"], where) if context.get("user") else {}
    where = f"{where}, context {context_name}"
    server = _with_scheme(given["host"]) if given.get("host") else cluster.get("server", "")
    plain = server.lower().startswith("http:")
    kubeconfig_fields.check(cluster, user, where, secure=not plain)
    _address(server, f"the server of {where} is no address of an API server", route.SERVERS)
    plugin = user.get("exec")
    if plugin is not None:
        plugin = {**plugin, "env": [{"name": "", "value": "", **each} for each in plugin.get("env", ())]}
        exec_plugin.checked(plugin, where)
    result = Settings(
        server=cluster["server"].rstrip("/"),
        source=where,
        verify=not cluster.get("insecure-skip-tls-verify", False),
        ca_pem=_pem(cluster, "certificate-authority", where),
        tls_server_name=cluster.get("tls-server-name"),
        proxy=cluster.get("proxy-url"),
        proxy_source=f"proxy-url of {where}" if cluster.get("proxy-url") else "",
        headers=_impersonation(user),
        exact="tokenFile" not in user and all(user.get(n, "") == user.get(n, "").strip() for n in _LOGIN),
    )
    client = _pem(user, "client-certificate", where)
    key = _pem(user, "client-key", where) if client is not None else None
    if plain:
        # As client-go: no credentials of a kubeconfig go unencrypted, and what it says of TLS isn't meant for proxies.
        return replace(result, verify=True, ca_pem=None, tls_server_name=None)
    if client is not None:
        result = replace(result, client_pem=_client_pem(client, key or b"", where))
    if user.get("token") or user.get("tokenFile"):
        result = _with_token(result, user, where)
    elif user.get("username"):
        name, password = (text(user.get(each, ""), f"{where}: {each}") for each in ("username", "password"))
        result = replace(result, authorization=_basic(name, password))
    if plugin is not None and not result.authorization and not result.client_pem:
        return _by_exec_plugin(result, plugin, cluster, environ)
    if "auth-provider" in user and not result.authorization:
        return _by_library(result, config, str(context_name), given)
    return result


_LOGIN = ("token", "username", "password")


def _with_token(base: Settings, user: Mapping[str, Any], where: str) -> Settings:
    """As client-go: a token's file wins, and the token stands in where the file can't be read or is empty."""
    token = text(user.get("token", ""), f"{where}: token")
    if user.get("tokenFile"):
        try:
            token = _token_in(user["tokenFile"], f"tokenFile of {where}") or token
        except ApiUnavailable:
            if not token:
                raise
        if not token:
            raise ApiUnavailable(f"tokenFile of {where}, {user['tokenFile']}, is empty")
    return replace(base, authorization=f"Bearer {token}", renewable=bool(user.get("tokenFile")))


def _shown(path: str) -> str:
    """The name of a kubeconfig's file for messages; one in memory tells what it holds by its own name."""
    if path.startswith("/proc/"):
        with contextlib.suppress(OSError):
            return os.readlink(path).removeprefix("/memfd:").removesuffix(" (deleted)")
    return path


def text_of(path: str) -> str:
    """A kubeconfig file's text. Raises OSError, UnicodeDecodeError, and ApiUnavailable for a vaulted one."""
    with open(path, encoding="utf-8") as stream:
        text = stream.read()
    if text.startswith(VAULTED):
        raise ApiUnavailable(
            f"the kubeconfig {path} is encrypted by Ansible Vault, which is undone only where the option kubeconfig or "
            "kof_kubeconfig names it and the connection is local: name it there"
        )
    return text


def merged(files: Sequence[str], *, explicit: bool, read: Callable[[str], str] = text_of) -> dict[str, Any]:
    """Several kubeconfigs as one, by kubectl's rule: the first file that sets a value or a name wins. Paths in it are
    absolute.

    explicit: somebody named the files, so none may be missing: another one's current context would be taken.
    Raises ApiUnavailable.
    """
    merged: dict[str, Any] = {}
    for path in files:
        try:
            content = foreign_yaml.read(read(path))
        except FileNotFoundError:
            if explicit:
                raise ApiUnavailable(f"there is no kubeconfig {path}: give the path of one, or host") from None
            continue
        except (OSError, UnicodeDecodeError) as error:
            cause = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
            raise ApiUnavailable(f"can't read the kubeconfig {path}: {cause}") from None
        except foreign_yaml.NotYaml as error:
            raise ApiUnavailable(f"can't read the kubeconfig {path}: {_not_yaml(error)}") from None
        content = kubeconfig_fields.typed(content, f"kubeconfig {_shown(path)}")
        content = localised(content, os.path.dirname(os.path.abspath(path)))
        merged["current-context"] = merged.get("current-context") or content.get("current-context")
        for section in ("clusters", "users", "contexts"):
            merged.setdefault(section, []).extend(content.get(section, ()))
    if not merged:
        raise ApiUnavailable(
            f"there is no kubeconfig {os.pathsep.join(files)}, no option host or kubeconfig is given and we don't run "
            "in a pod: set kubeconfig (or K8S_AUTH_KUBECONFIG), or host with api_key or a client certificate"
        )
    return merged


_FILE_FIELDS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")


def localised(config: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """`config`, as kubeconfig_fields.typed gives it, with relative file names made absolute from `folder`, the
    kubeconfig's own; commands with a "/" too."""
    result = dict(config)
    for section, inner in (("clusters", "cluster"), ("users", "user")):
        entries = []
        for entry in config.get(section, ()):
            content = dict(entry.get(inner, {}))
            for name in _FILE_FIELDS:
                if content.get(name):
                    content[name] = os.path.join(folder, content[name])
            command = content.get("exec", {}).get("command", "")
            if "/" in command:
                content["exec"] = {**content["exec"], "command": os.path.join(folder, command)}
            entries.append({**entry, inner: content})
        result[section] = entries
    return result


def _named(config: Mapping[str, Any], section: str, inner: str, name: Any, where: str) -> dict[str, Any]:
    entries = config.get(section, ())
    for entry in entries:
        if entry.get("name") == name:
            return dict(entry.get(inner, {}))
    known = ", ".join(sorted({entry.get("name", "") for entry in entries})[:10]) or "none"
    raise ApiUnavailable(f"{where} has no {inner} named {name!r} (it has: {known})")


def _impersonation(user: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    pairs = []
    if user.get("as"):
        pairs.append(("Impersonate-User", user["as"]))
    if user.get("as-uid"):
        pairs.append(("Impersonate-Uid", user["as-uid"]))
    pairs += [("Impersonate-Group", group) for group in user.get("as-groups", ())]
    for key, values in user.get("as-user-extra", {}).items():
        pairs += [(f"{EXTRA}{quote(key, safe=_IN_HEADER_NAMES)}", value) for value in values]
    return tuple(pairs)


def _pem(section: Mapping[str, Any], name: str, where: str) -> bytes | None:
    """The PEM text of a certificate or key given as `<name>-data` (base64) or as a file `<name>`."""
    if section.get(f"{name}-data"):
        return kubeconfig_fields.decoded(section[f"{name}-data"])
    return _read(section[name], f"{name} of {where}") if section.get(name) else None


def _client_pem(certificate: bytes, key: bytes, what: str) -> bytes:
    try:
        return pem.client(certificate, key)
    except pem.NoPem as why:
        raise ApiUnavailable(f"the client certificate and key of {what} can't be used: {why}") from None


def _read(path: str, what: str) -> bytes:
    path = text(path, what)
    if not _is_path(path):
        raise ApiUnavailable(f"{what} is no path (not shown, it may be secret)")
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "no file has such a name"
        raise ApiUnavailable(f"can't read {what}, {path}: {why}") from None


def _token_in(path: str, what: str) -> str:
    return text(_read(path, what).decode(errors="surrogateescape"), what)


def _basic(user: Any, password: Any) -> str:
    return "Basic " + _base64(f"{user}:{password}")


def _base64(text: Any) -> str:
    return base64.b64encode(str(text).encode()).decode()


def _by_exec_plugin(
    base: Settings, spec: Mapping[str, Any], cluster: Mapping[str, Any], environ: Mapping[str, str]
) -> Settings:
    """Credentials of an exec plugin; what it gave to another process of this run, while that is good."""
    named = {each.get("name"): each.get("extension") for each in cluster.get("extensions", ())}
    about = exec_plugin.cluster_info(base, named.get("client.authentication.k8s.io/exec"))
    got = exec_plugin.credential(spec, about, base.source, environ)
    return replace(
        base,
        authorization=f"Bearer {got.token}" if got.token else None,
        client_pem=got.pem,
        renewable=True,
        by_plugin=True,
        expires=got.expires,
    )


def _by_library(base: Settings, config: dict[str, Any], context: str, given: Mapping[str, Any]) -> Settings:
    """Credentials of OIDC and other auth providers, by the `kubernetes` library."""
    try:
        from kubernetes.client import Configuration
        from kubernetes.config import load_kube_config, load_kube_config_from_dict
    except ImportError:
        raise ApiUnavailable(
            f"{base.source} gets its credentials from an auth-provider: this needs the Python library "
            "kubernetes (pip install 'kubernetes!=37.*'), or give api_key or a client certificate instead"
        ) from None
    loaded = Configuration()
    try:
        kubeconfig = given.get("kubeconfig")
        if isinstance(kubeconfig, str) and given.get("persist_config") and os.pathsep not in kubeconfig:
            # The library writes all certificates and keys that it is shown to files, and removes them at its exit, to
            # which the processes of ansible-core's actions don't come.
            with tempfile.TemporaryDirectory(prefix="kof-") as folder:
                load_kube_config(
                    kubeconfig, context, client_configuration=loaded, persist_config=True, temp_file_path=folder
                )
        else:
            bare = _without_certificates(config)
            load_kube_config_from_dict(bare, context, client_configuration=loaded, persist_config=False)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            what = "certificates for the library kubernetes"
            raise ApiUnavailable(unwritable(error, what, error.filename or "a temporary folder", TMPDIR)) from None
        # Plugins fail in ways of their own, and what they print may hold a token: only the kind of failure is named.
        raise ApiUnavailable(
            f"the credential plugin of {base.source} failed ({type(error).__name__}): try `kubectl --context {context} "
            "get namespaces` as the same user, log in again"
        ) from None
    keys = loaded.api_key or {}
    token = keys.get("BearerToken") or keys.get("authorization")
    if token and " " not in token:
        token = f"Bearer {token}"
    if not token:
        raise ApiUnavailable(
            f"the auth-provider of {base.source} gave no token: "
            f"try `kubectl --context {context} get namespaces` as the same user, log in again"
        )
    return replace(base, authorization=token, renewable=True, by_plugin=True)


def _without_certificates(config: Mapping[str, Any]) -> dict[str, Any]:
    """A kubeconfig of what the library needs for an auth-provider's token: certificates it would write to files."""

    def entries(section: str, inner: str, keys: Sequence[str]) -> list[dict[str, Any]]:
        return [
            {"name": each.get("name"), inner: {key: each[inner][key] for key in keys if key in each.get(inner, {})}}
            for each in config.get(section) or []
        ]

    return {
        "current-context": config.get("current-context"),
        "contexts": config.get("contexts"),
        "clusters": entries("clusters", "cluster", ["server"]),
        "users": entries("users", "user", ["auth-provider"]),
    }
