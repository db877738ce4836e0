# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one gate through which text leaves an action: its result, its errors, and each line that it displays meanwhile.

Behind it no text has what Ansible's vault held, under whatever name, no login in a URL, and no character that does more
than stand there. Who the secrets are of is known here alone; what is done to a text is telling.py's and shown.py's.
"""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.spec import PREFIXES, ROLES, load_spec
from ansible_collections.k0rdent.kof.plugins.module_utils.text import plain
from ansible_collections.k0rdent.kof.plugins.module_utils.text.shown import shown
from ansible_collections.k0rdent.kof.plugins.module_utils.text.telling import ANYWHERE, HIDDEN, Hider
from ansible_collections.k0rdent.kof.plugins.plugin_utils import core_internals
from ansible_collections.k0rdent.kof.plugins.plugin_utils.same_for_all import mentioned

# Core imports an action in the process that it forks for each task: what every task reads is read there, and once.
for _role in ROLES:
    load_spec(_role)

#: Variables of core's that are none of a user's, and large.
_CORES = (
    "groups",
    "hostvars",
    "vars",
    "play_hosts",
    "ansible_play_hosts",
    "ansible_play_hosts_all",
    "ansible_play_batch",
)


#: What stands on every object and in every line about it, and so is no secret, wherever it is kept. Names of hosts and
#: groups are public, too.
PUBLIC = ("kof_fleet", "kof_namespace", "kof_kcm_namespace", "kof_version", *(f"{role}_cluster_name" for role in ROLES))
#: What a task says, as if a variable of this name had it.
_TASK = "arguments of the task"
_QUOTED = re.compile(r"'([^'\n]*)'|\"([^\"\n]*)\"")
_LOOKUP = re.compile(r"\b(?:lookup|query|q)\s*\(")
_EXPRESSION = re.compile(r"(\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\})", re.DOTALL)


class _Written(NamedTuple):
    """What can be seen of a value that isn't templated."""

    #: Texts in it that a vault held.
    held: frozenset[str] = frozenset()
    #: One of these is a template, so that what becomes of it is secret.
    becomes: bool = False
    #: The variables that templates in it may read; all, if `any_name`; of other hosts, too, if `abroad`.
    names: frozenset[str] = frozenset()
    any_name: bool = False
    abroad: bool = False


_NOTHING = _Written()


