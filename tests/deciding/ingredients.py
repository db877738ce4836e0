"""What may have happened to an object, and how the wish may differ from what we applied: one function each.

Each is a generator in three parts, parted by `yield`: what our first apply must hold, what others do after it, and
what the wish has other than it. It raises NotMet where it couldn't do its part (the server refused, say).
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from deciding.objects import (
    ANNOTATIONS,
    FINALIZERS,
    KEYED_GROUP,
    OWNERS,
    TEXTS,
    Kind,
    Object,
    Path,
    drop,
    look,
    make,
    mixed,
    owner,
    put,
)
from deciding.server import APPLY, MERGE, OURS, Server

HANDS = ("kubectl-edit", "kubectl", "kubectl-patch", "k9s", "Mozilla")
CONTROLLERS = ("manager", "helm", "kof-operator")
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


class NotMet(Exception):
    """This ingredient isn't in the case after all."""


@dataclass
class Case:
    """One object in the making: `start` is what we apply first, `wish` what is wanted in the end."""

    server: Server
    kind: Kind
    rng: random.Random
    name: str
    start: Object = field(default_factory=dict)
    wish: Object = field(default_factory=dict)
    never_ours: bool = False  # we have not applied it before

    def merge(self, manager: str, path: Path, value: Any) -> None:
        """`manager` sets what is at `path` (dicts only above it)."""
        body = value
        for step in reversed(path):
            body = {step: body}
        self._must(self.server.patch(self.start, manager, MERGE, body))

    def apply(self, manager: str, obj: Object) -> None:
        self._must(self.server.patch(obj, manager, APPLY, force="true"))

    def bare(self) -> Object:
        """The object's name only, for others to apply something of their own."""
        identity = {key: value for key, value in self.start["metadata"].items() if key in ("name", "namespace")}
        return {"apiVersion": self.start["apiVersion"], "kind": self.start["kind"], "metadata": identity}

    def hand(self) -> str:
        return self.rng.choice(HANDS)

    def anyone(self) -> str:
        return self.rng.choice(HANDS + CONTROLLERS)

    def text(self) -> str:
        return self.kind.text(self.rng.choice(TEXTS))

    @staticmethod
    def _must(answer: Any) -> None:
        if not answer:
            raise NotMet


Play = Callable[[Case], Iterator[None]]


@dataclass(frozen=True)
class Ingredient:
    name: str
    play: Play
    fits: Callable[[Kind], bool]


INGREDIENTS: dict[str, Ingredient] = {}


def ingredient(name: str, fits: Callable[[Kind], bool] = lambda _kind: True) -> Callable[[Play], Play]:
    """Register a function under a name, for the kinds it makes sense for."""

    def register(play: Play) -> Play:
        INGREDIENTS[name] = Ingredient(name, play, fits)
        return play

    return register


def _takes_anything(kind: Kind) -> bool:
    return kind.free is not None


# -- what the wish has other than what we applied


@ingredient("the same again")
def _same(_case: Case) -> Iterator[None]:
    yield
    yield


@ingredient("mixed versions")
def _mixed_versions(case: Case) -> Iterator[None]:
    yield
    latest = case.start
    for _number in range(case.rng.randint(1, 3)):
        latest = mixed(case.rng, latest, make(case.rng, case.kind, case.name))
        latest |= {key: case.start[key] for key in ("apiVersion", "kind")}
        latest["metadata"] |= case.bare()["metadata"]
        manager = case.rng.choice([OURS, OURS, case.anyone()])
        if manager == OURS or case.rng.random() < 0.4:
            case.server.patch(latest, manager, APPLY, force="true")
        else:
            case.server.patch(latest, manager, MERGE)
    yield
    case.wish.clear()
    case.wish.update(latest if case.rng.random() < 0.5 else mixed(case.rng, latest, case.start))
    case.wish.update(case.bare() | {"metadata": case.wish.get("metadata", {}) | case.bare()["metadata"]})


@ingredient("a key added")
def _added(case: Case) -> Iterator[None]:
    yield
    yield
    put(case.wish, (*case.kind.texts, "added"), case.text())


@ingredient("a key removed")
def _removed(case: Case) -> Iterator[None]:
    paths: list[Path] = [(*case.kind.texts, "gone"), ("metadata", "labels", "gone")]
    path = case.rng.choice(paths + ([(*case.kind.free, "gone")] if case.kind.free else []))
    put(case.start, path, "x" if path[0] == "metadata" else case.kind.text("x"))
    yield
    yield
    if not drop(case.wish, path):
        raise NotMet


