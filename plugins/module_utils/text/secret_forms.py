# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts that are secrets by their form, whatever they are called: keys and tokens of those who issue them, what is sent
to authorize a request, and URLs whose path or query is all that one needs to write somewhere. Pure, standard library
only. Logins in URLs are telling.py's; names are diff.py's.
"""

from __future__ import annotations

import base64
import binascii
import functools
import re
from dataclasses import dataclass


@dataclass(frozen=True)
class _Form:
    """
    :ivar hints: of which one is in each text that has the form, in lower case: a search for them costs nothing.
    :ivar pattern: what is hidden is its group `secret`.
    """

    hints: tuple[str, ...]
    pattern: re.Pattern[str]


def _form(*hints: str, pattern: str, flags: int = 0) -> _Form:
    return _Form(hints, re.compile(pattern, flags | re.VERBOSE))


#: A character of a path or query, not of what ends a URL in a text; and a slash, as it is, in JSON and in a query.
_REST = r"(?:[^\s\"'<>`\\]|\\+/)"
_SLASH = r"(?:\\*/|%2F)"


def _hooks(*patterns: str) -> str:
    """A pattern for URLs by which anybody may write, by host and path: what stands behind them is the key. Repetitions
    are bounded, for a text may be long."""
    of = "|".join(
        host + r"(?::\d+)?" + _SLASH + path.replace("/", _SLASH)
        for host, _slash, path in (each.partition("/") for each in patterns)
    )
    return rf"(?<![A-Za-z0-9])(?:{of})(?P<secret>{_REST}+)"


_FORMS = (
    # Whole blocks; where their end is missing, all of the rest.
    _form(
        "private key",
        pattern=r"(?P<secret>-----BEGIN[A-Z0-9\ ]{0,30}PRIVATE\ KEY(?:\ BLOCK)?-----[\s\S]*?"
        r"(?:-----END[A-Z0-9\ ]{0,30}PRIVATE\ KEY(?:\ BLOCK)?-----|\Z))",
    ),
    _form("putty-user-key-file", pattern=r"(?P<secret>PuTTY-User-Key-File-\d[\s\S]*)", flags=re.IGNORECASE),
    # What is issued with a beginning that says what it is.
    _form(
        *("akia", "asia", "abia", "acca"),
        pattern=r"(?<![A-Za-z0-9])(?P<secret>(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16})(?![A-Za-z0-9])",
    ),
    _form(
        "aiza", "ya29.", "gocspx-", pattern=r"(?<![\w-])(?P<secret>AIza[\w-]{35}|ya29\.[\w-]{20,}|GOCSPX-[\w-]{20,})"
    ),
    _form(
        *("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
        pattern=r"(?<![A-Za-z0-9])(?P<secret>gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{22,})",
    ),
    _form(
        *("glpat-", "gldt-", "glrt-", "glptt-", "glft-", "glcbt-", "glsoat-", "glagent-", "glimt-"),
        pattern=r"(?<![A-Za-z0-9])(?P<secret>gl(?:pat|dt|rt|ptt|ft|cbt|soat|agent|imt)-[\w-]{18,})",
    ),
    _form("xox", "xapp-", pattern=r"(?<![A-Za-z0-9])(?P<secret>xox[a-z](?:\.xox[a-z])?-[\w-]{10,}|xapp-\d-[\w-]{10,})"),
    _form("glsa_", "glc_", pattern=r"(?<![A-Za-z0-9])(?P<secret>glsa_\w{32,}|glc_[A-Za-z0-9+/=_-]{32,})"),
    _form(
        "k_live_",
        "k_test_",
        "whsec_",
        pattern=r"(?<![A-Za-z0-9])(?P<secret>[srp]k_(?:live|test)_\w{16,}|whsec_\w{16,})",
    ),
    _form(
        *("sk-", "hvs.", "hvb.", "hvr.", "sg.", "npm_", "pypi-", "dckr_", "_v1_", "shpat_", "lin_api_", "atlasv1."),
        pattern=r"(?<![\w.-])(?P<secret>sk-(?=[\w-]*\d)[\w-]{20,}|hv[sbr]\.[\w-]{20,}|SG\.[\w-]{16,}\.[\w-]{16,}"
        r"|npm_[A-Za-z0-9]{36}|pypi-[\w-]{50,}|dckr_(?:pat|oat)_[\w-]{20,}|do[opr]_v1_[a-f0-9]{32,}|shpat_[a-f0-9]{32}"
        r"|lin_api_\w{32,}|[A-Za-z0-9]{14}\.atlasv1\.[\w=-]{40,})",
    ),
    _form("age-secret-key-1", pattern=r"(?P<secret>AGE-SECRET-KEY-1[0-9A-Za-z]{50,})", flags=re.IGNORECASE),
    _form("8q~", pattern=r"(?<![\w~.-])(?P<secret>[\w~.-]{3}8Q~[\w~.-]{31,40})"),
    _form(":aa", pattern=r"(?<!\d)(?P<secret>\d{8,10}:AA[\w-]{30,})"),
    # A JSON Web Token, a service account's among them; JSON with a login in it, in base64 ({"auths", {"k":, {"auth":).
    _form(
        "eyj",
        pattern=r"(?<![\w-])"
        r"(?P<secret>eyJ[\w-]{6,}\.eyJ[\w-]{6,}\.[\w-]*|(?:eyJhdXRo|eyJrIjoi)[\w+/=-]{16,})",
    ),
    # Hashes of passwords, as htpasswd and shadow have them.
    _form(
        *("$2a$", "$2b$", "$2x$", "$2y$", "$apr1$", "$5$", "$6$", "$y$", "$argon2", "{sha}", "{ssha"),
        pattern=r"(?P<secret>\$2[abxy]\$\d\d\$[./\w]{20,}|\$(?:apr1|5|6|y)\$[./\w=$-]{20,}|\$argon2\w*\$\S{20,}"
        r"|\{S?SHA\d*\}[\w+/=]{20,})",
    ),
    # What is sent to authorize a request; a sentence about it has no digit there.
    _form(
        *("bearer", "basic", "token", "geniekey", "splunk", "apikey", "digest", "sharedkey", "aws4-hmac"),
        pattern=r"(?<![\w-])(?:(?:Bearer|GenieKey|Splunk|ApiKey|SharedKey(?:Lite)?)(?:\s+|%20|\+)(?=\S{8})"
        r"|Token(?:\s+|%20)(?=\S{16}))"
        rf"(?P<secret>(?=[\w.~+/=:%-]{{0,256}}?[\d=])[\w.~+/=:%-]{{8,}})"
        rf"|(?<![\w-])(?P<login>Basic(?:\s+|%20|\+)[A-Za-z0-9+/]{{8,}}=*)"
        rf"|(?<![\w-])(?P<signed>AWS4-HMAC-SHA256\s+Credential={_REST}+)",
        flags=re.IGNORECASE,
    ),
    # A line of .netrc.
    _form("machine", pattern=r"(?<![\w-])machine\s+\S{1,200}\s+login\s+\S{1,200}\s+password\s+(?P<secret>\S+)"),
    # A login in front of an address that isn't a URL: Go's MySQL driver, and what libraries of mail and AMQP take.
    _form(
        *("@tcp(", "@unix(", "@udp("),
        pattern=r"(?P<secret>[^\s\"'@/:]{1,64}:[^\s\"'/]{0,128})@(?:tcp|udp|unix)\(",
        flags=re.IGNORECASE,
    ),
    # URLs by which anybody may write: what stands behind the host is the key.
    _form(
        *("hooks.slack", "hook.office", "logic.azure", "powerplatform", "powerautomate", "discord", "telegram.org/bot"),
        *(".pagerduty.", "zapier.com", "feishu", "larksuite", "dingtalk", "weixin.qq", "victorops", "hc-ping"),
        *("nosnch.in", "deadmanssnitch", "chat.googleapis", "ifttt.com", "incident.io", "office.com/webhook", "hook."),
        *("opsgenie.com/v1/json", "rootly", "squadcast", "healthchecks.io", "betterstack", "betteruptime", "webexapis"),
        pattern=_hooks(
            r"[\w.-]{1,60}\.slack(?:-gov)?\.com/(?:services|workflows|triggers|commands)/",
            r"[\w.-]{0,60}webhook\.office\.com/",
            r"outlook\.office(?:365)?\.com/webhook/",
            r"[\w.-]{1,100}\.(?:logic\.azure|powerplatform|powerautomate)\.(?:com|us|cn)/",
            r"(?:[\w.-]{1,30}\.)?discord(?:app)?\.com/api/(?:v\d+/)?webhooks/",
            r"api\.telegram\.org/(?:file/)?bot",
            r"[\w.-]{0,30}events[\w.-]{0,30}\.pagerduty\.com/integration/",
            r"hooks\.zapier\.com/",
            r"open\.(?:feishu\.cn|larksuite\.com)/open-apis/bot/v\d+/hook/",
            r"oapi\.dingtalk\.com/robot/",
            r"qyapi\.weixin\.qq\.com/cgi-bin/webhook/",
            r"alert\.victorops\.com/integrations/",
            r"hc-ping\.com/",
            r"nosnch\.in/",
            r"[\w.-]{0,60}healthchecks\.io/ping/",
            r"chat\.googleapis\.com/v1/spaces/",
            r"maker\.ifttt\.com/trigger/",
            r"api\.incident\.io/v2/alert_events/",
            r"webhooks\.rootly\.com/",
            r"api\.squadcast\.com/v\d+/incidents/",
            r"uptime\.(?:betterstack|betteruptime)\.com/api/v\d+/(?:heartbeat|incoming-webhook)/",
            r"webexapis\.com/v1/webhooks/incoming/",
            r"hook\.[\w.-]{0,30}make\.com/",
        ),
        flags=re.IGNORECASE,
    ),
    # Mattermost, Rocket.Chat and what is built like them, at a host of one's own: a key as a step behind "hook".
    _form(
        "hook",
        pattern=rf"(?<=:)(?:{_SLASH}){{2}}{_REST}{{1,200}}?{_SLASH}(?:[\w-]{{0,30}}web)?-?hooks?(?:b2)?"
        rf"(?:{_SLASH}[\w.-]{{1,15}}){{0,5}}{_SLASH}(?P<secret>(?=[\w.-]{{0,60}}\d)[A-Za-z0-9._-]{{16,}}{_REST}*)",
        flags=re.IGNORECASE,
    ),
    # A query that authorizes: a signature of a request or of a link, a key.
    _form(
        *("sig=", "signature=", "key=", "token=", "code=", "auth=", "credential=", "pass=", "pwd=", "secret="),
        pattern=r"(?<=[?&;])(?:[\w.-]{0,60}(?:signature|token|secret|api-?key|credential|password)|sig|auth|key|k|code|pass|pwd|sas)="
        r"(?P<secret>(?!\$\{|\$\(|\{\{|\((?:hidden)\)|<secret:)[^\s&;\"'<>`\\#]{6,})",
        flags=re.IGNORECASE,
    ),
)
_HINTS = tuple({hint for form in _FORMS for hint in form.hints})
_GROUPS = ("secret", "login", "signed")
_SPACE = re.compile(r"\s+|%20|\+")
#: A text that is base64 and nothing else; what is in it may be of one of the forms.
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/_-]{4}[\r\n]*){4,}(?:[A-Za-z0-9+/_-]{2,3}={0,2})?")
#: `user:password`, as Docker and htpasswd have it in base64.
_LOGIN = re.compile(r"[\w.@$+-]{1,64}:[!-~]{3,}")
#: Characters of a text in base64 that is looked into.
_LONGEST_CODED = 65_536


@functools.lru_cache(maxsize=4096)  # most texts of a cluster are those of many others
def found(text: str) -> bool:
    """Whether a secret is in the text, by its form."""
    return len(text) > 7 and (hidden(text, "") != text)


@functools.lru_cache(maxsize=1024)
def hidden(text: str, mark: str) -> str:
    """The text with `mark` in the place of each; of base64 all of it."""
    if len(text) < 8:
        return text
    there = text.lower().__contains__
    for form in _FORMS if any(map(there, _HINTS)) else ():
        if any(map(there, form.hints)):
            text = form.pattern.sub(functools.partial(_marked, mark), text)
    return mark if _is_coded(text) else text


def _marked(mark: str, match: re.Match[str]) -> str:
    group = next(name for name in _GROUPS if match.groupdict().get(name))
    start, end = (at - match.start() for at in match.span(group))
    if match[group] == mark or (group == "login" and not _is_login(_SPACE.split(match[group], maxsplit=1)[1])):
        return match[0]
    return f"{match[0][:start]}{mark}{match[0][end:]}"


def _is_login(text: str) -> bool:
    return bool(_LOGIN.fullmatch(_decoded(text)))


def _is_coded(text: str) -> bool:
    """Whether it is base64 of a secret. What is told anybody is coded, too: certificates."""
    if not 16 <= len(text) <= _LONGEST_CODED or not _BASE64.fullmatch(text.strip()):
        return False
    plain = _decoded(text)
    return bool(plain) and (bool(_LOGIN.fullmatch(plain)) or found(plain) or _names_a_login(plain))


def _names_a_login(plain: str) -> bool:
    """Whether it is the file of a login: of Docker, or of an API server."""
    return '"auths"' in plain or "client-key-data" in plain or ("kind: Config" in plain and "users:" in plain)


def _decoded(text: str) -> str:
    """Of base64 the text; empty where it is none."""
    packed = "".join(text.split()).rstrip("=").translate({ord("-"): "+", ord("_"): "/"})
    try:
        plain = base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
    return plain if plain.isprintable() or "\n" in plain else ""
