# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be told of a URL, a text or an exception that may hold a secret. Pure, standard library only.

Knows neither Ansible nor Kubernetes; which names are those of secrets is diff.py's to say.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, unquote

from ansible_collections.k0rdent.kof.plugins.module_utils.text import yaml_text

HIDDEN = "(hidden)"
#: Characters; shorter ones would hide half of an output, and hide nothing. See is_worth_hiding.
SHORTEST = 3
#: Where it isn't sure that a text is a secret, one that is shorter is hidden only where it stands as a word: `gp3` is
#: in too many others by chance.
ANYWHERE = 8
#: Line breaks and all other characters that no header, address or path may have inside.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LIBRARY = f"{os.sep}ansible_collections{os.sep}"
_OURS = f"{_LIBRARY}k0rdent{os.sep}kof{os.sep}"
_SCHEME = re.compile(r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]*://")
#: What may end a URL in a text; but for white space it may be in a password, too.
_MAY_END = re.compile(r"[\s\"'<>]")
#: A host and what may be behind it, as far as no password looks so.
_ONLY_HOST = re.compile(r"(?:\[[\w:.%~-]*\]|[^:/?#\s\"'<>\[]*)(?::\d{1,5}(?!\d))?")
#: A text that is one URL: nothing else is in it, so a quotation mark ends nothing.
_ONE = re.compile(r"(\s*[A-Za-z][A-Za-z0-9+.-]*://)(\S*\s*)")
#: A host that surely is one: what is no port behind a colon is a piece of a password that wasn't quoted for a URL.
_HOST = re.compile(r"(\[[\w:.%~-]*\]|[^:/?#]*)(:\d{1,5})?([/?#]|$)")
#: A text that begins with a URL and its user; its password may have white space, and so be all up to the last "@".
_WHOLE = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]*://(?=[^/?#@\s:]*:)")
#: A login up to its white space, rather than a host with its port, or a whole URL, and a sentence behind it.
_WITH_A_SPACE = re.compile(r"(?!(?:\[[^\]]*\]|[^:/?#\s]*):(?:\d{1,5}[\s/?#:,;)]|\s))[^@\s]*\s")
_BEHIND_A_QUOTATION = frozenset(("", *" \t\r\n,;:.)]}<>\\\"'"))
_NUMBER = re.compile(r"[-+]?[\d_]*\.?\d+(?:[eE][-+]?\d+)?")
_AT = re.compile(r"@(?!sha\d+:)")


#: Stands where a text was cut.
_CUT_MARK = "…"
#: More isn't told of any text in one line.
_LONGEST_CUT = 1000


class Unexpected(Exception):
    """An exception that nobody expected, told as its type and place."""


@contextlib.contextmanager
def quotes_nothing(
    told: Callable[[str], Exception] = Unexpected, expected: tuple[type[BaseException], ...] = ()
) -> Iterator[None]:
    """Around the whole of a plugin: whatever its author didn't expect becomes its type and place, never its text,
    which may quote what a library was given, a token for example. Without the exception itself behind it: ansible-core
    shows that too where tracebacks are asked for.

    :param told: makes the exception that is raised instead, of the message.
    :param expected: what goes through: exceptions whose text is meant for people.
    """
    try:
        yield
    except expected:
        raise
    except Exception as error:
        raise told(unexpected(error)) from None


def unexpected(error: BaseException) -> str:
    """Type and place of an exception: the innermost line of ours, and where a library raised it, that line too."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{_short(frame.filename)}:{frame.lineno}" for frame in frames]
    ours = [place for frame, place in zip(frames, places, strict=True) if _OURS in frame.filename]
    where = list(dict.fromkeys([*places[-1:], *ours[-1:]]))
    return (
        f"unexpected {name} at {', called at '.join(where) or 'an unknown place'}. What it says isn't shown, since it "
        "may quote a secret. Please report this line"
    )


def _short(filename: str) -> str:
    """A file's name from its collection's or library's root on."""
    for root in (_OURS, _LIBRARY, f"{os.sep}site-packages{os.sep}"):
        if root in filename:
            return filename.rpartition(root)[2]
    return os.sep.join(filename.split(os.sep)[-2:])


def of_template(error: BaseException) -> str:
    """Why a template failed: the name that is undefined, or the plugin that failed, else the kind of failure.

    The whole text quotes the template or what a plugin got, and in either may be a secret.
    """
    chain = [error]
    while chain[-1].__cause__ is not None:
        chain.append(chain[-1].__cause__)
    for names in ("Undefined", "Vault", "TemplatePlugin"):
        for each in reversed(chain):
            # Their own words, without those of their causes.
            if names in type(each).__name__ and each.args and isinstance(each.args[0], str):
                return cut(" ".join(each.args[0].split()), 300)
    return type(chain[0]).__name__


def cut(text: str, limit: int) -> str:
    """`text` with at most `limit` characters: the only way to cut one that is told. By the mark at its end a Hider
    knows that a secret may have lost its own there. Logins go first: cut in two, one lacks the "@" it is known by."""
    if len(text) > limit:
        text = without_login(text)
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}{_CUT_MARK}"