class Vaulted:
    """What an action has read that is from Ansible's vault: single values, and all of encrypted files, also where a
    lookup names one.

    By value, not by place: templates put them into other variables. Nothing is templated for it, so no lookup is run,
    and nothing is decrypted but what was read itself and what its templates name. Looked for when the first text is
    asked for.
    """

    def __init__(
        self,
        public: Iterable[str] = (),
        hosts: Callable[[], Iterable[dict[str, Any]]] = tuple,
        encrypted: Callable[[str], Iterable[str]] = lambda name: (),
    ) -> None:
        """
        :param public: texts that are no secret, also where an encrypted file says them or a word in them.
        :param hosts: the variables of all hosts, not templated: templates may read those of others.
        :param encrypted: the text of a file that a lookup names, if it is encrypted.
        """
        self.public = set(public)
        self._encrypted = functools.cache(lambda name: {text.strip() for text in encrypted(name)} - {""})
        self._hosts = functools.cache(lambda: tuple(hosts()))
        self._heard: list[tuple[dict[str, Any], Collection[str], Mapping[str, Any]]] = []
        self._written: dict[int, tuple[Any, _Written]] = {}  # variables of groups are the same objects for each host
        self._of_others: dict[_Written, list[_Written]] = {}
        self._texts: set[str] = set()
        self._known: tuple[int, int] | None = None
        self._hider = Hider(())

    def hear(self, variables: Mapping[str, Any], names: Collection[str], values: Mapping[str, Any]) -> None:
        """
        :param variables: all of a host, by name, not templated.
        :param names: which of them were read.
        :param values: what became of those, as builtin types, as far as that is known.
        """
        self._heard.append((variables if isinstance(variables, dict) else dict(variables), names, values))

    def hider(self) -> Hider:
        heard, self._heard = self._heard, []
        for each in heard:
            self._read(*each)
        if (known := (len(self._texts), len(self.public))) != self._known:
            secrets = self._texts - self.public
            self._hider = Hider(secrets - _documented() if secrets else (), anywhere=ANYWHERE)  # that reads files
            self._known = known
        return self._hider

    def _read(self, variables: dict[str, Any], names: Collection[str], values: Mapping[str, Any]) -> None:
        for name in PUBLIC:
            if name in names:
                self.public |= {*plain.texts(values[name])} if name in values else self._literal(variables.get(name))
        for name in names:
            written = self._of(dict.get(variables, name))
            if written is not _NOTHING:
                for each in self._reached(written, variables):
                    self._texts |= each.held
                if name in values:
                    self._texts.update(self._become(dict.get(variables, name), values[name], variables))

    def _literal(self, value: Any) -> set[str]:
        """A text that isn't a template."""
        written = self._of(value)
        if written.becomes or written.names or written.any_name:
            return set()
        return {str.__str__(value)} if isinstance(value, str) else set(written.held)

    def _of(self, value: Any) -> _Written:
        """What can be seen of a value, once for each object."""
        if value is None or isinstance(value, bool):
            return _NOTHING
        known = self._written.get(id(value))
        if known is None:
            known = self._written[id(value)] = (value, self._look(value))
        return known[1]

    def _look(self, value: Any) -> _Written:
        if isinstance(value, (dict, list, tuple)):
            each = [found for part in _parts(value) if (found := self._of(part)) is not _NOTHING]
            return _together(each) if each else _NOTHING
        held = frozenset(core_internals.of_vault(value))
        text = str.__str__(value) if isinstance(value, str) else ""
        if not ("{{" in text or "{%" in text or text.startswith("#jinja2:")):
            return _Written(held) if held else _NOTHING
        # Of a template what stands between its expressions and what these quote, where that is more than punctuation.
        pieces = [*_EXPRESSION.split(text)[::2], *map("".join, _QUOTED.findall(text))] if held else ()
        held |= {piece for piece in pieces if sum(map(str.isalnum, piece)) >= ANYWHERE}
        for expression in _EXPRESSION.split(text)[1::2]:
            if _LOOKUP.search(expression):
                held |= {each for name in map("".join, _QUOTED.findall(expression)) for each in self._encrypted(name)}
        names, abroad = mentioned(text), "hostvars" in text
        return _Written(held, bool(held), names or frozenset(), names is None, abroad)

    def _reached(self, written: _Written, variables: dict[str, Any]) -> list[_Written]:
        """It, and all that its templates may read, and what these may read in turn."""
        found, seen, waiting = [], set(_CORES), [written]
        while waiting:
            each = waiting.pop()
            found.append(each)
            if each.abroad:
                found += self._abroad(each)
            for name in (dict.keys(variables) if each.any_name else each.names) - seen:
                seen.add(name)
                if (more := self._of(dict.get(variables, name))) is not _NOTHING:
                    waiting.append(more)
        return found

    def _abroad(self, written: _Written) -> list[_Written]:
        asked = _Written(names=written.names, any_name=written.any_name)
        if asked not in self._of_others:
            found = self._of_others[asked] = []  # also for who asks again meanwhile
            found += dict.fromkeys(each for host in self._hosts() for each in self._reached(asked, host))
        return self._of_others[asked]

    def _become(self, raw: Any, value: Any, variables: dict[str, Any]) -> Iterator[str]:
        """The texts of a value that are secret by what they were made of: a vault's template, or a vault's text that
        isn't there as it was."""
        written = self._of(raw)
        if written is _NOTHING:
            return
        if isinstance(raw, dict) and isinstance(value, dict):  # keys aren't templated
            for key in value:
                yield from self._become(dict.get(raw, key), value[key], variables)
            return
        if isinstance(raw, list) and isinstance(value, list) and len(raw) == len(value):
            for one, other in zip(list.__iter__(raw), value, strict=True):
                yield from self._become(one, other, variables)
            return
        reached = self._reached(written, variables)
        held = {text.strip() for each in reached for text in each.held}
        if not held:
            return
        texts = set(plain.texts(value))
        if written.becomes:
            yield from texts
        elif any(each.any_name for each in reached) or not isinstance(value, str):
            # A vault may have no part in most of it: only what was cut from a vault's text, by from_json for example.
            yield from (text for text in texts if any(re.search(_word(text), each) for each in held))
        elif any(each.becomes for each in reached):
            yield value
            yield from self._of_expressions(raw, value, variables)
        elif not any(each in value for each in held):
            yield value

    def _of_expressions(self, raw: Any, value: Any, variables: dict[str, Any]) -> Iterator[str]:
        """What became of a vault's templates within a text, where that can be told from what stands around them."""
        if not (isinstance(raw, str) and isinstance(value, str)):
            return
        pieces = _EXPRESSION.split(str.__str__(raw))
        found = re.fullmatch("(.*?)".join(map(re.escape, pieces[::2])), value, re.DOTALL)
        for expression, text in zip(pieces[1::2], found.groups() if found else (), strict=False):
            reached = self._reached(_Written(names=mentioned(expression) or frozenset()), variables)
            if any(each.becomes for each in reached):
                yield text


def _word(text: str) -> str:
    return rf"(?<![^\W_]){re.escape(text)}(?![^\W_])"


def _parts(value: Any) -> Iterator[Any]:
    """The values in a container; one of core's would template them."""
    if isinstance(value, dict):
        return iter(dict.values(value))
    return list.__iter__(value) if isinstance(value, list) else tuple.__iter__(value)


def _together(each: list[_Written]) -> _Written:
    return _Written(
        frozenset().union(*(one.held for one in each)),
        any(one.becomes for one in each),
        frozenset().union(*(one.names for one in each)),
        any(one.any_name for one in each),
        any(one.abroad for one in each),
    )


