"""README.md, and other pages, as a user follows them: the files that they show, and the commands of a section, in
order. Runs nothing."""

from __future__ import annotations

import pathlib
import re

from support import REPOSITORY

README = "README.md"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def section(heading: str, page: str = README) -> str:
    """The text below a heading of the second level; without one, what is above the first. Raises ValueError if there
    is none."""
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    if not heading:
        return text.partition("\n## ")[0]
    _before, found, rest = text.partition(f"\n## {heading}\n")
    if not found:
        raise ValueError(f"{page} has no section {heading}")
    return rest.partition("\n## ")[0]


def commands(heading: str, page: str = README) -> list[str]:
    """The shell blocks of a section."""
    return [text for language, text in _BLOCK.findall(section(heading, page)) if language == "shell"]


def write_files(heading: str, into: pathlib.Path) -> list[str]:
    """Write the YAML blocks of a section to the paths in their first lines; returns those paths."""
    written = []
    for language, text in _BLOCK.findall(section(heading)):
        if language != "yaml":
            continue
        first = text.partition("\n")[0]
        if not first.startswith("# "):
            raise ValueError(f"{heading}: a YAML block doesn't say to which file it goes: {first}")
        path = into / first.removeprefix("# ")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        written.append(first.removeprefix("# "))
    return written
