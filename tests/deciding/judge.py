"""The verdict on a case: what the decider says, what the server says, and whether reconcile keeps its promises.

The server's opinion is read here without the collection's own comparisons, which may have the decider's faults.
"""

from __future__ import annotations

import copy
import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import ApiError
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.ownership import unchanged
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.reconcile import Policy, read, reconcile, ref_of
from deciding.ingredients import INGREDIENTS, Case, NotMet
from deciding.objects import KINDS, Kind, Object, make
from deciding.renderings import KCM_NAMESPACES
from deciding.server import APPLY, OURS, Server

#: Every kind with every ingredient that makes sense for it.
CELLS = [(kind, name) for kind in KINDS for name, each in INGREDIENTS.items() if each.fits(kind)]
# A short run meets every ingredient and every kind: of each ingredient one kind, then another of each.
random.Random(0).shuffle(CELLS)
_met: Counter[str] = Counter()
CELLS.sort(key=lambda cell: _met.update([cell[1]]) or _met[cell[1]])
#: Kinds and versions that our renderers make: Namespace, Secret, PromxyServerGroup, GrafanaDatasource,
#: GrafanaDashboard, VMRule, and ClusterDeployment in two.
RENDERED_KINDS = 8
REAPPLIED = 0.25
ALONE = 0.5


@dataclass
class Counts:
    """Pairs of live and desired objects, and what became of them.

    :ivar wrong: called unchanged, but the server disagrees (or the object is being deleted, or a hand co-owns a field).
    :ivar refused: by the server in the dry run, or by us, since the object is being deleted.
    :ivar conflicts: the server says that others own a field.
    :ivar missed: equal in the dry run, but not proved: an apply is sent that changes nothing.
    """

    pairs: int = 0
    proved: int = 0
    wrong: int = 0
    refused: int = 0
    conflicts: int = 0
    changed: int = 0
    missed: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(Counts)))


@dataclass
class Results:
    """By kind and ingredient; a pair counts for each of its ingredients, in the totals once."""

    cells: dict[tuple[str, str], Counts] = field(default_factory=dict)
    kinds: dict[str, Counts] = field(default_factory=dict)
    #: The same wishes judged again after reconcile brought them about; not among the pairs.
    after: Counts = field(default_factory=Counts)
    problems: list[str] = field(default_factory=list)
    predicted: int = 0

    @property
    def total(self) -> Counts:
        return sum(self.kinds.values(), Counts())

    def never_met(self) -> list[str]:
        return [f"{kind.name}: {name}" for kind, name in CELLS if (kind.name, name) not in self.cells]

    def table(self, every_cell: bool = False) -> str:
        """Markdown: by kind, then by ingredient; or each kind's ingredients."""
        names = [each.name for each in fields(Counts)]
        lines: list[str] = []

        def rows(title: str, found: Sequence[tuple[str, Counts]]) -> None:
            lines.extend([f"| {title} | {' | '.join(names)} |", f"| --- {'| ---: ' * len(names)}|"])
            lines.extend(f"| {what} | {' | '.join(str(getattr(c, name)) for name in names)} |" for what, c in found)
            lines.append("")

        if every_cell:
            rows(
                "kind: ingredient", [(f"{kind}: {name}", counts) for (kind, name), counts in sorted(self.cells.items())]
            )
        else:
            by_kind = [(kind.name, self.kinds.get(kind.name, Counts())) for kind in KINDS]
            rows("kind", [*by_kind, ("**all**", self.total), ("after our run", self.after)])
            by_name = {name: Counts() for name in INGREDIENTS}
            for (_kind, name), counts in self.cells.items():
                by_name[name] += counts
            rows("ingredient", list(by_name.items()))
        return "\n".join(lines)