def quoted(value: object, limit: int = 80) -> str:
    """A value for a message, in quotation marks if it is a text, of which at most `limit` characters are told.

    With escapes only where it can't do without, and then those of JSON: a Hider knows no others.
    """
    if not isinstance(value, str):
        return cut(repr(value), limit)
    text = cut(str(value), limit)
    if "\\" not in repr(text):
        return repr(text)
    inner = json.dumps(text, ensure_ascii=False)
    return inner if "'" in text or '"' in text else f"'{inner[1:-1]}'"


def without_login(text: str) -> str:
    """`text` with the user info taken out of every URL in it."""
    if "://" not in text:
        return text
    one = _ONE.fullmatch(text)
    if one:
        return f"{one[1]}{one[2][_login_end(one[2]) :]}"
    start, end = _spaced(text)
    if end > start and _WITH_A_SPACE.match(text, start):
        return f"{text[:start]}{without_login(text[end + 1 :])}"
    pieces, at = [], 0
    for start, end in _rests(text):
        pieces.append(text[at:start])
        at = start + _login_end(text[start:end])
    return "".join([*pieces, text[at:]])


def without_query(text: str) -> str:
    """`text` with the query, which may be a signature, taken out of every URL in it."""
    return re.sub(r"(://[^\s\"'?]*)\?[^\s\"']*", r"\1", text)


def logins(text: str) -> set[str]:
    """The passwords in the URLs of `text`, as they stand there and unquoted; of one without a colon the user, which is
    a token then. A text that is a URL may have white space in its login."""
    found: set[str] = set()
    if "://" not in text:
        return found
    one = _ONE.fullmatch(text)
    rests = [one[2]] if one else [text[start:end] for start, end in _rests(text)]
    pieces = [rest[: max(0, _login_end(rest) - 1)] for rest in rests]
    start, end = _spaced(text)
    pieces.append(text[start:end])
    for login in pieces:
        user, colon, password = login.partition(":")
        secret = password if colon else user
        found |= {secret, unquote(secret), *secret.splitlines()}
    return found - {""}


def _spaced(text: str) -> tuple[int, int]:
    """Where the login with white space in it begins and ends in a text that is a URL, as far as that can be told; twice
    the same for none."""
    whole = _WHOLE.match(text)
    if whole:
        end = max((match.start() for match in _AT.finditer(text, whole.end())), default=whole.end())
        if any(map(str.isspace, text[whole.end() : end])):
            return whole.end(), end
    return 0, 0


def _rests(text: str) -> Iterator[tuple[int, int]]:
    """Where in `text` what is behind the "://" of each URL begins and ends. One pass, however long it is."""
    at = 0
    while found := _SCHEME.search(text, at):
        at = _end(text, found.end(), text[found.start() - 1 : found.start()])
        yield found.end(), at


def _end(text: str, start: int, before: str) -> int:
    """The end of a URL: white space, or the quotation mark or bracket that ends it, for one may be in its password.

    That is one behind what can be a whole URL, and which either stands before it, too, or is followed by what follows a
    quotation and begins no more of a password.

    :param before: the character in front of the URL.
    """
    host_end = -1
    closing = ">" if before == "<" else before
    login, at = False, start
    for mark in _MAY_END.finditer(text, start):
        here = mark.start()
        if mark[0].isspace():
            return here
        login = login or text.find("@", at, here) >= 0
        at = here
        if mark[0] != closing and text[here + 1 : here + 2] not in _BEHIND_A_QUOTATION:
            continue
        if host_end < 0:
            host = _ONLY_HOST.match(text, start)
            host_end = host.end() if host else start
        if login or host_end == here or text[host_end] in "/?#":
            return here
    return len(text)


def _login_end(rest: str) -> int:
    """Where the user info of a URL ends, its "@" included, counted behind "://"; 0 for none.

    User info is part of the authority, which ends at the first "/", "?" or "#": behind a host, with a port or without,
    an "@" means nothing. But a password that isn't quoted may hold all of them, and then the last "@" counts; what is
    behind a digest's "@" is none.
    """
    if "@" not in re.split(r"[/?#]", rest, maxsplit=1)[0] and _HOST.match(rest):
        return 0
    return max((match.end() for match in _AT.finditer(rest)), default=0)


def is_worth_hiding(secret: str) -> bool:
    """The one threshold of a secret's length."""
    return len(secret) >= SHORTEST


def only_a_word(value: str) -> bool:
    """Whether a value that is a secret by its name alone is hidden only where it stands as a word: a short one, and a
    number (``maxTokens: 100``), which is in others by chance."""
    return len(value) < ANYWHERE or bool(_NUMBER.fullmatch(value))


