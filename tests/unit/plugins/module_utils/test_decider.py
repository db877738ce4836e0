"""The decider against the API server's own opinion: random histories of an object, then a random wish (tests/deciding).

Held for each: what is called unchanged is unchanged in a server dry run; check mode predicts what the real run does;
a second run has nothing to do. KOF_FUZZ_CASES sets how many (normally 400: every ingredient for every kind it makes
sense for, once, and some mixtures), KOF_FUZZ_SEED where to begin. tests/acceptance/test_fleet_decider.py has 10,000.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from deciding import judge, renderings
from deciding.server import Server, serving

CASES = int(os.environ.get("KOF_FUZZ_CASES", "400"))
SEED = int(os.environ.get("KOF_FUZZ_SEED", "0"))


@pytest.fixture(scope="module")
def server(control_plane: Any) -> Iterator[Server]:
    with serving(control_plane.admin) as server:
        yield server


def test_never_wrongly_unchanged_and_check_mode_tells_the_truth(server: Server) -> None:
    results = judge.run(server, CASES, SEED)
    print(results.table())
    assert not results.problems, "\n".join(results.problems[:5])
    assert results.total.wrong == results.after.wrong == 0
    if SEED == 0 and len(judge.CELLS) <= CASES:
        assert not results.never_met()
        assert results.total.proved > CASES / 20
        assert results.predicted > CASES / 3


def test_the_judge_catches_a_decider_that_compares_what_is_wanted_only(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def part_of(want: Any, live: Any) -> bool:
        if isinstance(want, dict):
            return isinstance(live, dict) and all(key in live and part_of(want[key], live[key]) for key in want)
        return bool(want == live)

    monkeypatch.setattr(judge, "unchanged", part_of)
    verdicts = [judge.judge(server, judge.cook(server, number)[2])[0] for number in range(60)]
    assert sum(verdict.wrong for verdict in verdicts if verdict) > 5


def test_every_option_of_the_cluster_roles_is_among_the_random_variables() -> None:
    assert not renderings.options_without_values()


def test_what_we_render_is_proved_unchanged(server: Server) -> None:
    run = renderings.unique()
    results = judge.render_and_prove(server, [renderings.random_objects(number, run) for number in range(30)])
    assert not results.problems, "\n".join(results.problems[:5])
    assert len(results.proved) == judge.RENDERED_KINDS, results.proved
