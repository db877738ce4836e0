"""The decider against the API server's own opinion: random histories of an object, then a random wish (tests/deciding).

Held for each: what is called unchanged is unchanged in a server dry run; check mode predicts what the real run does;
a second run has nothing to do. KOF_FUZZ_CASES sets how many (normally 180, one day the first and one the last of every
ingredient for every kind), a quarter of that are mixtures, KOF_FUZZ_SEED where to begin.
tests/acceptance/test_fleet_decider.py has 10,000.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
import slices
from deciding import judge, renderings
from deciding.server import Server, serving

CASES = int(os.environ.get("KOF_FUZZ_CASES", "180"))
SEED = int(os.environ.get("KOF_FUZZ_SEED", slices.of(len(judge.CELLS), CASES).start))


@pytest.fixture(scope="module")
def server(control_plane: Any) -> Iterator[Server]:
    with serving(control_plane.admin) as server:
        yield server


@pytest.mark.parametrize("first_cell", [pytest.param(SEED, id=slices.NAME)])
def test_never_wrongly_unchanged_and_check_mode_tells_the_truth(server: Server, first_cell: int) -> None:
    for cases, first in ((CASES, first_cell), (CASES // 4, first_cell + len(judge.CELLS))):
        results = judge.run(server, cases, first)
        print(results.table())
        assert not results.problems, "\n".join(results.problems[:5])
        assert results.total.wrong == results.after.wrong == 0
        if first < len(judge.CELLS) and "KOF_FUZZ_SEED" not in os.environ:
            wanted = judge.CELLS[first : first + cases]
            assert {(kind.name, name) for kind, name in wanted} <= results.cells.keys()
            assert results.total.proved > cases / 20
            assert results.predicted > cases / 3


def test_the_judge_catches_a_decider_that_compares_what_is_wanted_only(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def part_of(want: Any, live: Any) -> bool:
        if isinstance(want, dict):
            return isinstance(live, dict) and all(key in live and part_of(want[key], live[key]) for key in want)
        return bool(want == live)

    monkeypatch.setattr(judge, "unchanged", part_of)
    wrong = 0
    for number in range(60):
        verdict = judge.judge(server, judge.cook(server, number)[2])[0]
        wrong += bool(verdict and verdict.wrong)
        if wrong > 5:
            return
    raise AssertionError(f"it catches {wrong} of 60 only")


def test_every_option_of_the_cluster_roles_is_among_the_random_variables() -> None:
    assert not renderings.options_without_values()


def test_what_we_render_is_proved_unchanged(server: Server) -> None:
    run = renderings.unique()
    results = judge.render_and_prove(server, [renderings.random_objects(number, run) for number in range(30)])
    assert not results.problems, "\n".join(results.problems[:5])
    assert len(results.proved) == judge.RENDERED_KINDS, results.proved
