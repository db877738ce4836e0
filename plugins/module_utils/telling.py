# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be told of a URL, a text or an exception that may hold a secret. Pure, standard library only.

Knows neither Ansible nor Kubernetes; which names are those of secrets is diff.py's to say.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, unquote

HIDDEN = "(hidden)"
#: Shorter ones would hide half of an output, and hide nothing.
SHORTEST = 3
#: Line breaks and all other characters that no header, address or path may have inside.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LIBRARY = f"{os.sep}ansible_collections{os.sep}"
_OURS = f"{_LIBRARY}k0rdent{os.sep}kof{os.sep}"
_URL = re.compile(r"(?<![A-Za-z0-9+.-])([A-Za-z][A-Za-z0-9+.-]*)://([^\s\"'<>]+)")
#: A host that surely is one: behind a colon may be a port, or a piece of a password that wasn't quoted for a URL.
_HOST = re.compile(r"(\[[0-9A-Fa-f:.%]*\](:\d+)?|[^:/?#]*)([/?#]|$)")
_WHOLE = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]*://([^/?#@\s]*:.*\s.*)@(?!sha\d+:)", re.DOTALL)
_AT = re.compile(r"@(?!sha\d+:)")


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
                return " ".join(each.args[0].split())[:300]
    return type(chain[0]).__name__


def without_login(text: str) -> str:
    """`text` with the user info taken out of every URL in it."""
    return _URL.sub(lambda match: f"{match[1]}://{match[2][_login_end(match[2]) :]}", text) if "://" in text else text


def logins(text: str) -> set[str]:
    """The passwords in the URLs of `text`, as they stand there and unquoted; of one without a colon the user, which is
    a token then. A text that is a URL may have white space in its login."""
    found = set()
    whole = _WHOLE.match(text)
    pieces = [match[2][: max(0, _login_end(match[2]) - 1)] for match in _URL.finditer(text)]
    for login in [*pieces, *([whole[1]] if whole else [])]:
        user, colon, password = login.partition(":")
        secret = password if colon else user
        found |= {secret, unquote(secret), *secret.splitlines()}
    return found - {""}


def _login_end(rest: str) -> int:
    """Where the user info of a URL ends, its "@" included, counted behind "://"; 0 for none.

    A password that isn't quoted may hold "/", "?", "#" and "@"; what is behind a digest's "@" is none.
    """
    if "@" not in re.split(r"[/?#]", rest, maxsplit=1)[0] and _HOST.match(rest):
        return 0
    return max((match.end() for match in _AT.finditer(rest)), default=0)


def scrubbed(text: str, secrets: Iterable[str]) -> str:
    """`text` without any of the `secrets`, plain, base64 or as in a URL, and without logins in URLs."""
    text = without_login(text)
    for secret in sorted({one for one in secrets if len(one) >= SHORTEST}, key=len, reverse=True):
        for form in (secret, base64.b64encode(secret.encode(errors="surrogatepass")).decode(), _quoted(secret)):
            text = text.replace(form, HIDDEN)
    return text


#: The environment's login for AWS, which its SDK takes as it is.
AWS_LOGIN = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


def unsendable_login(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Which variables of the environment hold no login for AWS that can be sent, and why."""
    for name in AWS_LOGIN:
        if re.search(r"[^!-~]", environ.get(name, "")):
            yield name, "of the environment has a line break, white space or another character that no key of AWS has"


def scrubbed_all(value: Any, secrets: Collection[str]) -> Any:
    """`value` with every text in it as `scrubbed` gives it."""
    if isinstance(value, str):
        return scrubbed(value, secrets)
    if isinstance(value, dict):
        return {key: scrubbed_all(each, secrets) for key, each in value.items()}
    if isinstance(value, list):
        return [scrubbed_all(each, secrets) for each in value]
    return value


def _quoted(secret: str) -> str:
    return quote(secret, safe="", errors="surrogatepass")
