"""kof_serial: what the keyword takes, from a list, a survey's text or the command line; the rest is refused by name."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible.executor.playbook_executor import PlaybookExecutor

from ansible_collections.k0rdent.kof.plugins.filter.serial import FilterModule
from ansible_collections.k0rdent.kof.plugins.plugin_utils.serial import batches


@pytest.mark.parametrize("given", [None, "", "  ", [], "[]"])
def test_nothing_is_all_at_once(given: Any) -> None:
    assert batches(given) == ["100%"]


@pytest.mark.parametrize(
    "given",
    [[1, "10%", "100%"], "1,10%,100%", " 1, 10% ,100% ", '[1, "10%", "100%"]', "[1,10%,100%]", ("1", "10%", "100%")],
)
def test_lists_and_their_text(given: Any) -> None:
    assert batches(given) == [1, "10%", "100%"]


@pytest.mark.parametrize(("given", "size"), [(5, 5), ("5", 5), ("5%", "5%")])
def test_one_size(given: Any, size: int | str) -> None:
    assert batches(given) == [size]


@pytest.mark.parametrize(
    "given",
    [
        "abc",
        0,
        -1,
        "0%",
        "101%",
        1.5,
        math.inf,
        True,
        "1,,2",
        "1;2",
        [1, None],
        [[1]],
        {"a": 1},
        "1 %",
        "010",
        "\u0665",
        ",",
    ],
)
def test_what_the_keyword_would_choke_on_in_mid_run_is_refused(given: Any) -> None:
    with pytest.raises(ValueError, match=r"no number of clusters|more than all"):
        batches(given)


def test_the_filter_names_the_variable_and_what_is_right() -> None:
    with pytest.raises(AnsibleFilterError, match=r"^kof_serial: 'abc' is no number .* -e kof_serial=1,10%,100%"):
        FilterModule().filters()["serial"]("abc")


@pytest.mark.parametrize("seed", range(30))
def test_core_takes_whatever_is_let_through(seed: int) -> None:
    chance = random.Random(seed)
    sizes = [chance.choice(("{}", "{}%")).format(chance.randint(1, 100)) for _each in range(chance.randint(0, 4))]

    class Play:
        order = None
        hosts = "all"
        serial = batches(",".join(sizes))

    class Inventory:
        def get_hosts(self, *_arguments: object, **_more: object) -> list[int]:
            return list(range(17))

    executor = PlaybookExecutor.__new__(PlaybookExecutor)
    executor._inventory = Inventory()
    split = executor._get_serialized_batches(Play())
    assert [host for batch in split for host in batch] == list(range(17))
    assert all(split)
