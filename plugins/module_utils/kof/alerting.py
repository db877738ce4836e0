# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user's Alertmanager configuration and alert rules must look like: structure, names that refer to each other,
and no secret in them. Pure.

Alertmanager refuses a configuration with any unknown key as a whole and goes on with the one before, and the operator
leaves a broken VMRule out, both in a log that nobody reads. Sources: config/config.go and config/notifiers.go of
Alertmanager v0.27.0, which kof-mothership 0.1.1 brings, common v0.46.0 (its HTTP options), api/operator/v1beta1 of the
VictoriaMetrics operator v0.48.4. Whether an expression is PromQL only an engine can tell: preflight asks promxy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.k0rdent.kof.plugins.module_utils.kof import alert_values, syntax
from ansible_collections.k0rdent.kof.plugins.module_utils.text.telling import logins, quoted
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import did_you_mean

#: Where the operator mounts the Secrets that a VMAlertmanager names, each as a folder with a file for each key.
SECRETS_FOLDER = "/etc/vm/secrets"
#: What says that a cluster is under maintenance: an alert that lasts until then, and that inhibits the others.
MAINTENANCE = "ClusterUnderMaintenance"
#: The receiver of what nobody is to be told.
NOBODY = "k0rdent.kof/nobody"

_GLOBAL = """resolve_timeout http_config smtp_from smtp_hello smtp_smarthost smtp_auth_username smtp_auth_password
    smtp_auth_password_file smtp_auth_secret smtp_auth_identity smtp_require_tls slack_api_url slack_api_url_file
    pagerduty_url opsgenie_api_url opsgenie_api_key opsgenie_api_key_file wechat_api_url wechat_api_secret
    wechat_api_corp_id victorops_api_url victorops_api_key victorops_api_key_file telegram_api_url webex_api_url"""
_ROUTE = """receiver group_by match match_re matchers mute_time_intervals active_time_intervals continue routes
    group_wait group_interval repeat_interval"""
_INHIBIT = "source_match source_match_re source_matchers target_match target_match_re target_matchers equal"
_TOP = "global route inhibit_rules receivers templates mute_time_intervals time_intervals"
_INTERVAL = "times weekdays days_of_month months years location"
#: By integration its keys, beside send_resolved and, but for email, http_config.
_INTEGRATIONS: Mapping[str, str] = {
    "discord": "webhook_url webhook_url_file title message",
    "email": "to from hello smarthost auth_username auth_password auth_password_file auth_secret auth_identity headers "
    "html text require_tls tls_config",
    "msteams": "webhook_url webhook_url_file title summary text",
    "opsgenie": "api_key api_key_file api_url message description source details entity responders actions tags note "
    "priority update_alerts",
    "pagerduty": "service_key service_key_file routing_key routing_key_file url client client_url description details "
    "images links source severity class component group",
    "pushover": "user_key user_key_file token token_file title message url url_title device sound priority retry "
    "expire ttl html",
    "slack": "api_url api_url_file channel username color title title_link pretext text fields short_fields footer "
    "fallback callback_id icon_emoji icon_url image_url thumb_url link_names mrkdwn_in actions",
    "sns": "api_url sigv4 topic_arn phone_number target_arn subject message attributes",
    "telegram": "api_url bot_token bot_token_file chat_id message disable_notifications parse_mode",
    "victorops": "api_key api_key_file api_url routing_key message_type state_message entity_display_name "
    "monitoring_tool custom_fields",
    "webex": "api_url message room_id",
    "webhook": "url url_file max_alerts",
    "wechat": "api_secret corp_id message api_url to_user to_party to_tag agent_id message_type",
}
#: Of an integration, what it must have: sets of keys one of which is there, `global.` those of the global section.
_NEEDED: Mapping[str, Sequence[Sequence[str]]] = {
    "discord": [["webhook_url_file"]],
    "email": [["to"], ["smarthost", "global.smtp_smarthost"], ["from", "global.smtp_from"]],
    "msteams": [["webhook_url_file"]],
    "opsgenie": [["api_key_file", "global.opsgenie_api_key_file"]],
    "pagerduty": [["routing_key_file", "service_key_file"]],
    "pushover": [["user_key_file"], ["token_file"]],
    "slack": [["api_url_file", "global.slack_api_url_file"]],
    "sns": [["topic_arn", "target_arn", "phone_number"]],
    "telegram": [["bot_token_file"], ["chat_id"]],
    "victorops": [["api_key_file", "global.victorops_api_key_file"], ["routing_key"]],
    "webex": [["room_id"]],
    "webhook": [["url", "url_file"]],
}
_HTTP = """basic_auth authorization oauth2 bearer_token bearer_token_file tls_config follow_redirects enable_http2
    proxy_url no_proxy proxy_from_environment proxy_connect_header"""