@ingredient("a value changed")
def _changed(case: Case) -> Iterator[None]:
    path = case.rng.choice([(*case.kind.texts, "c"), ("metadata", "labels", "c")])
    before, after = case.kind.text("x"), case.kind.text(case.rng.choice(["", "y", "X", "x1"]))
    if path[0] == "metadata":
        before, after = "x", case.rng.choice(["", "y", "X"])
    put(case.start, path, before)
    yield
    yield
    put(case.wish, path, after)


@ingredient("a null wanted")
def _null(case: Case) -> Iterator[None]:
    kind = case.kind
    paths: list[Path] = [(*kind.texts, "n"), kind.texts, kind.listed, ("metadata", "labels", "n")]
    path = case.rng.choice(paths + ([(*kind.free, "n")] * 3 if kind.free else []))
    if kind.free and path == (*kind.free, "n"):
        put(case.start, path, case.rng.choice(["x", "", 0, False, {}, [], None]))
    elif path[-1] == "n" and case.rng.random() < 0.7:
        put(case.start, path, case.rng.choice(["", kind.text("0")]) if path[0] != "metadata" else "")
    yield
    yield
    put(case.wish, path, None)


@ingredient("a null kept", _takes_anything)
def _null_kept(case: Case) -> Iterator[None]:
    assert case.kind.free is not None
    put(case.start, (*case.kind.free, "n"), case.rng.choice([None, [None, 1], {"a": None}, [{"a": None}]]))
    yield
    yield


@ingredient("a number as a string")
def _number_as_string(case: Case) -> Iterator[None]:
    number = case.rng.choice([0, 1, -7, 2.5])
    pair: list[Any] = [number, str(number)]
    if case.kind.free is None:  # only strings are possible: the server has a word to say
        put(case.start, (*case.kind.texts, "n"), case.kind.text(pair[1]))
    else:
        case.rng.shuffle(pair)
        put(case.start, (*case.kind.free, "n"), pair[0])
    yield
    yield
    put(case.wish, (*(case.kind.free or case.kind.texts), "n"), pair[1] if case.kind.free else number)


@ingredient("True against 1")
def _true_against_one(case: Case) -> Iterator[None]:
    wrap = case.rng.choice([lambda x: x, lambda x: [x], lambda x: {"a": x}, lambda x: [0, {"a": [x]}]])
    pair: list[Any] = case.rng.choice([[True, 1], [False, 0], [True, 1.0]])
    path = (*case.kind.free, "t") if case.kind.free else case.kind.switch
    if case.kind.free:
        case.rng.shuffle(pair)
        pair = [wrap(each) for each in pair]
    put(case.start, path, pair[0])
    yield
    yield
    put(case.wish, path, pair[1])


@ingredient("1 against 1.0", lambda kind: bool(kind.free or kind.number))
def _integer_against_float(case: Case) -> Iterator[None]:
    path = case.rng.choice(
        [path for path in ((*case.kind.free, "i") if case.kind.free else None, case.kind.number) if path]
    )
    pair: list[Any] = case.rng.choice([[1, 1.0], [2, 2.5], [10**12, 1e12], [2**53, float(2**53)]])
    if path == case.kind.number:
        pair = [7, 7.0]
    case.rng.shuffle(pair)
    put(case.start, path, pair[0])
    yield
    yield
    put(case.wish, path, pair[1])


@ingredient("an empty object or list wanted")
def _empty(case: Case) -> Iterator[None]:
    choices: list[tuple[Path, Any]] = [
        (case.kind.texts, {}),
        (case.kind.listed, []),
        (("metadata", "labels"), {}),
        *([((*case.kind.free, "e"), case.rng.choice([{}, [], [{}], {"a": {}}]))] if case.kind.free else []),
    ]
    path, value = case.rng.choice(choices)
    if case.rng.random() < 0.6:
        put(case.start, path, copy.deepcopy(value))
    yield
    yield
    put(case.wish, path, value)


@ingredient("a list in another order")
def _reordered(case: Case) -> Iterator[None]:
    items = [case.kind.item(number) for number in range(case.rng.randint(2, 4))]
    put(case.start, case.kind.listed, items)
    yield
    yield
    put(case.wish, case.kind.listed, items[::-1])


