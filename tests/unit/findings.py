"""docs/findings.md, made of kof/findings.py, and which codes the sources use. Helpers only, no test.

`KOF_RENEW_FINDINGS=1 make try TEST=tests/unit/test_findings.py` writes the page anew.
"""

from __future__ import annotations

import ast
import pathlib
from collections.abc import Iterable, Iterator

from unit.known_faults import FAULTS

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.findings import FINDINGS, UNSEEN, Meaning

MODULE_UTILS = pathlib.Path(__file__).parents[2] / "plugins" / "module_utils"

_HEAD = """\
<!-- Not written by hand: tests/unit/findings.py says how. -->
# Findings

What `k0rdent.kof.status` and `k0rdent.kof.verify` can find in a fleet, by code. Codes are stable: a dashboard or a
script may match them; texts are not. The same codes stand in brackets behind what a run waited for in vain, and what
preflight found. How to run it, and its faces: [status.md](status.md).

- **failed**: the cluster doesn't do its work. It fails its host of the run, and so the run.
- **warning**: somebody has to look.
- **progress**: normal in the middle of a rollout, and no alarm. What has lasted longer than `status_patience` (60
  minutes) is a warning; where it becomes worse than that, its section says so.

How long something has lasted is taken from the condition that says it, else from the last change of what is wanted;
what only the latter dates is never worse than a warning by its age. A cluster whose turn may not have come yet is in
progress as long as any ClusterDeployment of the fleet has changed within that time.
"""
_KNOWN = """
## What is known to go wrong, and how it is found

Status asks the API of the management cluster and nothing else; what is inside of the other clusters is seen by verify,
where it looks inside, and whether data arrives by verify with `verify_data`.

| what goes wrong | found as | by |
| --- | --- | --- |
"""
_UNSEEN = """
## What is no finding
"""


def page() -> str:
    sections = [_section(code, FINDINGS[code]) for code in sorted(FINDINGS)]
    known = [f"| {each.what} | {_links(each.codes)} | {each.where} |" for each in FAULTS if each.codes]
    unseen = [f"- {what}: {why}." for what, why in UNSEEN.items()]
    return "\n".join([_HEAD, *sections]) + _KNOWN + "\n".join([*known, _UNSEEN, *unseen]) + "\n"


def _links(codes: Iterable[str]) -> str:
    return ", ".join(f"[{code}](#{code})" for code in codes)


def _section(code: str, meaning: Meaning) -> str:
    later = meaning.after(patience_is_over=True)
    severity = meaning.severity + (f", {later} when it lasts" if later != meaning.severity else "")
    severity += "; only verify's look inside sees it" if meaning.inside else ""
    severity += "; only verify with `verify_data` sees it" if meaning.data else ""
    return f"## {code}\n\n**{meaning.title}** ({severity}). {meaning.means}\n\n{meaning.remedy}\n"


def used() -> set[str]:
    """The codes that sources say: as `code=` or `missing=` of a call, as a variable `code`, in a table of codes, or as
    what a fault is made with."""
    found: set[str] = set()
    for file in MODULE_UTILS.rglob("*.py"):
        if file.name != "findings.py":
            found.update(_codes(ast.parse(file.read_text(encoding="utf-8"))))
    return found


def _codes(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            for keyword in node.keywords:
                if keyword.arg in ("code", "missing"):
                    yield from _texts(keyword.value)
            called = node.func.id if isinstance(node.func, ast.Name) else ""
            if called in ("_out_of_reach", "found"):
                yield from _texts(node.args[0])
            if called == "Obstacle" and len(node.args) > 2:
                yield from _texts(node.args[2])
        if isinstance(node, ast.Assign):
            target = node.targets[0]
            name = target.id if isinstance(target, ast.Name) else ""
            if isinstance(target, ast.Tuple) and isinstance(target.elts[0], ast.Name) and target.elts[0].id == "code":
                yield from _texts(node.value.elts[0] if isinstance(node.value, ast.Tuple) else node.value)
            elif name == "code":
                yield from _texts(node.value)
            elif name.endswith("_CODES") and isinstance(node.value, ast.Dict):
                for value in node.value.values:
                    yield from _texts(value)
        if isinstance(node, ast.FunctionDef):
            names = [each.arg for each in node.args.kwonlyargs]
            for name, default in zip(names, node.args.kw_defaults, strict=True):
                if name == "missing" and default is not None:
                    yield from _texts(default)


def _texts(node: ast.expr) -> Iterator[str]:
    """The texts that an expression may be."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value:
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _texts(node.body)
        yield from _texts(node.orelse)
    elif isinstance(node, ast.Call):
        for each in node.args[1:]:  # a table's .get(key, default)
            yield from _texts(each)
