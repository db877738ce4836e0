"""Which cluster we speak to, as whom, which way, and whom we trust: as client-go, over generated kubeconfigs, NO_PROXY
settings and certificates, all but what is named here.
"""

from __future__ import annotations

import base64
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

import kubeconfig_judge
from kubeconfig_judge import Judge, Seen, Task
from kubeconfig_judge.certificates import made
from kubeconfig_judge.ingredients import CLUSTER, GENERATORS, SERVER, SYSTEM, Case, plain_changes
from sandbox.fixtures import ControlPlane

#: Generated cases of each kind.
FEW, MANY = 150, 2000


@dataclass(frozen=True)
class Different:
    """What only one takes, on purpose. `words`: of the message of the one who refuses it."""

    words: str
    why: str
    if_: Callable[[Case], bool] = lambda _case: True


def _cluster(case: Case) -> dict[str, str]:
    return json.loads(case.files["config"])["clusters"][0]["cluster"]


def _server(case: Case) -> str:
    cluster = _cluster(case)
    return cluster.get("tls-server-name") or urlsplit(cluster["server"]).hostname or ""


#: What client-go takes and we refuse.
STRICTER = (
    Different(
        r"it starts with https:// or http://$",
        "a server without a scheme is plain http to client-go, without any credentials: nobody means that",
    ),
    Different("it has no usable port", "client-go finds out when it dials"),
    Different("its name can't be resolved", "of a name that can't be one (a..b): client-go finds out when it dials"),
    Different("it names no host", "a proxy-url without a host: client-go finds out when it dials"),
    Different("has no user named", "client-go goes on as nobody, which ends in 403s that name no cause"),
    Different("interactiveMode: Always", "client-go says so when the plugin is asked, which isn't so beside a token"),
    Different(
        "unsuitable certificate purpose",
        "OpenSSL wants a server's certificate to be one: its keyUsage must allow for TLS, its extendedKeyUsage name "
        "serverAuth rather than any; Python lets nobody change that",
    ),
    Different(
        "Hostname mismatch",
        "OpenSSL knows no wildcards for all of a top-level domain, no underscore under a wildcard, no dot at the end",
        lambda case: any(re.search(r"\*\.com|\*$|\.$|_", name) for name in (*case.server.kind.names, _server(case))),
    ),
    Different(
        "invalid CA certificate|isn't valid yet|has expired",
        "where the server's own certificate is the authority, OpenSSL looks at what the server sends besides, too",
        lambda case: _pem_given(case) == case.server.pem,
    ),
)
#: What client-go refuses and we take.
WIDER = (
    Different(
        "unexpected EOF",
        "client-go asks a proxy for a tunnel into a zone of this machine's, which no proxy knows",
        lambda case: "%25" in _server(case) and any(name.lower() == "https_proxy" for name in case.environment),
    ),
)


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    folder = tmp_path_factory.mktemp("judge")
    (folder / "system.pem").write_text(made(SYSTEM).pem)
    try:
        running = Judge(kubeconfig_judge.build(folder), folder / "system.pem")
    except kubeconfig_judge.NoJudge as reason:
        pytest.skip(f"{reason}")
    yield running
    running.close()


def test_each_odd_place_of_a_kubeconfig(judge: Judge, tmp_path: pathlib.Path) -> None:
    held_against(judge, tmp_path, dict(enumerate(plain_changes())), taken=100)