@ingredient("a list item more or less")
def _item_more_or_less(case: Case) -> Iterator[None]:
    items = [case.kind.item(number) for number in range(3)]
    pair = [items, items[: case.rng.randint(1, 2)]]
    case.rng.shuffle(pair)
    put(case.start, case.kind.listed, pair[0])
    yield
    yield
    put(case.wish, case.kind.listed, pair[1])


@ingredient("a list item changed")
def _item_changed(case: Case) -> Iterator[None]:
    put(case.start, case.kind.listed, [case.kind.item(0), case.kind.item(1)])
    yield
    yield
    other = case.kind.item(1)
    if isinstance(other, dict) and "template" in other:
        other |= case.rng.choice([{"template": "t-2"}, {"values": "a: 1\n"}, {"disable": True}, {"namespace": "x"}])
    else:
        other = case.kind.item(2)
    put(case.wish, case.kind.listed, [case.kind.item(0), other])


@ingredient("a default left out", lambda kind: bool(kind.defaults))
def _default_left_out(case: Case) -> Iterator[None]:
    path, value = case.rng.choice(case.kind.defaults)
    put(case.start, path, value)
    drop(case.start, path)
    yield
    if look(case.server.get(case.start), path) != value:
        raise NotMet
    yield


@ingredient("a default written out", lambda kind: bool(kind.defaults))
def _default_written_out(case: Case) -> Iterator[None]:
    path, value = case.rng.choice(case.kind.defaults)
    put(case.start, path, value)
    drop(case.start, path)
    yield
    yield
    put(case.wish, path, value)


@ingredient("a default no longer written out", lambda kind: bool(kind.defaults))
def _default_taken_back(case: Case) -> Iterator[None]:
    path, value = case.rng.choice(case.kind.defaults)
    put(case.start, path, value)
    yield
    yield
    drop(case.wish, path)


@ingredient("an immutable field changed", lambda kind: kind.immutable is not None)
def _immutable(case: Case) -> Iterator[None]:
    assert case.kind.immutable is not None
    path, before, after = case.kind.immutable
    put(case.start, path, before)
    yield
    yield
    put(case.wish, path, after)


@ingredient("finalizers wanted")
def _finalizers(case: Case) -> Iterator[None]:
    put(case.start, FINALIZERS, ["example.com/a", "example.com/b"])
    yield
    yield
    put(case.wish, FINALIZERS, case.rng.choice([["example.com/a", "example.com/b"], ["example.com/b"], []]))


@ingredient("owner references wanted")
def _owners(case: Case) -> Iterator[None]:
    put(case.start, OWNERS, [owner(1), owner(2)])
    yield
    yield
    switched = owner(2) | {"controller": True}
    put(case.wish, OWNERS, case.rng.choice([[owner(1), owner(2)], [owner(2)], [owner(1), switched]]))


@ingredient("stringData wanted", lambda kind: kind.name == "Secret")
def _string_data_wanted(case: Case) -> Iterator[None]:
    if case.rng.random() < 0.5:
        put(case.start, ("stringData", "s"), "x")
    yield
    yield
    put(case.wish, ("stringData", "s"), "x")


# -- what others do


@ingredient("another manager applied the same")
def _applied_the_same(case: Case) -> Iterator[None]:
    yield
    case.apply(case.rng.choice(CONTROLLERS), case.start)
    yield


@ingredient("another manager applied more")
def _applied_more(case: Case) -> Iterator[None]:
    yield
    theirs = case.bare()
    put(theirs, (*case.kind.texts, "theirs"), case.text())
    put(theirs, ("metadata", "labels"), {"theirs": "1"})
    for path in (("spec", "template"), ("roleRef",), ("spec", "datasource"), ("spec", "instanceSelector")):
        if look(case.start, path) is not None:  # required: they have it as we do
            put(theirs, path, look(case.start, path))
    case.apply(case.rng.choice(CONTROLLERS), theirs)
    yield


@ingredient("another manager applied another value")
def _applied_another(case: Case) -> Iterator[None]:
    put(case.start, ("metadata", "labels", "c"), "x")
    yield
    theirs = copy.deepcopy(case.start)
    put(theirs, ("metadata", "labels", "c"), "y")
    case.apply(case.rng.choice(CONTROLLERS), theirs)
    yield


