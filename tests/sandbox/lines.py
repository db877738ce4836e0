"""The lines of kof that a sandbox can be of: each with the k0rdent that it knew, as one management cluster has one.

Data only, and how a line is named. May not hold: what is made of it (charts, seed and simulator do that).
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from sandbox.state import SandboxError


@dataclass(frozen=True)
class Line:
    """
    :ivar kof_version: as an inventory says it.
    :ivar kof: version of its charts.
    :ivar kcm: version of kcm, of which the management cluster is.
    :ivar templates: version of kcm's ClusterTemplates of AWS, the newest last; of those that adopt a cluster.
    :ivar kubernetes: that the ClusterTemplates install.
    :ivar absent_fields: of `serviceSpec`, that its kcm doesn't know yet.
    :ivar http: whether its charts come from a repository with an index, not from an OCI registry.
    """

    name: str
    kof_version: str
    kof: str
    kcm: str
    templates: tuple[str, ...]
    adopted: str
    kubernetes: str
    absent_fields: tuple[str, ...] = ()
    http: bool = False


LINE_0_1 = Line("0.1", "0.1.1", "0.1.1", "0.1.0", ("0.0.5", "0.1.0"), "0.1.0", "v1.31.5+k0s.0")
LINE_0_0 = Line(
    "0.0",
    "0.0.x",
    "0.1.0",
    "0.0.7",
    ("0.0.4", "0.0.5"),
    "0.0.2",
    "v1.31.1+k0s.1",
    absent_fields=("syncMode", "driftIgnore", "driftExclusions"),
    http=True,
)
LINES = (LINE_0_1, LINE_0_0)
NAMES = tuple(line.name for line in LINES)


def find(name: str) -> Line:
    """The line of that name, or of that `kof_version`. Raises SandboxError."""
    for line in LINES:
        if name in (line.name, line.kof_version):
            return line
    known = " or ".join(f"{line.name} ({line.kof_version})" for line in LINES)
    raise SandboxError(f"there is no sandbox of line {name!r}; KOF_LINE or --line is {known}")


def of_environment() -> Line | None:
    """$KOF_LINE; None where it isn't set. Raises SandboxError."""
    name = os.environ.get("KOF_LINE")
    return find(name) if name else None