def cook(server: Server, number: int) -> tuple[Kind, set[str], Object]:
    """Case `number`: its kind, its ingredients as far as they came about, and the wish. The object is on the server.

    The first cases have one ingredient each, so that all are met; the others have up to three at once.
    """
    rng = random.Random(number)
    kind, main = CELLS[number % len(CELLS)]
    names = [main]
    if number >= len(CELLS) and rng.random() > ALONE:
        others = [name for name, each in INGREDIENTS.items() if each.fits(kind) and name != main]
        names = [*rng.sample(others, rng.randint(1, 2)), main]
    case = Case(server, kind, rng, f"f{number}-{random.SystemRandom().randrange(10**9)}")
    case.start = make(rng, kind, case.name)
    plays: dict[str, Iterator[None]] = {name: INGREDIENTS[name].play(case) for name in names}

    def go_on() -> None:
        for name in list(plays):
            try:
                next(plays[name], None)
            except NotMet:
                del plays[name]

    go_on()
    if not case.never_ours:
        server.patch(case.start, OURS, APPLY, force="true")
    go_on()
    if rng.random() < REAPPLIED and len(names) > 1:
        server.patch(case.start, OURS, APPLY, force="true")
    case.wish = copy.deepcopy(case.start)
    go_on()
    return kind, set(plays), case.wish


def essence(obj: Object) -> str:
    """What of an answer of the server counts: all but status, versions and other managers' entries, as one text."""
    metadata = {key: value for key, value in obj["metadata"].items() if key not in ("resourceVersion", "generation")}
    metadata["managedFields"] = [
        {key: entry.get(key) for key in ("apiVersion", "fieldsType", "fieldsV1")}
        for entry in metadata.get("managedFields", [])
        if (entry["manager"], entry["operation"], entry.get("subresource")) == (OURS, "Apply", None)
    ]
    return json.dumps({**obj, "metadata": metadata, "status": None}, sort_keys=True)


def held_by_hands(wish: Object, live: Object) -> list[str]:
    """Fields of the wish that a person's entry owns besides: what we stop wanting would stay there."""
    found: list[str] = []

    def walk(value: Any, trie: Any, path: str) -> None:
        for key, child in value.items():
            step = f"f:{key}"
            if step in trie and isinstance(child, dict) and child:
                walk(child, trie[step], f"{path}.{key}")
            elif step in trie and not isinstance(child, list):
                found.append(f"{path}.{key}")

    authored = {key: value for key, value in wish.items() if key not in ("apiVersion", "kind")}
    for entry in live["metadata"].get("managedFields", []):
        by_hand = entry["manager"].startswith(("kubectl", "k9s", "Mozilla"))
        if by_hand and entry.get("subresource") != "status":
            walk(authored, entry["fieldsV1"], "")
    return found


def judge(server: Server, wish: Object) -> tuple[Counts | None, str]:
    """The verdict on one pair, None where there is no live object; and what was wrong with it, in words."""
    live = server.get(wish)
    if live is None:
        return None, ""
    proved = unchanged(wish, copy.deepcopy(live))
    counts = Counts(pairs=1, proved=int(proved))
    answer = server.dry_run(wish)
    problem = ""
    if "deletionTimestamp" in live["metadata"]:
        counts.refused = 1
        problem = "it is being deleted"
    elif isinstance(answer, ApiError):
        counts.conflicts = int(bool(answer.field_conflicts))
        counts.refused = 1 - counts.conflicts
        problem = f"the server answers {answer}"
    elif essence(live) != essence(answer):
        counts.changed = 1
        problem = f"the server makes of {essence(live)} {essence(answer)}"
    elif proved and held_by_hands(wish, live):
        problem = f"hands hold {held_by_hands(wish, live)} too"
    else:
        counts.missed = int(not proved)
    if proved and problem:
        counts.wrong = 1
        return counts, f"called unchanged, but {problem}"
    return counts, ""


def _holds_nothing(value: Any) -> bool:
    """Is there an empty object or list in `value`?"""
    if isinstance(value, dict):
        return not value or any(map(_holds_nothing, value.values()))
    return isinstance(value, list) and (not value or any(map(_holds_nothing, value)))


def _nulls(value: Any) -> int:
    """How many nulls `value` holds."""
    if isinstance(value, dict):
        return sum(map(_nulls, value.values()))
    return sum(map(_nulls, value)) if isinstance(value, list) else int(value is None)