_now: Vaulted | None = None


@contextlib.contextmanager
def of_action(action: Any, task_vars: dict[str, Any]) -> Iterator[None]:
    """While an action works: what its task says, and the variables that it reads, are those whose secrets don't leave.
    One that says only what left others before (its class has TELLS_AGAIN) reads none."""
    global _now
    before, groups = _now, task_vars.get("groups", {})
    names = groups.get("all", ())  # core has each host of any group there
    _now = Vaulted(
        {*groups, *names},
        lambda: map(task_vars["hostvars"].raw_get, names),
        lambda name: core_internals.of_encrypted_file(core_internals.loader_of(action), task_vars, name),
    )
    if not getattr(action, "TELLS_AGAIN", False):
        ours = [name for name in task_vars if name.startswith(PREFIXES)]
        _now.hear({**task_vars, _TASK: core_internals.written_of(action)}, [*ours, _TASK], {})
    try:
        yield
    finally:
        _now = before


def hear(variables: Mapping[str, Any], names: Collection[str], values: Mapping[str, Any]) -> None:
    """The action that is at work has read variables; see Vaulted.hear."""
    if _now is not None:
        _now.hear(variables, names, values)


def hider() -> Hider:
    """What knows all secrets that the action at work has read."""
    return _now.hider() if _now is not None else Hider(())


def leaving(value: Any, kept: Collection[str] = ()) -> Any:
    """`value` as it may leave.

    :param kept: keys of a result that tasks go by, not people: names, which stay what they are.
    """
    if _now is None:
        return shown(value)
    hide, public = _now.hider(), _now.public

    def hidden(value: Any) -> Any:
        if isinstance(value, str):
            return value if value in public else hide(value)
        if isinstance(value, dict):  # keys are names of fields and hosts
            return {key: hidden(each) for key, each in _of_one_field(value, hide).items()}
        if isinstance(value, (list, tuple)):
            each = map(hidden, value)
            return tuple(each) if isinstance(value, tuple) else list(each)
        return value

    return shown({key: each if key in kept else hidden(each) for key, each in value.items()} if kept else hidden(value))


def _of_one_field(entry: Mapping[str, Any], hider: Hider) -> Mapping[str, Any]:
    """An entry of a diff: what a field had before is as secret as what it gets, and no vault holds it any more.

    All of the field goes, however many lines it had: the whole list where an item is secret, since items move, and the
    whole text where several of its lines are, since they may be one secret."""
    if not (isinstance(entry.get("before"), str) and isinstance(entry.get("after"), str)):
        return entry
    after = [(line, field) for line, field in _fields(entry["after"]) if hider.finds(line)]
    texts = [field[: field.index(_TEXT) + 1] for _line, field in after if _TEXT in field]
    secret = {field for _line, field in after} | {text for text in texts if texts.count(text) > 1}
    secret = {tuple(key for key in field if key is not _TEXT) for field in secret} - {()}
    if not secret:
        return entry
    before: list[str] = []
    told: tuple[str, ...] | None = None
    for line, field in _fields(entry["before"]):
        keys = tuple(key for key in field if key is not _TEXT)
        whole = next((keys[:end] for end in range(1, len(keys) + 1) if keys[:end] in secret), None)
        if whole is None:
            before.append(line)
        elif whole != told:
            before.append(f"{' ' * (len(line) - len(line.lstrip(' ')))}{whole[-1]}: {HIDDEN}")
        told = whole
    end = "\n" if entry["before"].endswith("\n") and before and before[-1] else ""
    return {**entry, "before": "\n".join(before) + end}


#: Among the keys of a field: what comes is in a text of several lines.
_TEXT = "\n"


def _fields(text: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each line of one side of a diff with the field that it is part of, as keys from the outermost on. All of a list
    is part of the field that has the list."""
    around: list[tuple[int, tuple[str, ...]]] = []  # the column of a key; it, and _TEXT where it has a text
    items: int | None = None
    for line in text.split("\n"):
        said = line.lstrip(" ")
        column = len(line) - len(said)
        item = said.startswith("- ") or said == "-"
        if said and not (items is not None and column > items):
            while around and (around[-1][0] > column or (around[-1][0] == column and not item)):
                around.pop()
            items = column if item and around else None
            key, colon, rest = said.partition(": ")
            if not item and (colon or said.endswith(":")):
                around.append((column, (key.removesuffix(":"), *([_TEXT] if rest[:1] in ("|", ">") else []))))
        yield line, tuple(key for _column, keys in around for key in keys)


@functools.cache
def _documented() -> frozenset[str]:
    """The defaults and choices of all options: words of the documentation, which a file that is encrypted as a whole
    has as well. Hidden, they would take the output's meaning."""
    found = set()
    for role in ROLES:
        for option in load_spec(role).values():
            found |= {*plain.texts(option.get("default")), *plain.texts(option.get("choices"))}
    return frozenset(found)