class Hider:
    """Takes secrets out of texts: plain, in base64, coded as in a URL or in JSON, on one line, and where one_line cut
    them; of several lines each that is long.

    One pass over a text, however many secrets there are: a thousand clusters may have one each.
    """

    def __init__(self, secrets: Iterable[str], anywhere: int = SHORTEST, values: Iterable[str] = ()) -> None:
        """
        :param anywhere: characters from which on a secret is hidden inside of words, too.
        :param values: by their names they are secrets, which isn't sure: only_a_word says how each is hidden.
        """
        secrets, values = set(secrets), set(values)
        forms = {form for secret in secrets for form in _forms(secret) if is_worth_hiding(form)}
        long = {form for form in forms if len(form) >= anywhere}
        for value in values:
            of_value = {form for form in _forms(value) if is_worth_hiding(form)}
            forms |= of_value
            long |= {form for form in of_value if not only_a_word(value)}
        words = forms.union(*map(_lines, secrets | values)).difference(long)
        patterns = [_one_of(long)] if long else []
        patterns += [rf"{_BEGINS}(?:{_one_of(words)})(?![^\W_])"] if words else []
        self._pattern = re.compile("|".join(patterns)) if patterns else None
        self._cut: dict[str, list[str]] = {}
        for form in {*long, *words}:
            if len(form) > ANYWHERE:
                self._cut.setdefault(form[:ANYWHERE], []).append(form)

    def finds(self, text: str) -> bool:
        """Is a secret in `text`?"""
        return bool(self._pattern and self._pattern.search(text))

    def all_of(self, value: Any) -> Any:
        """`value` with every text in it as `__call__` gives it; keys stay."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, Mapping):
            return {key: self.all_of(each) for key, each in value.items()}
        return [self.all_of(each) for each in value] if isinstance(value, (list, tuple)) else value

    def __call__(self, text: str) -> str:
        if self._pattern is None:
            return text
        text = self._pattern.sub(HIDDEN, text)
        return _CUT_MARK.join(
            [*map(self._without_beginning, text.split(_CUT_MARK)[:-1]), text.rpartition(_CUT_MARK)[2]]
        )

    def _without_beginning(self, text: str) -> str:
        """Text that was cut, without the beginning of a secret at its end."""
        for start in range(max(0, len(text) - _LONGEST_CUT), len(text) - ANYWHERE + 1):
            if any(form.startswith(text[start:]) for form in self._cut.get(text[start : start + ANYWHERE], ())):
                return text[:start] + HIDDEN
        return text


def _forms(secret: str) -> Iterator[str]:
    plain = secret.strip()
    if not plain:  # each indentation would be hidden, and nothing is in it
        return
    for text in dict.fromkeys((secret, plain)):
        yield text
        yield base64.b64encode(text.encode(errors="surrogatepass")).decode()
        yield _quoted(text)
        yield json.dumps(text, ensure_ascii=False)[1:-1]
        yield yaml_text.escaped(text)
    yield " ".join(plain.split())


#: Where a word begins: behind no letter or digit, but for the last of a line break that is coded in JSON or in a URL.
_BEGINS = r"(?:(?<![^\W_])|(?<=\\n)|(?<=%0[Aa]))"
#: A line of YAML or of settings that says too little to be a secret: a key that has nothing, a block, a boolean, a
#: number of few digits or a short word behind it. A third of all texts have `enabled: true` in them.
_SAYS_LITTLE = re.compile(
    r"""(?:-\ +)*["']?[\w./-]+["']?\s*(?::(?=\s|$)|=)\s*
    (?:["']?(?:true|false|null|~|\d{1,5}|[A-Za-z]{1,7})["']?|[|>][+-]?\d?|\{\}|\[\]|)(?:\s+\#.*)?""",
    re.IGNORECASE | re.VERBOSE,
)


def _lines(secret: str) -> Iterator[str]:
    """The lines of a secret of several that are secret by themselves, as a text that was indented or cut has them. Only
    where one stands alone: it may be a piece of anything."""
    lines = secret.strip().splitlines()
    if len(lines) > 1:
        for line in map(str.strip, lines):
            if len(line) >= ANYWHERE and not _SAYS_LITTLE.fullmatch(line):
                yield line


def _one_of(texts: Iterable[str], levels: int = 2) -> str:
    """A pattern for any of the texts, the longest first. Python's `re` tries every alternative at every character: by
    the first two characters there are few of them."""
    if not levels:
        return "|".join(map(re.escape, sorted(texts, key=len, reverse=True)))
    by_first: dict[str, list[str]] = {}
    for text in texts:
        by_first.setdefault(text[0], []).append(text[1:])
    return "|".join(f"{re.escape(first)}(?:{_one_of(rest, levels - 1)})" for first, rest in by_first.items())


def scrubbed(text: str, secrets: Iterable[str], values: Iterable[str] = ()) -> str:
    """`text` without any of the `secrets` and `values`, however they stand there (see Hider), and without logins in
    URLs."""
    return Hider(secrets, values=values)(without_login(text))


#: The environment's login for AWS, which its SDK takes as it is.
AWS_LOGIN = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


def unsendable_login(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Which variables of the environment hold no login for AWS that can be sent, and why."""
    for name in AWS_LOGIN:
        if re.search(r"[^!-~]", environ.get(name, "")):
            yield name, "of the environment has a line break, white space or another character that no key of AWS has"


def _quoted(secret: str) -> str:
    return quote(secret, safe="", errors="surrogatepass")
