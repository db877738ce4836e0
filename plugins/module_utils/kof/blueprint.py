# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cluster of a fleet is made of, as parts: the words for it. What the parts are is said per line, in lines/.

Every job over a fleet walks the same parts: apply and render send their manifests, in this order; wait asks their
targets; check mode looks for what later layers need; delete takes away what goes, in waves. Nothing is sent or read
here.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.wait import Target
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.kcm import KCM_GROUP

Objects = Mapping[Ref, Mapping[str, Any]]
Sign = tuple[str, str]
Made = TypeVar("Made")
#: The data of a line, of its style's type.
Line = TypeVar("Line")


class Kind(NamedTuple):
    """A kind of objects that an API server serves once its definition is there."""

    api_version: str
    kind: str


class Installed(NamedTuple):
    """A Helm release.

    :ivar cluster: name of the cluster of the fleet inside which it is; None for the management cluster.
    """

    namespace: str
    name: str
    cluster: str | None = None


class Inside(NamedTuple):
    """An object inside of a cluster, by that cluster's own API server.

    :ivar cluster: its name in the fleet; None for the management cluster.
    """

    cluster: str | None
    ref: Ref

    def __str__(self) -> str:
        return f"{self.ref} inside of {self.cluster}" if self.cluster else str(self.ref)


class AtAws(NamedTuple):
    """An entry of IAM. What it has to be is dns/aws/plan.py's to say.

    :ivar kind: policy, inline_policy (of a role), role, instance_profile, user or access_key (of a user).
    """

    kind: str
    name: str


class Goes(enum.Enum):
    """How a part goes when its cluster is deleted. The order is that of the waves in which they go."""

    STAYS = "stays: others live on it too"
    DELETED = "we delete it"
    FOLLOWS = "whoever made it takes it away then"
    LEFT = "nobody takes it away: we delete it once the others are gone"
    FOLLOWS_LEFT = "whoever made it takes it away after that"


@dataclass(frozen=True)
class Signs:
    """By what is seen that a live object stands for the same thing as a part, under another name.

    :ivar read: the signs that an object of the part's kind shows, the surest first: each as what it tells ("cluster" or
        "domain") and whose, with the words for it.
    :ivar ours: those that tell of the part's cluster.
    """

    read: Callable[[Mapping[str, Any]], Iterable[tuple[Sign, str]]]
    ours: frozenset[Sign]

    def why(self, item: Mapping[str, Any]) -> str | None:
        """Why the object stands for the part; None if it doesn't."""
        return next((why for sign, why in self.read(item) if sign in self.ours), None)


@dataclass(frozen=True)
class Part:
    """One thing that a cluster is made of. Its place is said by the type of `what`.

    :ivar what: an object of the management cluster; a kind that is to be served; a Helm release, inside a cluster or on
        the management cluster; an object inside of a cluster; or an entry of IAM.
    :ivar manifest: makes the object as it is wanted, or what to install; None where somebody else makes it, and we
        wait for it at most.
    :ivar target: makes what it must become; None where nobody has to wait for it.
    :ivar needed: later layers' objects are refused by the API server, or come to nothing, as long as it isn't there.
    :ivar gone: makes what it must become where it goes; None where it only has to be gone.
    :ivar stand_in: by what another object of its kind is seen to stand for the same thing; None where none can.
    """

    what: Ref | Kind | Installed | Inside | AtAws
    manifest: Callable[[], dict[str, Any]] | None = None
    target: Callable[[], Target] | None = None
    needed: bool = False
    goes: Goes = Goes.STAYS
    gone: Callable[[], Target] | None = None
    stand_in: Signs | None = None


@dataclass(frozen=True, eq=False)
class Known:
    """Live objects, as far as somebody has listed them: the same for all clusters, and not changed any more."""

    objects: Objects = field(default_factory=dict)
    _made: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)

    def once(self, make: Callable[[Objects], Made]) -> Made:
        """What `make` makes of the objects: once, however many clusters ask for it."""
        if make not in self._made:
            self._made[make] = make(self.objects)
        return self._made[make]