@ingredient("a controller updated")
def _controller_updated(case: Case) -> Iterator[None]:
    put(case.start, ("metadata", "labels", "c"), "x")
    yield
    choices: list[tuple[Path, Any]] = [
        (("metadata", "labels", "c"), case.rng.choice(["x", "y"])),
        ((*case.kind.texts, "theirs"), case.kind.text("x")),
        (ANNOTATIONS, {"theirs": "x"}),
    ]
    case.merge(case.rng.choice(CONTROLLERS), *case.rng.choice(choices))
    yield


@ingredient("an update before our apply")
def _updated_before(case: Case) -> Iterator[None]:
    """They made it, we applied over it: both own the fields."""
    theirs = copy.deepcopy(case.start)
    Case._must(case.server.create(theirs, case.anyone()))
    yield
    yield


@ingredient("kubectl edit changed a value")
def _edit(case: Case) -> Iterator[None]:
    path = case.rng.choice([(*case.kind.texts, "e"), ("metadata", "labels", "e")])
    put(case.start, path, "x" if path[0] == "metadata" else case.kind.text("x"))
    yield
    case.merge(case.hand(), path, "y" if path[0] == "metadata" else case.kind.text("y"))
    yield


@ingredient("kubectl edit and back")
def _edit_and_back(case: Case) -> Iterator[None]:
    path = (*case.kind.texts, "e")
    put(case.start, path, case.kind.text("x"))
    yield
    hand = case.hand()
    case.merge(hand, path, case.kind.text("y"))
    case.merge(case.rng.choice([hand, case.hand()]), path, case.kind.text("x"))
    yield


@ingredient("kubectl edit added a field")
def _edit_added(case: Case) -> Iterator[None]:
    yield
    paths: list[Path] = [(*case.kind.texts, "theirs"), ("metadata", "labels", "theirs")]
    path = case.rng.choice(paths + ([(*case.kind.free, "theirs")] if case.kind.free else []))
    case.merge(case.hand(), path, "x" if path[0] == "metadata" else case.kind.text("x"))
    yield


@ingredient("kubectl edit removed a field")
def _edit_removed(case: Case) -> Iterator[None]:
    path = case.rng.choice([(*case.kind.texts, "e"), ("metadata", "labels", "e")])
    put(case.start, path, "x" if path[0] == "metadata" else case.kind.text("x"))
    yield
    case.merge(case.hand(), path, None)
    yield


@ingredient("kubectl edit of a list")
def _edit_list(case: Case) -> Iterator[None]:
    items = [case.kind.item(number) for number in range(3)]
    put(case.start, case.kind.listed, items)
    yield
    edited = case.rng.choice([items[::-1], items[:2], [*items, case.kind.item(7)]])
    case.merge(case.hand(), case.kind.listed, edited)
    yield


@ingredient("an item of others in a keyed list", lambda kind: kind.keyed)
def _item_of_others(case: Case) -> Iterator[None]:
    put(case.start, case.kind.listed, [case.kind.item(0), case.kind.item(1)])
    yield
    theirs = case.bare()
    put(
        theirs,
        case.kind.listed,
        case.rng.choice([[case.kind.item(7)], [case.kind.item(1), case.kind.item(7)], [case.kind.item(0)]]),
    )
    if case.kind.free:
        put(theirs, ("spec", "template"), case.start["spec"]["template"])
    elif "roleRef" in case.start:
        put(theirs, ("roleRef",), case.start["roleRef"])
    case.apply(case.anyone(), theirs)
    yield


@ingredient("kubectl apply before us")
def _client_side_apply(case: Case) -> Iterator[None]:
    theirs = copy.deepcopy(case.start)
    put(theirs, (*ANNOTATIONS, LAST_APPLIED), json.dumps(theirs))
    Case._must(case.server.create(theirs, "kubectl-client-side-apply"))
    case.never_ours = case.rng.random() < 0.5
    yield
    yield


@ingredient("kubectl apply --server-side")
def _server_side_apply(case: Case) -> Iterator[None]:
    case.never_ours = case.rng.random() < 0.2
    yield
    case.apply("kubectl", case.start)
    yield


@ingredient("finalizers of others")
def _finalizers_of_others(case: Case) -> Iterator[None]:
    yield
    case.merge(case.anyone(), FINALIZERS, [*look(case.start, FINALIZERS, []), "example.com/theirs"])
    yield