def promises(server: Server, wish: Object) -> tuple[bool, str]:
    """Does check mode predict what the real run does, and has a second run nothing to do? Whether that can be asked,
    and what was wrong."""
    if _holds_nothing(wish):
        # The server drops, or makes null, an object whose last field an apply removes, though the same apply wants
        # it empty: what it does depends on how many requests we need. Our renderers omit what is empty.
        return False, ""
    policy = Policy()
    live = server.get(wish)
    (predicted,) = reconcile(server.connection, [wish], policy=policy, check_mode=True)
    if server.get(wish) != live:
        return True, "check mode wrote something"
    (real,) = reconcile(server.connection, [wish], policy=policy, check_mode=False)
    if real.action == "refused" and "must be of type object" in (real.reason or ""):
        # The same trait: the server makes null what has lost its last field, and refuses the null …
        return False, ""
    if _nulls((server.get(wish) or {}).get("spec", {})):
        return False, ""  # … or keeps it, where the schema allows it
    if predicted.action != real.action or not predicted.ref == real.ref == ref_of(wish):
        return True, f"predicted {predicted}, but it is {real}"
    first, second = ([(c.path, c.before, c.after) for c in outcome.changes] for outcome in (predicted, real))
    if first != second or predicted.took_back != real.took_back:
        return True, f"predicted {first}, taking back {predicted.took_back}, but it is {second}, {real.took_back}"
    if real.action == "refused":
        reason = real.reason or ""
        return True, "" if 0 < len(reason) <= 300 and "\n" not in reason else f"a bad reason: {reason!r}"
    (again,) = reconcile(server.connection, [wish], policy=policy, check_mode=False)
    return True, "" if again.action == "unchanged" else f"after {real} came {again}"


def run(server: Server, pairs: int, first: int = 0) -> Results:
    """Cases from number `first` on, until there are so many pairs."""
    results = Results()
    number = first
    while results.total.pairs < pairs:
        kind, ingredients, wish = cook(server, number)
        counts, problem = judge(server, wish)
        if counts is not None:
            results.kinds[kind.name] = results.kinds.get(kind.name, Counts()) + counts
            for name in ingredients:
                results.cells[kind.name, name] = results.cells.get((kind.name, name), Counts()) + counts
            asked, broken = promises(server, wish)
            results.predicted += asked
            again, afterwards = judge(server, wish) if asked else (None, "")
            results.after += again or Counts()
            told = (problem, broken, afterwards)
            results.problems += [f"KOF_FUZZ_SEED={number}: {each}" for each in told if each]
        number += 1
    return results


@dataclass
class Rendered:
    """Objects of our renderers that nobody touched: by kind, how many were proved unchanged."""

    proved: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def render_and_prove(server: Server, sets: Sequence[Sequence[Object]]) -> Rendered:
    """Apply the objects of each set of variables as ours, list them anew, and see whether each is proved unchanged;
    then have reconcile look at them again, which may send nothing.

    :param sets: the namespaces that others of a set are in come first.
    """
    result = Rendered()
    for namespace in KCM_NAMESPACES:
        server.patch({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}, "test", APPLY)
    spaces = [each for objects in sets for each in objects if each["kind"] == "Namespace"]
    others = [each for objects in sets for each in objects if each["kind"] != "Namespace"]
    for objects in (spaces, others):
        for outcome in reconcile(server.connection, objects, policy=Policy(), check_mode=False):
            if outcome.action != "created":
                result.problems.append(f"{outcome.ref}: {outcome.action}, {outcome.reason}")
        live = read(server.connection, [ref_of(each) for each in objects])
        for want in objects:
            found = live.get(ref_of(want))
            if found is None or not unchanged(want, found):
                result.problems.append(f"not proved: {json.dumps(want)}, live {json.dumps(found)}")
                continue
            kind = f"{want['kind']} {want['apiVersion'].rpartition('/')[2]}"
            result.proved[kind] = result.proved.get(kind, 0) + 1
        before = server.connection.counts.get("PATCH", 0)
        again = reconcile(server.connection, objects, policy=Policy(), check_mode=False)
        result.problems += [f"{each.ref}: {each.action} again" for each in again if each.action != "unchanged"]
        if server.connection.counts.get("PATCH", 0) != before:
            result.problems.append("a run that changes nothing sent a patch")
    return result
