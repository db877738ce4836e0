"""Kubeconfigs, NO_PROXY settings and certificates, generated: plain ones, odd ones and broken ones.

May hold: what is asked. May not hold: what is right.
"""

from __future__ import annotations

import base64
import copy
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from kubeconfig_judge.certificates import LIVES, USAGES, Kind, Made, made, words

#: The authority that the system trusts, and the cluster's own.
SYSTEM, CLUSTER = Kind("system"), Kind("kubernetes")
SERVER = Kind(
    "kube-apiserver",
    None,
    ("digital_signature",),
    ("server",),
    (
        "api.example.com",
        "*.wild.example.com",
        "localhost",
        "127.0.0.1",
        "10.1.2.3",
        "fd00::1",
        "::1",
        "proxy.example.com",
    ),
)
USER = Kind("jane", None, ("digital_signature",), ("client",))
TOKEN = "s3cret"


@dataclass
class Case:
    """One question. `files`: texts by name, of the folder that relative names start from."""

    files: dict[str, str]
    environment: dict[str, str] = field(default_factory=dict)
    named: str = "config"  # the file that is named, "" for those of KUBECONFIG
    context: str = ""
    server: Made = field(default_factory=lambda: made(SERVER, CLUSTER), repr=False)
    chain: tuple[Made, ...] = field(default=(), repr=False)
    proxy: bool = False  # an https:// proxy has a certificate of its own


