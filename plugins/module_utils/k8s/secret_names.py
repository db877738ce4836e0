# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is a secret by the name that it stands under, of its field or of one around it: for who shows values (diff.py).

Pure. Which texts are secrets whatever they are called is text/secret_forms.py's to say.
"""

from __future__ import annotations

import enum
import functools
import re
from collections.abc import Mapping
from typing import Any

# Names whose value is a secret …
_SECRET_NAME = re.compile(
    r"passw(or)?d|passphrase|pwd$|secret|token|api[-_]?key|private[-_]?key|access[-_]?key|authorization|bearer|tls\.key|secure"
    r"|(?<!by)(?<!com)pass$|psk$|creds$|cookies?$|auths$|dockerconfigjson|kubeconfig$|key[-_]?data$"
    r"|(encryption|signing|hmac|session|shared|master|account|client|licen[cs]e|ssh|deploy|integration|routing|service"
    r"|write|ingest(ion)?|bot|app|application|subscription|storage|consumer|auth|instrumentation)[-_]?keys?$"
    r"|(webhook|slack[-_]?api)[-_.]?ur[il]$|http[-_]?header[-_]?value|connection[-_]?string$|conn[-_]?str$|id_(rsa|dsa|ecdsa|ed25519)$",
    re.IGNORECASE,
)
# … but for those that only say where the secret is.
_NO_SECRET = re.compile(
    r"secret([-_]?key)?[-_]?(name|namespace|ref|refs|store|type)s?$|(user(name)?|password)[-_]?key$"
    r"|^create[-_]?secrets?$|^secrets$|-secrets$|^(api)?token[-_]?(ttl|url|audience)s?$|secret[-_]?providers?$|^insecure|existing[-_]?secret$"
    r"|pull[-_]?secrets?$",
    re.IGNORECASE,
)
# Those of which a text is one, while a map says where they are, or more about it.
_CREDENTIALS = re.compile(r"credentials$", re.IGNORECASE)
# One is the name of an object, too: spec.credential of a ClusterDeployment.
_CREDENTIAL = re.compile(r"credential$", re.IGNORECASE)
_OBJECT_NAME = re.compile(r"[a-z0-9]([-a-z0-9./]*[a-z0-9])?")
# What authorizes, but for the words that say how.
_AUTH = re.compile(r"(?:^|[^A-Za-z])(?i:auth)$|[a-z0-9]Auth$|[a-z]AUTH$|(?i:basic|http|proxy|smtp)(?i:auth)$")
_HOW = re.compile(
    r"(basic|bearer(token)?|digest|oauth2?|oidc|ldaps?|saml2?|sigv4|m?tls|iam|kerberos|krb5|ntlm|jwt|negotiate|anonymous|none"
    r"|null|nil|no|yes|true|false|on|off|enabled?|disabled?|required?|optional|proxy|login|plain|cram-?md5|users?|token"
    r"|password|api[-_]?key|serviceaccount|webhook|kubernetes|default|auto|internal|external|any|all|strict|sso"
    r"|(basicauth|bearertokenauth|oauth2client|oidc|sigv4auth|headers_setter|azureauth|googleclientauth)(/[\w.-]*)?)?",
    re.IGNORECASE,
)
# By what somebody is told: whoever knows the URL may do so.
_HOOK = re.compile(
    r"web[-_]?hooks?($|[-_]?(ur[il]|link|endpoint|address|target|config|receiver)s?)|(^|[-_])hooks?$", re.IGNORECASE
)
_TOLD = re.compile(
    r"web[-_]?hook|^hooks?$|^(slack|discord|ms[-_]?teams(v2)?|teams|mattermost|rocket[-_]?chat|google[-_]?chat|wechat|webex"
    r"|feishu|dingding|dingtalk|telegram)[-_]?(configs?)?$",
    re.IGNORECASE,
)
_NOTIFIERS = frozenset(
    (
        "webhook",
        "slack",
        "teams",
        "msteams",
        "discord",
        "googlechat",
        "dingding",
        "mattermost",
        "wecom",
        "webex",
        "oncall",
    )
)
_ADDRESS = re.compile(r"(^|[-_.]|api|(?<=[a-z]))(ur[il]s?|endpoints?|address(es)?|links?|targets?)$", re.IGNORECASE)
_WITH_A_PATH = re.compile(r"\s*[a-z][a-z0-9+.-]*://[^/?#\s]+[/?#]+[^/?#\s]", re.IGNORECASE)
_KEY_LIKE = re.compile(r"(?=[^\d]*\d)[\w-]{20,}")
# A key of which the same name is said to be where the user's name is.
_USER_KEY = re.compile(r"user[-_]?key$", re.IGNORECASE)
_KEY_OF_USER = re.compile(r"(?=[^\d]*\d)[A-Za-z0-9]{25,}")
# A map of secrets by their names; what says in it only where one is; and what in it is a map of something else.
_MAP = re.compile(r"(secrets|credentials?|creds|basic[-_]?auth[-_]?users|htpasswd)$", re.IGNORECASE)
_SAYS_WHERE = re.compile(
    r"(name|namespace|refs?|type|kind|store|path|file|provider|class|version|group|region|interval|policy|mode|email"
    r"|scope|audience|issuer|format|description)s?$|^(users?|id|ur[il]|host|port|endpoint|)$",
    re.IGNORECASE,
)
_KEY = re.compile(r"keys?$", re.IGNORECASE)
_OTHER_MAP = frozenset(("labels", "annotations", "resources", "nodeSelector", "matchLabels", "podLabels", "image"))
# A name and its value in one map: of environment variables, and as AWS has them.
_NAME_OF_PAIR = re.compile(r"((parameter|header|option)?[-_]?(name|key)|header|option|field)", re.IGNORECASE)
_VALUE_OF_PAIR = re.compile(r"(parameter|header|option)?[-_]?value", re.IGNORECASE)
# Of a variable of a dashboard that somebody typed in, what he did.
_TYPED_IN = frozenset(("custom", "constant", "textbox"))
_OF_VARIABLE = frozenset(("current", "options", "query"))
# A text in which any of these may stand.
_MAY_NAME = re.compile(
    f"{_SECRET_NAME.pattern}|{_CREDENTIALS.pattern}|auth$|hooks?|htpasswd|cred|user[-_]?key$|http[-_]?header"
    "|slack|discord|teams|mattermost|rocket|google[-_]?chat|wechat|wecom|webex|feishu|ding(ding|talk)|telegram|oncall".replace(
        "$", "(?![A-Za-z])"
    ).replace("[-_]", "[-_ ]"),
    re.IGNORECASE,
)


class Within(enum.Enum):
    """What is known of a value by the names around it."""

    ANYTHING = enum.auto()
    CREDENTIALS = enum.auto()
    TOLD = enum.auto()


# What a name says, as bits of a number: an enum.Flag takes ten times as long, and every field of a fleet is asked.
(_IS_SECRET, _IS_CREDENTIALS, _IS_CREDENTIAL, _IS_AUTH, _IS_HOOK, _IS_USER_KEY, _IS_ADDRESS, _IS_TOLD, _IS_MAP,
 _IS_SAYS_WHERE, _IS_KEY, _IS_NAME_OF_PAIR, _IS_VALUE_OF_PAIR) = (1 << bit for bit in range(13))  # fmt: skip
_TEXTS = _IS_CREDENTIALS | _IS_CREDENTIAL | _IS_AUTH | _IS_HOOK | _IS_USER_KEY


@functools.lru_cache(maxsize=8192)  # a fleet has the same few names in each of its objects
def _of(name: str) -> int:
    found = 0
    for kind, pattern in (
        (_IS_CREDENTIALS, _CREDENTIALS),
        (_IS_CREDENTIAL, _CREDENTIAL),
        (_IS_AUTH, _AUTH),
        (_IS_HOOK, _HOOK),
        (_IS_USER_KEY, _USER_KEY),
        (_IS_ADDRESS, _ADDRESS),
        (_IS_TOLD, _TOLD),
        (_IS_MAP, _MAP),
        (_IS_SAYS_WHERE, _SAYS_WHERE),
        (_IS_SAYS_WHERE, _NO_SECRET),
        (_IS_KEY, _KEY),
    ):
        if pattern.search(name):
            found |= kind
    if _NAME_OF_PAIR.fullmatch(name):
        found |= _IS_NAME_OF_PAIR
    if _VALUE_OF_PAIR.fullmatch(name):
        found |= _IS_VALUE_OF_PAIR
    if _SECRET_NAME.search(name) and not _NO_SECRET.search(name):
        found |= _IS_SECRET
    return found


def is_secret_name(name: str) -> bool:
    """Is the value of a field, key or variable of this name to be hidden?"""
    return bool(_of(name) & _IS_SECRET)


def may_be_secret(name: str) -> bool:
    """Is some value of this name to be hidden?"""
    return bool(_of(name) & (_IS_SECRET | _TEXTS))


def may_name(text: str) -> bool:
    """Whether a name of a secret may stand in a text."""
    return bool(_MAY_NAME.search(text))


def is_secret(name: str, value: Any) -> bool:
    """Is a value of this name to be hidden? Of some names only a text is one, or a list of texts."""
    kinds = _of(name)
    if kinds & _IS_SECRET:
        return True
    if not kinds & _TEXTS:
        return False
    if isinstance(value, list):
        return any(isinstance(each, str) and is_secret(name, each) for each in value)
    return isinstance(value, str) and bool(value) and _is_secret_text(kinds, value.strip())


def _is_secret_text(kinds: int, value: str) -> bool:
    return bool(
        kinds & _IS_CREDENTIALS
        or (kinds & _IS_CREDENTIAL and not _OBJECT_NAME.fullmatch(value))
        or (kinds & _IS_AUTH and not _HOW.fullmatch(value))
        or (kinds & _IS_HOOK and (_WITH_A_PATH.match(value) or _KEY_LIKE.fullmatch(value)))
        or (kinds & _IS_USER_KEY and _KEY_OF_USER.fullmatch(value))
    )


def hidden_keys(value: Mapping[str, Any], within: Within = Within.ANYTHING) -> set[str]:
    """The keys of a map under which everything is to be hidden."""
    found = set()
    for key, each in value.items():
        kinds = _of(key if isinstance(key, str) else str(key))
        if (
            kinds
            and (
                (kinds & (_TEXTS | _IS_SECRET) and is_secret(str(key), each))
                or (kinds & _IS_VALUE_OF_PAIR and _names_a_secret(value, each))
            )
        ) or (within is not Within.ANYTHING and isinstance(each, str) and each and _by_map(kinds, value, each, within)):
            found.add(key)
    return found | (_OF_VARIABLE & value.keys() if _is_secret_variable(value) else set())


def _by_map(kinds: int, around: Mapping[str, Any], value: str, within: Within) -> bool:
    if within is Within.TOLD:
        return bool(kinds & _IS_ADDRESS and _WITH_A_PATH.match(value))
    if kinds & _IS_SAYS_WHERE:
        return False
    # {name: x, key: y} says where it is; a key alone is one.
    return not kinds & _IS_KEY or not any(str(key).lower().endswith("name") for key in around)


def within_of(key: str, around: Mapping[str, Any], within: Within) -> Within:
    """What is known of the value under a key of a map, of which `within` is known."""
    if key in _OTHER_MAP:
        return Within.ANYTHING
    kinds = _of(key)
    if kinds & _IS_MAP:
        return Within.CREDENTIALS
    kind = around.get("type")
    notifier = key == "settings" and isinstance(kind, str) and kind.lower() in _NOTIFIERS
    return Within.TOLD if kinds & _IS_TOLD or notifier else within


def is_told_of(value: Any, within: Within) -> bool:
    """Is it, in a list, one of the URLs by which somebody is told?"""
    return within is Within.TOLD and isinstance(value, str) and bool(_WITH_A_PATH.match(value))


def _names_a_secret(pair: Mapping[str, Any], value: Any) -> bool:
    """Is it one of a list of environment variables and the like, whose name is a secret's?"""
    return any(
        isinstance(name, str) and _of(str(key)) & _IS_NAME_OF_PAIR and is_secret(name, value)
        for key, name in pair.items()
    )


def _is_secret_variable(variable: Mapping[str, Any]) -> bool:
    """Is it a variable of a dashboard, with a secret's name, whose values somebody typed in?"""
    kind = variable.get("type")
    return (
        isinstance(kind, str)
        and kind in _TYPED_IN
        and any(
            isinstance(each, str) and is_secret_name(each) for each in (variable.get("name"), variable.get("label"))
        )
    )


def is_flag_of(argument: Any, value: Any) -> bool:
    """Is an argument of a command line the flag behind which the next one, a value, is a secret?"""
    if not isinstance(argument, str) or not argument.startswith("-") or not re.fullmatch(r"[\w.-]+", argument):
        return False
    return is_secret(argument.lstrip("-"), value)
