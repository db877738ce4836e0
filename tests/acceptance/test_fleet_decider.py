"""The decider is never wrong: 10,000 random pairs of live and desired objects against server dry runs, and everything
that our renderers make, over random variables for every option of the roles. The machinery is tests/deciding; a few
hundred pairs are in the unit tests. An API server is all it needs. KOF_DECIDER_PAIRS and KOF_DECIDER_FIRST change how
many and from which case on; the tables go to .bench/decider.md.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from deciding import judge, renderings
from deciding.server import Server, serving
from support import REPOSITORY

PAIRS = int(os.environ.get("KOF_DECIDER_PAIRS", "10000"))
FIRST = int(os.environ.get("KOF_DECIDER_FIRST", "0"))
VARIABLE_SETS = 500


@pytest.fixture(scope="module")
def server(control_plane: Any) -> Iterator[Server]:
    with serving(control_plane.admin) as server:
        yield server


@pytest.mark.long
def test_none_of_ten_thousand_pairs_is_wrongly_called_unchanged(server: Server) -> None:
    results = judge.run(server, PAIRS, FIRST)
    told = f"{PAIRS} pairs from case {FIRST}\n\n{results.table()}\n{results.predicted} predictions of check mode held\n"
    print(told)
    (REPOSITORY / ".bench").mkdir(exist_ok=True)
    (REPOSITORY / ".bench" / "decider.md").write_text(f"{told}\n{results.table(every_cell=True)}")
    assert not results.problems, "\n".join(results.problems[:10])
    assert results.total.wrong == results.after.wrong == 0
    assert not results.never_met()
    assert all(counts.proved for counts in results.kinds.values())


@pytest.mark.long
def test_all_that_we_render_is_proved_unchanged(server: Server) -> None:
    run = renderings.unique()
    sets = [renderings.random_objects(number, run) for number in range(VARIABLE_SETS)]
    sets += [renderings.example_objects(regions, children, regions, run) for regions, children in ((1, 3), (20, 200))]
    results = judge.render_and_prove(server, sets)
    print(f"{len(sets)} sets of variables, proved unchanged: {results.proved}")
    assert not results.problems, "\n".join(results.problems[:10])
    assert len(results.proved) == judge.RENDERED_KINDS
    assert sum(results.proved.values()) == sum(map(len, sets))