@dataclass(frozen=True)
class Given(Generic[Line]):
    """What the parts of a cluster depend on beside the cluster itself.

    :ivar release: the line's data.
    :ivar kcm_version: of kcm's API, as the management cluster serves it: v1alpha1 or v1beta1.
    :ivar template: name of the cluster's ClusterTemplate; only manifests need it.
    :ivar template_config: the `status.config` of that one, where it is known.
    :ivar regional_domain: of a child's regional cluster; only manifests need it.
    :ivar regional_name: of a child's regional cluster; None where it is that of its host.
    :ivar live: what is there: other parts may come of it. Without it, only those that always are.
    """

    release: Line
    kcm_version: str
    template: str = ""
    regional_domain: str | None = None
    regional_name: str | None = None
    live: Known = field(default_factory=Known)
    template_config: Mapping[str, Any] | None = None

    @property
    def kcm_api(self) -> str:
        """The apiVersion of kcm's objects."""
        return f"{KCM_GROUP}/{self.kcm_version}"


class Right(NamedTuple):
    """What a job must be allowed to do with objects of a kind.

    :ivar job: look (preflight's), apply, check (apply in check mode), helm (its record of releases), replace (what
        stands for a part under another name), wait, status, verify, support, backup, record or delete.
    :ivar namespace: of the object that they are asked for; whether the kind has namespaces at all a server knows.
    :ivar name: of the one object that it is about; empty for all.
    """

    job: str
    api_version: str
    kind: str
    namespace: str | None
    verbs: frozenset[str]
    name: str = ""

    @property
    def group(self) -> str:
        return self.api_version.rpartition("/")[0]

    @property
    def resource(self) -> str:
        """The kind's plural by Kubernetes' own guess (meta.UnsafeGuessKindToResource): it need not be served yet."""
        name = self.kind.lower()
        if name.endswith("s"):
            return f"{name}es"
        return f"{name.removesuffix('y')}ies" if name.endswith("y") else f"{name}s"


def right(job: str, of: Ref, *verbs: str, name: str = "") -> Right:
    """The right to do this with all objects of the kind and place of `of`, or with the one of this name."""
    return Right(job, of.api_version, of.kind, of.namespace, frozenset(verbs), name)


def rights(part: Part) -> Iterator[Right]:
    """The rights that each job needs for a part.

    Kinds are discovered, which everybody may; those of a Helm release are its chart's, beside helm's own record.
    Secrets are never listed but by helm.
    """
    ref = part.what
    if isinstance(ref, Installed) and ref.cluster is None:
        yield right("helm", Ref("v1", "Secret", ref.namespace, ref.name), "list")
    if not isinstance(ref, Ref):
        return
    seen = ("get",) if ref.kind == "Secret" else SEEN
    if part.manifest and ref.kind in ("Namespace", "Secret"):
        # Who may write any Namespace takes the rules for pods off any, and who may read any Secret has all logins; what
        # is made has no name yet.
        yield right("apply", ref, "get", "patch", name=ref.name)
        yield right("apply", ref, "create")
    elif part.manifest:
        yield right("apply", ref, "get", "create", "patch", "list")
    elif part.needed:
        yield right("check", ref, "get")
    if part.stand_in:
        yield right("replace", ref, "get", "list", "delete")
    if part.target:
        yield right("wait", ref, *seen, name=ref.name if ref.kind == "Secret" else "")
        for related in part.target().related:
            of = Ref(related.api_version, related.kind, ref.namespace, "")
            yield right("wait", of, *SEEN)
            yield right("status", of, "list")
    if ref.kind == "Namespace":
        yield right("status", ref, "get", name=ref.name)
    elif ref.kind != "Secret" and (part.target or part.manifest):
        # Who only looks reads no Secret, and is told that he can't.
        yield right("status", ref, "list")
    if part.goes in (Goes.DELETED, Goes.LEFT):
        yield right("delete", ref, "get", "delete", *seen)
    elif part.goes is not Goes.STAYS:
        yield right("delete", ref, *seen)
    if part.gone and part.goes is not Goes.STAYS:
        for related in part.gone().related:
            yield right("delete", Ref(related.api_version, related.kind, ref.namespace, ""), *SEEN)


SEEN = ("list", "watch")


def departure(found: Iterable[Part]) -> dict[Goes, tuple[Part, ...]]:
    """What of a cluster goes, wave after wave: each is gone before the next one begins, and within a wave each before
    the one after it. What was made last goes first."""
    backwards = tuple(found)[::-1]
    waves = {wave: tuple(part for part in backwards if part.goes is wave) for wave in Goes if wave is not Goes.STAYS}
    return {wave: those for wave, those in waves.items() if those}