@ingredient("owner references of others")
def _owners_of_others(case: Case) -> Iterator[None]:
    yield
    case.merge(case.anyone(), OWNERS, [*look(case.start, OWNERS, []), owner(7)])
    yield


@ingredient("a status of a controller", lambda kind: kind.has_status)
def _status(case: Case) -> Iterator[None]:
    yield
    body = {"status": {"phase": "Active"} if case.kind.name == "Namespace" else {"observedGeneration": 1}}
    Case._must(case.server.patch(case.start, case.anyone(), MERGE, body, subresource="status"))
    yield


@ingredient("a status under our name", lambda kind: kind.has_status)
def _status_of_ours(case: Case) -> Iterator[None]:
    """Nobody does that but by mistake. Labels can be set that way where the kind lets them."""
    put(case.start, ("metadata", "labels"), {"s": "1"})
    case.never_ours = case.rng.random() < 0.5
    if case.never_ours:
        Case._must(case.server.create(case.start, "manager"))
    yield
    body = case.bare() | {"status": {}}
    if case.kind.name == "Namespace" or case.rng.random() < 0.3:
        body = case.bare() | {"metadata": case.bare()["metadata"] | {"labels": {"s": "1"}}}
    how = case.rng.choice([APPLY, APPLY, MERGE])
    more = {"force": "true"} if how == APPLY else {}
    Case._must(case.server.patch(case.start, OURS, how, body, subresource="status", **more))
    yield
    if case.kind.name == "Namespace":
        case.wish["metadata"] = {**case.bare()["metadata"], "labels": {"s": "1"}}


@ingredient("updated under our name")
def _updated_as_ours(case: Case) -> Iterator[None]:
    case.never_ours = case.rng.random() < 0.3
    if case.never_ours:
        Case._must(case.server.create(case.start, OURS))
    put(case.start, ("metadata", "labels", "u"), "x")
    yield
    case.merge(OURS, ("metadata", "labels", "u"), case.rng.choice(["x", "y"]))
    yield


@ingredient("being deleted")
def _being_deleted(case: Case) -> Iterator[None]:
    yield
    case.merge("gc", FINALIZERS, [*look(case.start, FINALIZERS, []), "example.com/held"])
    if not case.server.delete(case.start):
        raise NotMet
    yield


@ingredient("managedFields cleared")
def _cleared(case: Case) -> Iterator[None]:
    yield
    case.merge("test", ("metadata", "managedFields"), [{}])
    yield


@ingredient("made again by another", lambda kind: kind.name != "Namespace")  # which nobody finalizes here
def _made_again(case: Case) -> Iterator[None]:
    drop(case.start, FINALIZERS)
    yield
    live = case.server.get(case.start)
    if live is None or look(live, FINALIZERS) or not case.server.delete(case.start):
        raise NotMet
    Case._must(case.server.create(case.start, case.anyone()))
    yield


@ingredient("an empty object of ours filled by others")
def _filled(case: Case) -> Iterator[None]:
    path = case.rng.choice([path for path in (case.kind.free, case.kind.texts) if path])
    put(case.start, path, {})
    yield
    value = case.kind.text("x") if path == case.kind.texts else 1
    if case.rng.random() < 0.5:
        case.merge(case.anyone(), (*path, "theirs"), value)
        yield
    else:
        case.merge(case.rng.choice(CONTROLLERS), (*path, "theirs"), value)
        yield
        put(case.wish, path, {"theirs": value})


@ingredient("stringData by hands", lambda kind: kind.name == "Secret")
def _string_data(case: Case) -> Iterator[None]:
    put(case.start, ("data", "s"), "eA==")
    yield
    body = {"stringData": {"s": case.rng.choice(["x", "y"])}}
    if case.rng.random() < 0.5:
        Case._must(case.server.patch(case.start, case.hand(), MERGE, body))
    else:
        case.apply("kubectl", case.bare() | body)
    yield


@ingredient("applied in an older version", lambda kind: kind.name.endswith("v1beta1"))
def _older_version(case: Case) -> Iterator[None]:
    put(case.start, case.kind.listed, [case.kind.item(0), case.kind.item(1)])
    case.never_ours = case.rng.random() < 0.7
    yield
    case.apply(case.rng.choice([OURS, OURS, case.anyone()]), case.start | {"apiVersion": f"{KEYED_GROUP}/v1alpha1"})
    yield