@pytest.mark.parametrize("kind", GENERATORS)
def test_a_few_generated(judge: Judge, tmp_path: pathlib.Path, kind: str) -> None:
    held_against(judge, tmp_path, generated(kind, FEW), taken=FEW // 6)


@pytest.mark.long
@pytest.mark.parametrize("kind", GENERATORS)
def test_all_generated(judge: Judge, tmp_path: pathlib.Path, kind: str) -> None:
    held_against(judge, tmp_path, generated(kind, MANY), taken=MANY // 6)


@pytest.mark.long
def test_what_is_different_on_purpose_is_so_still(judge: Judge, tmp_path: pathlib.Path) -> None:
    cases = [*plain_changes(), *(case for kind in GENERATORS for case in generated(kind, MANY // 2).values())]
    met = {found.words for case in cases if (found := on_purpose(case, *both(judge, tmp_path, case)))}
    assert met == {each.words for each in (*STRICTER, *WIDER)}


def generated(kind: str, number: int) -> dict[int, Case]:
    return {seed: GENERATORS[kind](random.Random(seed)) for seed in range(number)}


def held_against(judge: Judge, folder: pathlib.Path, cases: dict[int, Case], taken: int) -> None:
    """`taken`: how many client-go takes at least; judging only what it refuses would show little."""
    wrong, good = {}, 0
    for seed, case in cases.items():
        theirs, ours = both(judge, folder, case)
        good += not theirs.error
        same = ours == theirs or (theirs.error and ours.error)
        if not same and on_purpose(case, theirs, ours) is None:
            wrong[seed] = (theirs, ours)
    told = [f"{seed}: client-go {theirs}\n     ours {ours}" for seed, (theirs, ours) in list(wrong.items())[:5]]
    assert not wrong, f"{len(wrong)} of {len(cases)}:\n" + "\n".join(told)
    assert good >= taken


def on_purpose(case: Case, theirs: Seen, ours: Seen) -> Different | None:
    if bool(theirs.error) == bool(ours.error):
        return None
    known, words = (WIDER, theirs.error) if theirs.error else (STRICTER, ours.error)
    return next((each for each in known if re.search(each.words, words) and each.if_(case)), None)


def both(judge: Judge, folder: pathlib.Path, case: Case) -> tuple[Seen, Seen]:
    """What client-go and what we do in a case."""
    here = folder / "case"
    shutil.rmtree(here, ignore_errors=True)
    for name, text in case.files.items():
        path = here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("PORT_OF_PEER", str(judge.port)), encoding="utf-8")
        path.chmod(0o700 if text.startswith("#!") else 0o600)
    environment = {
        name: value.replace("FOLDER", str(here)).replace("PORT_OF_PEER", str(judge.port))
        for name, value in case.environment.items()
    }
    proxy = made(SERVER, CLUSTER)
    task = Task(
        file=str(here / case.named) if case.named else "",
        context=case.context,
        environment=environment,
        certificate="".join(each.pem for each in (case.server, *case.chain)) + case.server.key_pem(),
        proxy=proxy.pem + proxy.key_pem() if case.proxy else "",
    )
    return judge.of_client_go(task), judge.of_ours(task)


def _pem_given(case: Case) -> str:
    return base64.b64decode(_cluster(case).get("certificate-authority-data", "")).decode()


def test_no_verification_is_warned_of_once_in_a_run(control_plane: ControlPlane, tmp_path: pathlib.Path) -> None:
    """By a module's process twice, an action's and the inventory plugin's."""
    datasource = {
        "k0rdent.kof.grafana_datasource": {
            "kof_version": "0.1.1",
            "name": "x",
            "datasource_name": "x",
            "url": "https://x",
        }
    }
    secret = {"k0rdent.kof.external_dns_secret": {"access_key_id_variable": "id", "secret_access_key_variable": "key"}}
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars": {
            "kof_kubeconfig": str(control_plane.kubeconfig),
            "kof_validate_certs": False,
            "id": "A" * 20,
            "key": "k" * 40,
        },
        "tasks": [{**each, "ignore_errors": True} for each in (datasource, secret, datasource)],
    }
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    source = {"plugin": "k0rdent.kof.clusters", "kubeconfig": str(control_plane.kubeconfig), "validate_certs": False}
    (tmp_path / "live.kof.yml").write_text(json.dumps(source))
    command = ["ansible-playbook", "--check", "-i", str(tmp_path / "live.kof.yml"), str(tmp_path / "play.yml")]
    environment = {**os.environ, "ANSIBLE_INVENTORY_ENABLED": "k0rdent.kof.clusters"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    told = " ".join((done.stdout + done.stderr).split())
    assert told.count("isn't verified, so who is on the way can pose as it") == 1, told
    assert told.count("TASK [") == 3, told