def data(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def config(cluster: dict[str, Any], user: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
        **more,
    }


def plain_cluster() -> dict[str, Any]:
    return {"server": "https://api.example.com:6443", "certificate-authority-data": data(made(CLUSTER).pem)}


def case(cluster: dict[str, Any] | None = None, user: dict[str, Any] | None = None, **more: Any) -> Case:
    """A case of one kubeconfig: fields of its cluster, which has its authority, and of its user."""
    made_of = config({**plain_cluster(), **(cluster or {})}, {"token": TOKEN} if user is None else user, **more)
    return Case(common_files() | {"config": json.dumps(made_of)})


def common_files() -> dict[str, str]:
    jane, john = made(USER, CLUSTER), made(Kind("john", None, None, ("client",)), CLUSTER)
    return {
        "ca.pem": made(CLUSTER).pem,
        "sub/ca.pem": made(CLUSTER).pem,
        "~/ca.pem": made(SYSTEM).pem,
        "jane.pem": jane.pem,
        "jane.key": jane.key_pem(),
        "john.key": john.key_pem(),
        "both.pem": f"# both\n{jane.key_pem()}\n{jane.pem}",
        "locked.key": jane.key_pem(b"open"),
        "plugin": _plugin({"token": "from-plugin"}),
        "certifier": _plugin({"clientCertificateData": jane.pem, "clientKeyData": jane.key_pem()}),
        "garbage": "#!/bin/sh\necho nothing\n",
        "failing": "#!/bin/sh\nexit 1\n",
        "token": f"{TOKEN}\n",
        "empty": "",
    }


def _plugin(status: dict[str, str]) -> str:
    """A credential plugin that answers in the version it is asked in."""
    credential = json.dumps({"apiVersion": "VERSION", "kind": "ExecCredential", "status": status})
    before, after = credential.split("VERSION")
    return f"""#!/bin/sh
case "$KUBERNETES_EXEC_INFO" in *v1beta1*) version=v1beta1;; *) version=v1;; esac
printf '%s' '{before}client.authentication.k8s.io/'"$version"'{after}'
"""


# -- kubeconfigs

#: Values of the wrong kind, and of the right one that mean nothing.
ODD: Sequence[Any] = (
    *(None, True, False, "false", "true", "no", "", "x", "eA==", 0, 5, 1.5),
    *([], ["a"], [None], [True], [{}], {}, {"a": "b"}, {"a": None}, {"a": ["b"]}, {"name": "k"}),
)
_URLS = words(
    """
    https://api.example.com:6443 https://api.example.com:6443/ https://API.example.com
    https://api.example.com.:6443 https://api.example.com:6443/k8s/clusters/c-1
    https://api.example.com//a/../b/ https://api.example.com/a%2Fb%20c/ https://10.1.2.3:6443
    https://[fd00::1]:6443 https://[fd00::1] https://127.0.0.1:6443 https://localhost
    https://x.wild.example.com https://x.y.wild.example.com https://wild.example.com
    https://other.example.com:1 HTTPS://api.example.com http://api.example.com http://api.example.com:8080/a
    http://localhost:8080 https://jane:p%40ss@api.example.com http://jane:pass@api.example.com
    https://jane@api.example.com https://api.example.com:6443?a=b https://api.example.com:6443/x?a=b#c
    https://api.example.com: api.example.com:6443 api.example.com 10.1.2.3 //api.example.com /a https://
    https:///a https://:6443 ftp://h https://api.example.com:x https://api.example.com:99999 https://[fd00::1
    https://fd00::1 https://[x] https://a..b https://api.example.com/%zz https:api.example.com
    https://a^b@api.example.com
    """
)
URLS = (
    *_URLS,
    " https://api.example.com",
    "https://api.example.com ",
    "https://api .com",
    "https://a\tb",
    "https://x\n",
)
PROXIES = words(
    """
    http://proxy.example.com:3128 http://proxy.example.com https://proxy.example.com
    https://jane:p%3Ass@proxy.example.com http://jane:p@proxy.example.com:1 socks5://127.0.0.1:PORT_OF_PEER
    socks4://proxy.example.com proxy.example.com:3128 http:// x http://[fd00::1]:3128
    HTTP://proxy.example.com http://proxy.example.com:x http://10.1.2.3:8080/path
    """
)
_LONG = "LS0t\n LS0t"


def _cluster_changes() -> list[dict[str, Any]]:
    authority, system = made(CLUSTER).pem, made(SYSTEM).pem
    broken = "-----BEGIN CERTIFICATE-----\neA==\n-----END CERTIFICATE-----\n"
    one_line = f"-----BEGIN CERTIFICATE-----\n{''.join(authority.splitlines()[1:-1])}\n-----END CERTIFICATE-----\n"
    texts = [
        *(authority, authority + system, system + authority, f"# a\n{authority}# b", authority.replace("\n", "\r\n")),
        *(
            broken + authority,
            authority + broken,
            broken,
            "x",
            "\n",
            one_line,
            authority.replace("CERTIFICATE", "X509 CRL"),
        ),
        *(f"  {authority}", authority.strip(), made(USER, CLUSTER).key_pem() + authority, system),
        authority.replace("-----\n", "-----\nA: b\n\n", 1),
    ]
    return [
        *({"server": url} for url in URLS),
        *({"proxy-url": url} for url in (*PROXIES, "socks5h://127.0.0.1:PORT_OF_PEER")),
        *({"certificate-authority-data": data(text)} for text in texts),
        *(
            {"certificate-authority-data": text}
            for text in (_LONG, "LS0t\n", "LS0", "LS0t=", "LS0tLQ", "\u00e9", " LS0t")
        ),
        *(
            {"certificate-authority-data": None, "certificate-authority": name}
            for name in (
                "ca.pem",
                "./ca.pem",
                "sub/../ca.pem",
                "nowhere.pem",
                "sub",
                "~/ca.pem",
                "empty",
                "token",
                "ca.pem\0",
            )
        ),
        *(
            {"tls-server-name": name}
            for name in (
                "api.example.com",
                "x.wild.example.com",
                "10.1.2.3",
                "other.example.com",
                "API.EXAMPLE.COM",
                "localhost.",
                "::1",
            )
        ),
        {"certificate-authority": "ca.pem"},
        {"certificate-authority-data": None},
        {"certificate-authority-data": ""},
        {"insecure-skip-tls-verify": True},
        {"insecure-skip-tls-verify": True, "certificate-authority-data": None},
        {"insecure-skip-tls-verify": False},
        {"disable-compression": True},
        {"Server": "https://other.example.com"},
        {"extensions": [{"name": "a", "extension": {"x": 1}}, {"name": "b"}]},
        {"extensions": [{"name": "a", "extension": {"x": 1}}, {"name": "a", "extension": {"x": 1}}]},
        {"extensions": [{"name": "a"}, {"name": "a"}]},
    ]


_V1 = {"apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never"}
_V1BETA1 = {"apiVersion": "client.authentication.k8s.io/v1beta1"}
_PLUGINS = (
    {**_V1, "command": "./plugin", "args": ["a"], "env": [{"name": "A", "value": "b"}, {"name": "B"}]},
    {**_V1BETA1, "command": "sub/../plugin", "provideClusterInfo": True, "installHint": "x"},
    {**_V1, "command": "./certifier"},
    {**_V1, "command": "./plugin", "interactiveMode": "IfAvailable"},
    {**_V1, "command": "./plugin", "interactiveMode": "Always"},
    {**_V1, "command": "./plugin", "interactiveMode": None},
    {**_V1, "command": "./plugin", "interactiveMode": "never"},
    {**_V1BETA1, "command": "./plugin", "interactiveMode": "x"},
    {"apiVersion": "client.authentication.k8s.io/v1alpha1", "command": "./plugin"},
    {**_V1, "command": "./garbage"},
    {**_V1, "command": "./failing"},
    {**_V1, "command": "./token"},
    {**_V1, "command": "no-such-plugin"},
    {**_V1, "command": "./plugin", "env": [{"value": "b"}]},
    {**_V1, "command": "./plugin", "args": "a"},
    {**_V1, "command": "./plugin", "provideClusterInfo": "true"},
)


def _user_changes() -> list[dict[str, Any]]:
    jane, locked = made(USER, CLUSTER), common_files()["locked.key"]
    pair = {"client-certificate-data": data(jane.pem), "client-key-data": data(jane.key_pem())}
    files = {"client-certificate": "jane.pem", "client-key": "jane.key"}
    who = {"as": "j\u00f6rg"}
    return [
        *(
            {"tokenFile": name, "token": token}
            for name in ("token", "empty", "nowhere", "sub", "./token")
            for token in ("", "other")
        ),
        *({"username": name, "password": word, "token": ""} for name in ("", "u") for word in ("", "p", "p:\u00e9")),
        {"username": "u", "tokenFile": "token", "token": ""},
        {"password": "p", "tokenFile": "token", "token": ""},
        *({"username": "u"}, {"password": "p"}, {"token": ""}, {"Token": "x", "token": ""}),
        *(pair, files, {**pair, "token": ""}, {**files, "token": ""}, {**pair, **files}),
        *({**pair, "client-key": "jane.key"}, {**files, "client-key-data": data(jane.key_pem())}),
        *(
            {**files, "client-key": name}
            for name in ("john.key", "locked.key", "both.pem", "jane.pem", "nowhere", "sub")
        ),
        *(
            {**files, "client-certificate": name}
            for name in ("both.pem", "jane.key", "nowhere", "ca.pem", "sub", "empty")
        ),
        *({**pair, "client-key-data": data(text)} for text in (locked, "x", jane.pem, jane.key_pem() + "x")),
        *(
            {**pair, "client-certificate-data": data(text)}
            for text in (
                "x",
                jane.pem + made(CLUSTER).pem,
                "a\n" + jane.pem,
                jane.key_pem() + jane.pem,
                made(CLUSTER).pem + jane.pem,
            )
        ),
        *({"client-certificate": "jane.pem"}, {"client-key": "jane.key"}, {"client-key": "nowhere"}),
        *(who, {**who, "as-uid": "7"}, {"as-uid": "7"}, {**who, "as-groups": ["a", "b c", ""]}, {"as-groups": ["a"]}),
        *({"as-groups": []}, {"as-user-extra": {}}, {"as-user-extra": {"a": []}}, {**who, "as-groups": "devs"}),
        *({**who, "as-user-extra": {key: ["1", "", None]}} for key in ("a", "A b", "a%2F\u00e9", "x/y.z", "a:b")),
        *(
            {**who, "as-groups": [None, "a"]},
            {**who, "as-groups": "a"},
            {"as": "a\nb"},
            {**who, "as-groups": ["a\x01"]},
        ),
        {"auth-provider": {"name": "oidc", "config": {}}, "exec": {"command": "x"}},
        *({"exec": plugin, "token": "", **more} for plugin in _PLUGINS for more in ({}, pair, {"username": "u"})),
        *({"exec": plugin} for plugin in _PLUGINS[:4]),
        *({"exec": each} for each in _any({}, {"command": None}, {"command": "x", "env": [{}]}, {"args": "a"}, [])),
    ]


def _any(*values: Any) -> tuple[Any, ...]:
    return values


def _whole_changes() -> list[dict[str, Any]]:
    c = {"name": "c", "context": {"cluster": "k", "user": "u"}}
    k, u = ({"name": "k", "cluster": plain_cluster()}, {"name": "u", "user": {"token": TOKEN}})
    odd_users: list[dict[str, Any]] = [
        {"as-groups": ["a"]},
        {"token": "a", "username": "b"},
        {"client-certificate-data": "?"},
        {"exec": {}},
    ]
    return [
        *({"kind": kind} for kind in ("Config", "", "config", "Secret", "List")),
        *({"apiVersion": each} for each in ("v1", "", "v2", "v1beta1", "kubeconfig/v1", "a/b/c")),
        *({"current-context": name} for name in ("c", "", "typo", "d")),
        *(
            {"contexts": each}
            for each in (
                [c, c],
                [c, {"name": "d"}],
                [{**c, "context": {"cluster": "k"}}],
                [{**c, "context": {"user": "u"}}],
                [{**c, "context": {"cluster": "typo", "user": "u"}}],
                [{**c, "context": {"cluster": "k", "user": "typo"}}],
                [{**c, "context": {"cluster": "k", "user": "u", "namespace": "N?"}}],
                [c, None],
                [None, None, c],
                {"c": c},
            )
        ),
        *(
            {"clusters": each}
            for each in (
                [k, k],
                [{"name": "x", "cluster": {"insecure-skip-tls-verify": "true"}}, k],
                [k, {"name": "x"}],
                [k, {"cluster": {"server": "x"}}],
                {"k": k},
            )
        ),
        *(
            {"users": each}
            for each in ([u, u], [u, {"name": "x", "user": {"password": 5}}], [], None, [u, {"name": 5}])
        ),
        *({"users": [u, {"name": "x", "user": user}]} for user in odd_users),
        *({"preferences": each} for each in _any({}, {"colors": True}, {"colors": "true"}, {"extensions": [{}]}, [])),
        *({"extensions": each} for each in _any([], [{"name": "a", "extension": 5}], [{"name": 5}], {}, [None, None])),
        {"unknown": {"a": [1]}},
    ]


#: Texts in the place of a kubeconfig.
TEXTS = (
    *("", "\n", "# nothing\n", "null", "{}", "[]", "x", "5", "true", "---\n", "a: [", "\ta: b\n", "kind: Config\n"),
    *("apiVersion: v1\nkind: Config\n", '{"a": 1}', "clusters:\nusers:\ncontexts:\n", "a: b\n---\nc: d\n", "\x00"),
)


def plain_changes() -> list[Case]:
    """Each single change of a good kubeconfig."""
    cases = [case(change) for change in _cluster_changes()]
    cases += [case(None, {"token": TOKEN, **change}) for change in _user_changes()]
    cases += [case(None, None, **change) for change in _whole_changes()]
    cases += [Case({"config": text}) for text in TEXTS]
    for context in ("c", "typo", "d"):
        cases.append(case())
        cases[-1].context = context
    return cases


def kubeconfig(rng: random.Random) -> Case:
    """One to three changes of a good kubeconfig, some with a value of the wrong kind; in one or several files, as YAML
    of this or that look, with or without proxies around."""
    cluster, user = plain_cluster(), {"token": TOKEN}
    whole: dict[str, Any] = {}
    for _number in range(rng.choice((0, 1, 1, 1, 2, 3))):
        which = rng.random()
        if which < 0.35:
            cluster |= rng.choice(_cluster_changes())
        elif which < 0.75:
            user |= rng.choice(_user_changes())
        else:
            whole |= rng.choice(_whole_changes())
    content = copy.deepcopy(config(cluster, user) | whole)  # what is spoilt is this one's alone
    if rng.random() < 0.15:
        _spoil(content, rng)
    found = Case(common_files() | {"config": json.dumps(content)})
    if rng.random() < 0.3:
        found.files["config"] = _block(content, rng)
    if rng.random() < 0.25:
        _scatter(found, content, rng)
    if rng.random() < 0.2:
        found.context = rng.choice(("c", "c", "d", "typo"))
    if rng.random() < 0.3:
        found.environment |= environment(rng)
    if rng.random() < 0.15:
        found.server = made(SERVER, SYSTEM)
    found.proxy = rng.random() < 0.5
    return found


def _spoil(content: Any, rng: random.Random) -> None:
    """Put an odd value into one place, or take it out."""
    places: list[tuple[Any, Any]] = []
    open_ = [content]
    while open_:
        here = open_.pop()
        keys = list(here) if isinstance(here, dict) else range(len(here))
        places += [(here, key) for key in keys]
        open_ += [here[key] for key in keys if isinstance(here[key], (dict, list))]
    here, key = rng.choice(places)
    here[key] = rng.choice(ODD)


def _block(value: Any, rng: random.Random, indent: int = 0) -> str:
    """As block YAML; texts in this or that quoting."""
    pad = "  " * indent
    if isinstance(value, dict) and value:
        return "".join(
            f"{pad}{json.dumps(key) if rng.random() < 0.2 else key}:{_below(each, rng, indent)}"
            for key, each in value.items()
        )
    return "".join(f"{pad}-{_below(each, rng, indent)}" for each in value) if value else f"{pad}{json.dumps(value)}\n"


def _below(value: Any, rng: random.Random, indent: int) -> str:
    if isinstance(value, (dict, list)) and value and rng.random() < 0.9:
        return "\n" + _block(value, rng, indent + 1)
    plain = isinstance(value, str) and value.isascii() and value.isalnum() and rng.random() < 0.5
    return f" {value if plain else json.dumps(value)}{rng.choice(('', ' # a'))}\n"


def _scatter(found: Case, content: dict[str, Any], rng: random.Random) -> None:
    """The sections over several files of KUBECONFIG, in several folders; a section may be in more than one."""
    folders = ("", "sub/", "sub/deep/")
    names = [f"{rng.choice(folders)}{number}" for number in range(rng.randint(1, 3))]
    for name in names:
        part = {key: each for key, each in content.items() if rng.random() < 0.6}
        if rng.random() < 0.3:
            part["clusters"] = [{"name": "k", "cluster": {**plain_cluster(), "certificate-authority": "ca.pem"}}]
        found.files[name] = json.dumps(part)
    found.files["last"] = found.files.pop("config")
    names += rng.choice((["last"], ["nowhere", "last"], ["", "last", "last"], []))
    found.named = ""
    found.environment["KUBECONFIG"] = ":".join(f"FOLDER/{name}" if name else "" for name in names)


# -- proxies of the environment

_HOSTS = words(
    """
    api.example.com localhost LOCALHOST.example.com 127.0.0.1 127.9.9.9 10.1.2.3 192.168.1.1 169.254.1.1
    example.com a.b.example.com api x.local 1.2.3.4 0.0.0.0 api.example.com. xn--bcher-kva.example
    localhost.localdomain [fd00::1] [::1] [2001:db8::5] [::ffff:10.1.2.3] [::ffff:127.0.0.1] [fe80::1%25eth0]
    """
)
_ENTRIES = words(
    """
    * example.com .example.com *.example.com *example.com EXAMPLE.com api.example.com api.example.com:6443
    :6443 api.example.com:443 api.example.com: .example.com:80 *.example.com:6443 xample.com com .com . *.
    ample.com localhost 127.0.0.1 10.1.2.3 10.1.2.3:6443 10.1.2.3:443 10.0.0.0/8 10.1.2.3/32
    10.1.2.0/255.255.255.0 10.1.2 10.0.0.0/8:6443 0.0.0.0/0 ::/0 fd00::/8 fd00::1 [fd00::1] [fd00::1]:6443
    [fd00::1]:443 ::1 [::1]:443 2001:db8::5 ::ffff:10.1.2.3 ::ffff:10.0.0.0/104 ::ffff:0:0/96 10.1.2.3/33
    10.1.2.3/ 10.1.2.3/-1 http://api.example.com api.example.com/x 192.168.1.1/16 169.254.0.0/16 api x.local
    .local svc .svc .cluster.local a:b:c [a]b ]:[ fe80::1 fe80::/10 fe80::1%eth0 [fe80::1%eth0]:443
    api.example.com. .example.com. 0 1.2.3.4:0443
    """
)


def environment(rng: random.Random) -> dict[str, str]:
    """Of HTTPS_PROXY and its like in any spelling, and NO_PROXY."""
    found = {}
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        if rng.random() < 0.5:
            found[name] = rng.choice(
                (*PROXIES[:5], *PROXIES[7:8], *PROXIES[10:12], "10.1.2.3:3128", "localhost:3128", "")
            )
    for name in ("NO_PROXY", "no_proxy"):
        if rng.random() < 0.5:
            entries = rng.sample(_ENTRIES, rng.randint(1, 4))
            found[name] = rng.choice((",", ", ", " ,", ",,")).join(entries)
    return found


def no_proxy(rng: random.Random) -> Case:
    """A server, proxies of the environment, and what is excepted of them."""
    scheme = rng.choice(("http", "http", "https"))
    port = rng.choice(("", ":6443", ":443", ":80"))
    server = f"{scheme}://{rng.choice(_HOSTS)}{port}"
    cluster = {"server": server} | ({"insecure-skip-tls-verify": True} if scheme == "https" else {})
    if rng.random() < 0.1:
        cluster["proxy-url"] = rng.choice(PROXIES[:5])
    found = Case({"config": json.dumps(config(cluster, {"token": TOKEN}))}, environment(rng))
    for name in (f"{scheme.upper()}_PROXY", f"{scheme}_proxy"):
        if rng.random() < 0.5:
            found.environment[name] = rng.choice(PROXIES[:2])
    found.environment.setdefault("NO_PROXY", ",".join(rng.sample(_ENTRIES, rng.randint(0, 3))))
    return found


# -- certificates

_NAMES = words(
    """
    api.example.com *.example.com *.com * a*.example.com *a.example.com API.EXAMPLE.COM api.example.com.
    other.com *.*.com .example.com 10.1.2.3 dns:10.1.2.3 fd00::1 127.0.0.1 localhost *.10.1.2.3
    xn--bcher-kva.example
    """
)
_SERVERS = words(
    """
    api.example.com api.example.com api.example.com api.example.com. a.b.example.com example.com com
    localhost 10.1.2.3 127.0.0.1 [fd00::1] xn--bcher-kva.example api_1.example.com
    """
)


def certificate(rng: random.Random) -> Case:
    """A server's certificate, who signed it, and what the kubeconfig gives as its authority."""

    def some(*choices: Any) -> Any:
        return rng.choice(choices)

    def life() -> str:
        return rng.choice(("now",) * 12 + tuple(LIVES))

    def usages() -> tuple[str, ...] | None:
        return some(None, None, None, None, ("server",), tuple(rng.sample(list(USAGES), rng.randint(1, 2))))

    def authority(name: str) -> Kind:
        key_usages = some(*[CLUSTER.key_usages] * 4, *[("key_cert_sign",)] * 2, None, None, ("digital_signature",))
        return Kind(name, some(*[True] * 9, False), key_usages, usages(), (), rng.random() < 0.6, life())

    root = authority("root")
    middle = authority("intermediate")
    issuers = some((root,), (root,), (middle, root), (CLUSTER,), (SYSTEM,), ())
    names = tuple(rng.sample(_NAMES, rng.randint(0, 3)))
    if rng.random() < 0.7:
        names = (*names, "api.example.com", "10.1.2.3")
    leaf = Kind(
        some("kube-apiserver", "api.example.com"),
        some(None, None, False, True),
        some(*[("digital_signature",), ("digital_signature", "key_encipherment"), None] * 3, ("key_cert_sign",)),
        some(*[None, ("server",), ("server", "client")] * 3, usages()),
        names,
        rng.random() < 0.6,
        life(),
    )
    server = made(leaf, *issuers)
    known: list[Made] = [server, *(made(*issuers[number:]) for number in range(len(issuers)))]
    chain = tuple(known[1:]) if rng.random() < 0.7 else ()
    cluster: dict[str, Any] = {"server": f"https://{rng.choice(_SERVERS)}:6443"}
    given = some(*[known[-1]] * 5, *[known[min(1, len(known) - 1)]] * 3, server, made(CLUSTER), None)
    if given is not None:
        cluster["certificate-authority-data"] = data(given.pem)
    if rng.random() < 0.2:
        cluster["tls-server-name"] = rng.choice(_SERVERS).strip("[]")
    if given is None and rng.random() < 0.3:
        cluster["insecure-skip-tls-verify"] = True
    found = Case({"config": json.dumps(config(cluster, {"token": TOKEN}))})
    found.server, found.chain = server, chain
    return found


GENERATORS: dict[str, Callable[[random.Random], Case]] = {
    "kubeconfigs": kubeconfig,
    "NO_PROXY": no_proxy,
    "certificates": certificate,
}