_TLS = "ca cert key ca_file cert_file key_file server_name insecure_skip_verify min_version max_version"
#: Maps of fixed keys, wherever they are.
_MAPS: Mapping[str, str] = {
    "http_config": _HTTP,
    "tls_config": _TLS,
    "basic_auth": "username username_file password password_file",
    "authorization": "type credentials credentials_file",
    "oauth2": "client_id client_secret client_secret_file scopes token_url endpoint_params tls_config proxy_url "
    "no_proxy proxy_from_environment proxy_connect_header",
    "sigv4": "region access_key secret_key profile role_arn",
}
#: Keys whose values are secrets, wherever they are; of an integration those that are none elsewhere. Each has a key
#: `<name>_file` beside it, but those of `_WITHOUT_FILE`.
_SECRETS = frozenset(
    (
        *("smtp_auth_password", "smtp_auth_secret", "slack_api_url", "opsgenie_api_key", "wechat_api_secret"),
        *("victorops_api_key", "auth_password", "auth_secret", "webhook_url", "api_key", "service_key", "user_key"),
        *("token", "bot_token", "api_secret", "secret_key", "password", "credentials", "bearer_token"),
        *("client_secret", "key", "proxy_connect_header"),
    )
)
_SECRETS_OF = {("slack", "api_url"), ("pagerduty", "routing_key")}
_WITHOUT_FILE = frozenset(
    ("smtp_auth_secret", "wechat_api_secret", "auth_secret", "api_secret", "secret_key", "proxy_connect_header")
)
_BOOLEANS = frozenset(
    (
        *("send_resolved", "smtp_require_tls", "require_tls", "continue", "insecure_skip_verify", "follow_redirects"),
        *("enable_http2", "proxy_from_environment", "link_names", "short_fields", "update_alerts"),
        *("disable_notifications", "short"),
    )
)
_DURATIONS = ("resolve_timeout", "group_wait", "group_interval", "repeat_interval")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")
_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*\Z")
_MATCHER = re.compile(r'\s*[a-zA-Z_:][a-zA-Z0-9_:]*\s*(?:=~|!~|!=|=)\s*(?:"(?:[^"\\]|\\.)*"|[^",{}\s]+)\s*')
_PARTS = re.compile(r'(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*"|[^",{}\s]+)')
_FILE = re.compile(rf"{SECRETS_FOLDER}/(?P<secret>[^/]+)/(?P<key>[A-Za-z0-9._-]+)\Z")
_PRIVATE_KEY = "PRIVATE KEY-----"

_GROUP = "name interval rules limit eval_offset eval_delay eval_alignment concurrency labels"
_RULE = "record alert expr for keep_firing_for labels annotations debug update_entries_limit"


class Problem(NamedTuple):
    """:ivar where: path in the variable. :ivar right: what would be right instead; empty for the usual example."""

    where: str
    what: str
    right: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.where else self.what


# -- Alertmanager


