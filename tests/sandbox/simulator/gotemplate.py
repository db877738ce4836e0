"""The little of Go's text/template that a values string may use here: literals, which an author needs to write a `{{`.

Sveltos runs every values string through a template. What is more than a literal is refused in Sveltos' words, so that
an unescaped `{{ $labels.x }}` fails here as it does there.
"""

from __future__ import annotations

import json
import re

# A literal may hold "}}", so an action ends after its literal and not at the first braces.
_ACTION = re.compile(r"\{\{(- )?\s*(`[^`]*`|\"(?:[^\"\\\n]|\\.)*\"|/\*.*?\*/|.*?)\s*?( -)?\}\}", re.DOTALL)
_RAW = re.compile(r"`([^`]*)`", re.DOTALL)
_QUOTED = re.compile(r'"(?:[^"\\\n]|\\.)*"')


class TemplateError(ValueError):
    """The text isn't a template, or uses more of the language than the simulator plays."""


def _literal(action: str, name: str) -> str:
    body = action.strip()
    if raw := _RAW.fullmatch(body):
        return raw.group(1)
    if _QUOTED.fullmatch(body):
        try:
            return json.loads(body)
        except ValueError as error:
            raise TemplateError(f"template: {name}: malformed string {body}") from error
    if body.startswith("/*") and body.endswith("*/"):
        return ""
    if variable := re.match(r"\$\w+", body):
        raise TemplateError(f'template: {name}: undefined variable "{variable.group(0)}"')
    if function := re.match(r"[A-Za-z]\w*", body):
        raise TemplateError(f'template: {name}: function "{function.group(0)}" not defined')
    raise TemplateError(f"template: {name}: unexpected {body[:40]!r} in command")


def evaluate(text: str, name: str) -> str:
    """The text with its actions replaced by the literals they hold. Raises TemplateError."""
    parts: list[str] = []
    position = 0
    trim_next = False
    while True:
        start = text.find("{{", position)
        plain = text[position:] if start < 0 else text[position:start]
        parts.append(plain.lstrip() if trim_next else plain)
        if start < 0:
            return "".join(parts)
        match = _ACTION.match(text, start)
        if not match:
            raise TemplateError(f"template: {name}: unclosed action")
        if match.group(1):
            parts[-1] = parts[-1].rstrip()
        parts.append(_literal(match.group(2), name))
        trim_next = bool(match.group(3))
        position = match.end()