def config_problems(config: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with an Alertmanager configuration. No value is told but names of receivers and intervals."""
    problems = list(_keys(config, _TOP, ""))
    if config.get("templates"):
        problems.append(Problem("templates", "no file of templates is in Alertmanager's pod", "the text itself"))
    names = _names(config, "receivers", problems)
    intervals = [
        *_names(config, "time_intervals", problems),
        *_names(config, "mute_time_intervals", problems),
    ]
    problems += [
        Problem("receivers", f"{quoted(name)} is one of ours", "another name") for name in names if name == NOBODY
    ]
    overall = config.get("global", {})
    if not isinstance(overall, Mapping):
        problems.append(Problem("global", "must be a map"))
        overall = {}
    problems += [*_keys(overall, _GLOBAL, "global"), *_inside(overall, "global", "")]
    problems += _durations(overall, "global")
    for index, receiver in enumerate(_maps(config, "receivers")):
        problems += _receiver(receiver, f"receivers[{index}]", overall)
    route = config.get("route")
    if not isinstance(route, Mapping):
        problems.append(Problem("route", "is required", "route: {receiver: team-a}"))
    else:
        problems += _route(route, "route", names, intervals)
    for section in ("time_intervals", "mute_time_intervals"):
        for index, each in enumerate(_maps(config, section)):
            where = f"{section}[{index}]"
            problems += _keys(each, "name time_intervals", where)
            problems += _list_of_maps(each, "time_intervals", where)
            for number, interval in enumerate(_maps(each, "time_intervals")):
                at = f"{where}.time_intervals[{number}]"
                problems += _keys(interval, _INTERVAL, at)
                problems += [Problem(f"{at}.{key}", *wrong) for key, wrong in alert_values.interval(interval)]
    problems += _list_of_maps(config, "inhibit_rules", "")
    for index, each in enumerate(_maps(config, "inhibit_rules")):
        where = f"inhibit_rules[{index}]"
        problems += _keys(each, _INHIBIT, where)
        for key in ("source_matchers", "target_matchers"):
            problems += _matchers(each.get(key, []), f"{where}.{key}")
        problems += [*_match(each, ("source_match", "target_match"), where), *_label_list(each, "equal", where)]
    problems += _loose_secrets(config, "")
    return problems


def secrets_of(config: Any) -> list[str]:
    """Names of the Secrets whose keys a configuration reads as files, each once."""
    return list(dict.fromkeys(secret for secret, _key in secret_keys_of(config)))


def secret_keys_of(config: Any) -> list[tuple[str, str]]:
    """The keys of Secrets that a configuration reads as files, each once: Secret and key."""
    found: dict[tuple[str, str], None] = {}
    if isinstance(config, Mapping):
        for key, value in config.items():
            match = _FILE.match(value) if key.endswith("_file") and isinstance(value, str) else None
            found |= {(match["secret"], match["key"]): None} if match else dict.fromkeys(secret_keys_of(value))
    elif isinstance(config, list):
        for each in config:
            found |= dict.fromkeys(secret_keys_of(each))
    return list(found)


def with_maintenance(config: Mapping[str, Any], cluster_label: str) -> dict[str, Any]:
    """A configuration without problems, in which a cluster's maintenance holds that cluster's alerts back, and nobody
    is told of the maintenance itself."""
    said = {
        "receiver": NOBODY,
        "matchers": [f'alertname="{MAINTENANCE}"'],
    }
    inhibits = {
        "source_matchers": [f'alertname="{MAINTENANCE}"'],
        "target_matchers": [f'alertname!="{MAINTENANCE}"'],
        "equal": [cluster_label],
    }
    return {
        **config,
        "route": {**config["route"], "routes": [said, *config["route"].get("routes", [])]},
        "receivers": [*config["receivers"], {"name": NOBODY}],
        "inhibit_rules": [*config.get("inhibit_rules", []), inhibits],
    }


def _names(config: Mapping[str, Any], section: str, problems: list[Problem]) -> list[str]:
    """The names of a section's maps; what is wrong with the section itself goes to `problems`."""
    problems += _list_of_maps(config, section, "")
    if section == "receivers" and not config.get(section):
        problems.append(Problem(section, "is required", "receivers: [{name: team-a, webhook_configs: [...]}]"))
    names: list[str] = []
    for index, each in enumerate(_maps(config, section)):
        name = each.get("name")
        if not isinstance(name, str) or not name:
            problems.append(Problem(f"{section}[{index}]", "has no name"))
        elif name in names:
            problems.append(Problem(f"{section}[{index}]", f"the name {quoted(name)} is there twice"))
        else:
            names.append(name)
    return names


def _receiver(receiver: Mapping[str, Any], where: str, overall: Mapping[str, Any]) -> Iterator[Problem]:
    keys = {f"{name}_configs": name for name in _INTEGRATIONS}
    yield from _keys(receiver, f"name {' '.join(keys)}", where)
    for key, integration in keys.items():
        yield from _list_of_maps(receiver, key, where)
        for index, each in enumerate(_maps(receiver, key)):
            at = f"{where}.{key}[{index}]"
            if integration == "wechat":
                yield Problem(at, "Alertmanager 0.27 takes its api_secret from no file", "another integration")
                continue
            own = _INTEGRATIONS[integration] + ("" if integration == "email" else " http_config")
            yield from _keys(each, f"send_resolved {own}", at)
            inside = list(_inside(each, at, integration))
            yield from inside
            for needed in _NEEDED.get(integration, ()):
                there = [name for name in needed if _there(each, overall, name)]
                told = any(
                    problem.where.startswith(f"{at}.{name.removesuffix('_file')}")
                    for name in needed
                    for problem in inside
                )
                if not there and not told:
                    yield Problem(at, f"lacks {' or '.join(needed)}", _example(needed[0]))
            if integration == "webhook":
                yield from _webhook(each, at)


def _there(config: Mapping[str, Any], overall: Mapping[str, Any], name: str) -> bool:
    section, _dot, key = name.rpartition(".")
    return bool((overall if section else config).get(key))


def _webhook(config: Mapping[str, Any], where: str) -> Iterator[Problem]:
    """The address of a webhook is a secret to Alertmanager itself: who knows it may post there. That of a Service of
    the cluster is none."""
    url = config.get("url")
    if url is None:
        return
    if config.get("url_file"):
        yield Problem(where, "has both url and url_file", "one of them")
    if not isinstance(url, str) or not re.match(r"https?://", url):
        yield Problem(f"{where}.url", "must be an address that begins with http:// or https://")
    elif not re.match(
        r"https?://(?:[a-z0-9-]+|[a-z0-9.-]+\.svc(?:\.[a-z0-9.-]+)?|127\.[0-9.]+)(?::[0-9]+)?(?:/[^?#@]*)?\Z", url
    ):
        what = "an address outside of the cluster lets in who knows it, so it is a secret"
        yield Problem(f"{where}.url", what, _example("url_file"))


def _example(key: str) -> str:
    name = key.rpartition(".")[2]
    value = f"{SECRETS_FOLDER}/<secret>/<key>" if name.endswith("_file") else "..."
    return f"{name}: {value}" + (", of a Secret in the namespace of kof" if name.endswith("_file") else "")


def _route(
    route: Mapping[str, Any], where: str, receivers: Sequence[str], intervals: Sequence[str]
) -> Iterator[Problem]:
    yield from _keys(route, _ROUTE, where)
    yield from _durations(route, where)
    root, receiver = where == "route", route.get("receiver")
    if receiver is None:
        if root:
            yield Problem(where, "receiver is required: it gets what no other route takes")
    elif receiver not in receivers:
        named = quoted(receiver) if isinstance(receiver, str) else "it"
        near = did_you_mean(receiver, receivers) if isinstance(receiver, str) else ""
        yield Problem(f"{where}.receiver", f"{named} is none of the receivers{near}")
    for key in ("match", "match_re", "matchers", "continue", "mute_time_intervals", "active_time_intervals"):
        if root and route.get(key):
            yield Problem(f"{where}.{key}", "the first route takes all alerts at all times", "a route under its routes")
    for key in ("mute_time_intervals", "active_time_intervals"):
        names = route.get(key)
        if names is not None and not (isinstance(names, list) and all(isinstance(each, str) for each in names)):
            yield Problem(f"{where}.{key}", "must be a list of names of time_intervals", f"{key}: [nights]")
            continue
        for name in names or ():
            if name not in intervals:
                near = did_you_mean(name, intervals)
                yield Problem(f"{where}.{key}", f"{quoted(name)} is none of the time_intervals{near}")
    if "continue" in route and not isinstance(route["continue"], bool):
        yield Problem(f"{where}.continue", "must be true or false")
    group_by = route.get("group_by", [])
    if not isinstance(group_by, list) or not all(
        each == "..." or (isinstance(each, str) and _LABEL.match(each)) for each in group_by
    ):
        yield Problem(f"{where}.group_by", "must be a list of labels", "group_by: [alertname, clusterName]")
    elif len(set(group_by)) < len(group_by) or ("..." in group_by and len(group_by) > 1):
        yield Problem(f"{where}.group_by", "names a label twice, or one beside '...', which is all")
    yield from _matchers(route.get("matchers", []), f"{where}.matchers")
    yield from _match(route, ("match",), where)
    yield from _list_of_maps(route, "routes", where)
    for index, each in enumerate(_maps(route, "routes")):
        yield from _route(each, f"{where}.routes[{index}]", receivers, intervals)


def _matchers(matchers: Any, where: str) -> Iterator[Problem]:
    if not isinstance(matchers, list):
        yield Problem(where, "must be a list", f"""{where.rpartition(".")[2]}: ['severity="critical"']""")
        return
    for index, each in enumerate(matchers):
        inner = each.strip().removeprefix("{").removesuffix("}") if isinstance(each, str) else ""
        if not re.fullmatch(rf"{_MATCHER.pattern}(?:,{_MATCHER.pattern})*,?", inner):
            yield Problem(f"{where}[{index}]", "is no matcher", """'severity="critical"', with =, !=, =~ or !~""")
            continue
        for found in _PARTS.finditer(inner):
            wrong = alert_values.regex(alert_values.unescaped(found[2])) if found[1].endswith("~") else None
            if wrong:
                yield Problem(f"{where}[{index}]", *wrong)


def _match(found: Mapping[str, Any], names: Sequence[str], where: str) -> Iterator[Problem]:
    """Matchers as they were said before there was a list of them."""
    for key in (each for name in names for each in (name, f"{name}_re")):
        said = found.get(key)
        wrong = alert_values.table(said, key) if said is not None else None
        if not wrong and not all(map(_LABEL.match, said or {})):
            wrong = "has what can be no label", f"{key}: {{severity: critical}}"
        if not wrong and key.endswith("_re"):
            wrong = next(filter(None, map(alert_values.regex, (said or {}).values())), None)
        if wrong:
            yield Problem(f"{where}.{key}", *wrong)


def _label_list(found: Mapping[str, Any], key: str, where: str) -> Iterator[Problem]:
    labels = found.get(key)
    if labels is None:
        return
    if not isinstance(labels, list) or not all(isinstance(each, str) and _LABEL.match(each) for each in labels):
        yield Problem(f"{where}.{key}", "must be a list of labels", f"{key}: [alertname, clusterName]")


def _inside(value: Any, where: str, integration: str) -> Iterator[Problem]:
    """Secrets, booleans, files and maps of fixed keys in a section."""
    if isinstance(value, list):
        for index, each in enumerate(value):
            yield from _inside(each, f"{where}[{index}]", integration)
    if not isinstance(value, Mapping):
        return
    for key, each in value.items():
        at = f"{where}.{key}"
        inner = where.rpartition(".")[2]
        if inner in alert_values.TABLES:
            continue  # whatever the user likes to call them
        if (key in _SECRETS or (integration, key) in _SECRETS_OF) and each not in (None, ""):
            right = _example(f"{key}_file") if key not in _WITHOUT_FILE else "leave it out: it can be read from no file"
            yield Problem(at, "is a secret, and would stand in Helm's record and in an object as it is", right)
        elif key.endswith("_file"):
            yield from _file(each, at)
        elif key in _BOOLEANS and not isinstance(each, bool):
            yield Problem(at, "must be true or false")
        elif key in _MAPS:
            if not isinstance(each, Mapping):
                yield Problem(at, "must be a map")
            else:
                yield from _keys(each, _MAPS[key], at)
                yield from _inside(each, at, integration)
        else:
            wrong = alert_values.form(key, each)
            if wrong:
                yield Problem(at, *wrong)
            yield from _inside(each, at, integration)


def _file(value: Any, where: str) -> Iterator[Problem]:
    match = _FILE.match(value) if isinstance(value, str) else None
    if not match or syntax.object_name(match["secret"]):
        what = "must be a key of a Secret in the namespace of kof: no other file is in Alertmanager's pod"
        yield Problem(where, what, f"{SECRETS_FOLDER}/<secret>/<key>")


def _loose_secrets(value: Any, where: str) -> Iterator[Problem]:
    """Logins in addresses and private keys, wherever they are."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _loose_secrets(each, f"{where}.{key}" if where else key)
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _loose_secrets(each, f"{where}[{index}]")
    elif isinstance(value, str):
        if logins(value):
            yield Problem(where, "has a login in an address", "the address without it")
        if _PRIVATE_KEY in value:
            yield Problem(where, "is a private key", f"{where.rpartition('.')[2]}_file, of a Secret")


# -- rules


def rule_problems(groups: Sequence[Any], cluster: str = "", labels: Sequence[str] = ()) -> list[Problem]:
    """What is wrong with groups of rules.

    :param cluster: name of the cluster that they are about; empty for rules about all clusters.
    :param labels: of metrics, any of which may name that cluster.
    """
    problems: list[Problem] = []
    names: set[str] = set()
    for index, group in enumerate(groups):
        where = f"[{index}]"
        if not isinstance(group, Mapping):
            problems.append(Problem(where, "must be a map of name and rules"))
            continue
        problems += _keys(group, _GROUP, where)
        name = group.get("name")
        if not isinstance(name, str) or not name:
            problems.append(Problem(where, "has no name"))
        elif name in names:
            problems.append(Problem(where, f"the group {quoted(name)} is there twice"))
        else:
            names.add(name)
        for key in ("interval", "eval_offset", "eval_delay"):
            problems += _duration(group, key, where)
        problems += _forms(group, ("limit", "concurrency", "eval_alignment"), where)
        problems += [*_labels(group, "labels", where), *_list_of_maps(group, "rules", where)]
        if not _maps(group, "rules"):
            problems.append(Problem(where, "has no rules"))
        for number, rule in enumerate(_maps(group, "rules")):
            problems += _rule(rule, f"{where}.rules[{number}]", cluster, labels)
    return problems


def _rule(rule: Mapping[str, Any], where: str, cluster: str, labels: Sequence[str]) -> Iterator[Problem]:
    yield from _keys(rule, _RULE, where)
    alert, record = rule.get("alert"), rule.get("record")
    if (alert is None) == (record is None):
        yield Problem(where, "must have either alert or record", "{alert: NodeDown, expr: up == 0, for: 5m}")
    elif record is not None and not (isinstance(record, str) and _METRIC.match(record)):
        yield Problem(f"{where}.record", "must be the name of a metric")
    elif alert is not None and not (isinstance(alert, str) and alert):
        yield Problem(f"{where}.alert", "must be a name")
    elif alert == MAINTENANCE:
        yield Problem(f"{where}.alert", f"{MAINTENANCE} is what child_maintenance_until makes", "another name")
    if record is not None:
        for key in ("for", "keep_firing_for", "annotations"):
            if rule.get(key):
                yield Problem(f"{where}.{key}", "is of alerts only")
    expression = rule.get("expr")
    if not isinstance(expression, str) or not expression.strip():
        yield Problem(f"{where}.expr", "must be PromQL, as text", 'expr: up{job="a"} == 0')
    elif cluster and not _selects(expression, cluster, labels):
        what = f"selects no {labels[0]} {quoted(cluster)}: it would be about every cluster"
        yield Problem(f"{where}.expr", what, f'{labels[0]}="{cluster}" in its selectors, or mothership_alert_rules')
    for key in ("for", "keep_firing_for"):
        yield from _duration(rule, key, where)
    yield from _forms(rule, ("debug", "update_entries_limit"), where)
    yield from _labels(rule, "labels", where)
    for key, text in (rule.get("annotations") or {}).items() if isinstance(rule.get("annotations"), Mapping) else ():
        if not isinstance(text, str):
            yield Problem(f"{where}.annotations.{key}", "must be text: quote it")
        elif text.count("{{") != text.count("}}"):
            yield Problem(
                f"{where}.annotations.{key}", "has braces that don't close", "'{{ $labels.pod }}', with !unsafe"
            )
        elif logins(text):
            yield Problem(f"{where}.annotations.{key}", "has a login in an address", "the address without it")
    if rule.get("annotations") is not None and not isinstance(rule["annotations"], Mapping):
        yield Problem(f"{where}.annotations", "must be a map of texts")
    if cluster and isinstance(rule.get("labels"), Mapping) and rule["labels"].get(labels[0], cluster) != cluster:
        yield Problem(f"{where}.labels.{labels[0]}", f"is {quoted(cluster)}, which is set here", "leave it out")


def _selects(expression: str, cluster: str, labels: Sequence[str]) -> bool:
    """Whether a selector names the cluster, by any of the labels."""
    name = rf"(?<![a-z0-9-]){re.escape(cluster)}(?![a-z0-9-])"
    return bool(re.search(rf"\b(?:{'|'.join(labels)})\s*=(?:~\s*([\"'`])[^\"'`]*|\s*([\"'`])){name}", expression))


def _labels(owner: Mapping[str, Any], key: str, where: str) -> Iterator[Problem]:
    labels = owner.get(key)
    if labels is None:
        return
    if not isinstance(labels, Mapping):
        yield Problem(f"{where}.{key}", "must be a map of texts")
        return
    for name, value in labels.items():
        if not _LABEL.match(name) or name in ("alertname", "__name__"):
            yield Problem(f"{where}.{key}", f"{quoted(name)} can't be a label here", "letters, digits and _")
        elif not isinstance(value, str):
            yield Problem(f"{where}.{key}.{name}", "must be text: quote it")


# -- both


def _keys(found: Mapping[str, Any], known: str, where: str) -> Iterator[Problem]:
    names = known.split()
    for key in found:
        if key not in names:
            yield Problem(where, f"knows no key {quoted(key)}{did_you_mean(key, names)}", "leave it out")


def _maps(found: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    items = found.get(key)
    return [each for each in items if isinstance(each, Mapping)] if isinstance(items, list) else []


def _list_of_maps(found: Mapping[str, Any], key: str, where: str) -> Iterator[Problem]:
    items = found.get(key)
    if items is not None and (not isinstance(items, list) or not all(isinstance(each, Mapping) for each in items)):
        yield Problem(f"{where}.{key}" if where else key, "must be a list of maps")


def _forms(found: Mapping[str, Any], keys: Sequence[str], where: str) -> Iterator[Problem]:
    for key in keys:
        wrong = alert_values.form(key, found.get(key))
        if wrong:
            yield Problem(f"{where}.{key}", *wrong)


def _durations(found: Mapping[str, Any], where: str) -> Iterator[Problem]:
    for key in _DURATIONS:
        yield from _duration(found, key, where)


def _duration(found: Mapping[str, Any], key: str, where: str) -> Iterator[Problem]:
    value = found.get(key)
    wrong = alert_values.duration(key, value) if value is not None else None
    if wrong:
        yield Problem(f"{where}.{key}", *wrong)
