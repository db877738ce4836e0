"""What is compared with what: each task readies its contenders, has them measured in rounds, and returns its rows."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import subprocess
import tarfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from acceptance.support import COLLECTION_USER
from benchmarks import audit, report, rivals
from benchmarks.report import Row
from benchmarks.rounds import Attempt, Contender, Done, Wrong, extrapolate, median, noise, nothing, seconds
from benchmarks.world import KCM, PLACEHOLDER, PREFIX, RIVAL_USER, World, documents, has, values_of, write_json
from sandbox import chart_packages
from sandbox.simulator.kinds import GRAFANA_DATASOURCE, PROMXY_SERVER_GROUP

OURS = "ours"
OURS_WITH_PREFLIGHT = "ours, with preflight (child.yml)"
#: What kubectl apply does, too; the report behind it says and hands on the names, and books up to 200 changed clusters.
OURS_ALONE = "ours, without the report"
OURS_IN_CHECK_MODE = "ours, --check, with the wait"
START_UP = "ansible-playbook itself"
APPLY = "kubectl apply --server-side"
#: Of contenders beside as many processes as there are cores, each at work all the time.
BUSY = ", all cores kept busy"
DIFF = "kubectl diff --server-side"
#: Items measured of a rival that would take minutes; what they take is multiplied.
SAMPLE = 20
#: What takes minutes and hardly varies (kubectl waits with 5 requests a second) is measured so often.
SLOW_ROUNDS = 1
#: How many times more children there are where it is measured how time and memory grow.
MORE = 10
STATE = re.compile(r" changed=(\d+) +unreachable=(\d+) +failed=(\d+)")


def _start_up() -> Contender:
    return Contender(START_UP, "", lambda: Attempt(rivals.start_up(), _nothing_to_check))


def _own(world: World, name: str, prepare: Callable[[], Attempt], **more: Any) -> list[Contender]:
    """Ours; and, where another checkout takes part, the same from there; `more`: of each Contender."""
    contenders, other = [Contender(name, COLLECTION_USER, prepare, **more)], world.checkout
    if other:
        there = Contender(other.contender(name), COLLECTION_USER, lambda: other.attempt(prepare()), **more)
        contenders.append(replace(there, may_fail=True))
    return contenders


def _against_checkout(world: World, task: str, measured: Mapping[str, list[Done]], name: str = OURS) -> list[Row]:
    """Rows of ours against the same from another checkout, by the clock and by CPU; none where none takes part."""
    if world.checkout is None:
        return []
    rows = []
    rival = world.checkout.contender(name)
    if not measured[rival]:
        return [report.times(task, seconds(measured[name]), rival, note="It can't do it: see what the run printed.")]
    for what, numbers in (("", seconds), (", seconds of CPU", lambda each: [done.cpu for done in each])):
        mine, theirs = numbers(measured[name]), numbers(measured[rival])
        most = max(noise(mine), noise(theirs)) if len(mine) > 1 else None
        cpu = {} if what else {"cpu_s": _cpu(measured[name]), "rival_cpu_s": _cpu(measured[rival])}
        rows.append(
            report.times(
                f"{task}{what}", mine, rival, theirs, None if most is None else 1 + most, noise=most, **cpu,
                note="Against another checkout: no slower than by the noise, half of the range of a contender's rounds "
                "over their median, of the noisier one.",
            )
        )  # fmt: skip
    return rows


def _nothing_to_check(_done: Done) -> None:
    pass


def _child_layer(
    world: World, namespace: str, *arguments: str, children: int | None = None, report: bool = True
) -> list[str]:
    """The child layer alone on the inventory of all clusters, with its report, which books each cluster, or without."""
    more = [*(["playbooks/layers/report.yml"] if report else []), *arguments]
    inventory = world.inventory(children)
    return rivals.own("layers/child", inventory, *more, kof_wait=False, kof_kcm_namespace=namespace)


def _child_playbook(world: World, namespace: str) -> list[str]:
    return rivals.own("child", world.inventory(), kof_wait=False, kof_kcm_namespace=namespace)


def _compared(
    task: str, measured: Mapping[str, list[Done]], rival: str, wanted: float | None, ours: str = OURS, **more: Any
) -> Row:
    """A row of two contenders as they were measured."""
    mine, theirs = measured[ours], measured[rival]
    numbers = {f"rival_{name}": value for name, value in _numbers(theirs).items()}
    return report.times(task, seconds(mine), rival, seconds(theirs), wanted, **{**_numbers(mine), **numbers, **more})


def _extrapolated(
    task: str,
    measured: Mapping[str, list[Done]],
    rival: str,
    of: int,
    wanted: float,
    *,
    ansible: bool,
    items: int,
    ours: str = OURS,
) -> Row:
    """A row of a rival that did only some of the items."""
    start_up, cpu_of_it = (median(seconds(measured[START_UP])), _cpu(measured[START_UP])) if ansible else (0.0, 0.0)
    theirs = extrapolate(seconds(measured[rival]), start_up, items, of)
    its_cpu = median(extrapolate([each.cpu for each in measured[rival]], cpu_of_it, items, of))
    less = "what it took less ansible-playbook's own start-up" if ansible else "what it took"
    note = f"{items} items measured; {less} is multiplied to {of:,}, and nothing else is taken off."
    name = f"{rival} ({items} measured)"
    mine = measured[ours]
    return report.times(task, seconds(mine), name, theirs, wanted, note=note, rival_cpu_s=its_cpu, **_numbers(mine))


def _numbers(measured: Sequence[Done]) -> dict[str, Any]:
    return {
        "peak_mb": _peak(measured),
        "cpu_s": _cpu(measured),
        "requests": audit.by_verb(measured[-1].requests),
        "load": [round(each.load, 2) for each in measured],
        "busy": [round(each.busy, 2) for each in measured],
    }


def _cpu(measured: Sequence[Done]) -> float:
    return median([each.cpu for each in measured])


def _peak(measured: Sequence[Done]) -> float:
    return max(each.peak_mb for each in measured)


def _in_fresh_namespace(
    world: World,
    command: Callable[[str, str], list[str]],
    texts: Mapping[str, str],
    environment: Mapping[str, str] | None = None,
) -> Callable[[], Attempt]:
    """Attempts that create these clusters; `command` takes the namespace and the file with them."""

    def prepare() -> Attempt:
        namespace = world.namespace()
        file = world.file(texts, namespace, "clusters")
        return Attempt(
            command(namespace, file),
            lambda _done: world.check_applied(namespace, texts),
            lambda: world.empty(namespace),
            environment or {},
        )

    return prepare


def create(world: World, rounds: int) -> list[Row]:
    children = world.rendered()["child"]
    some = dict(list(children.items())[:SAMPLE])
    kubectl = world.rival["KUBECTL"]

    def own(name: str, command: Callable[[str], list[str]], **more: Any) -> list[Contender]:
        return _own(world, name, _in_fresh_namespace(world, lambda space, _file: command(space), children), **more)

    def rival(
        name: str, command: Callable[[str], list[str]], texts: Mapping[str, str] = children, **more: Any
    ) -> Contender:
        prepare = _in_fresh_namespace(world, lambda _space, file: command(file), texts, world.rival)
        return Contender(name, RIVAL_USER, prepare, **more)

    def alone(space: str) -> list[str]:
        return _child_layer(world, space, report=False)

    def kubectls(file: str) -> list[str]:
        return rivals.kubectl_apply(kubectl, file)

    one_call, loop = "kubernetes.core.k8s, one call with the list", "kubernetes.core.k8s in a loop"
    busy = os.cpu_count() or 1
    measured = world.machine.compare(
        "create all",
        [
            _start_up(),
            *own(OURS, lambda space: _child_layer(world, space)),
            *own(OURS_ALONE, alone),
            *own(OURS_WITH_PREFLIGHT, lambda space: _child_playbook(world, space)),
            rival(APPLY, kubectls),
            *own(OURS_ALONE + BUSY, alone, neighbours=busy),
            rival(APPLY + BUSY, kubectls, neighbours=busy),
            rival(one_call, rivals.k8s_list),
            rival(loop, rivals.k8s_loop, some),
        ],
        rounds,
    )
    start_up_mb = _peak(measured[START_UP])
    above = _peak(measured[OURS]) - start_up_mb
    without = "create all, without the report"
    return [
        _compared("create all", measured, APPLY, 0.6),
        _compared(without, measured, APPLY, 0.6, OURS_ALONE),
        _compared(without + BUSY, measured, APPLY + BUSY, 0.8, OURS_ALONE + BUSY),
        report.limit(without, "seconds of CPU of all processes", _cpu(measured[OURS_ALONE]), 3.5, " s"),
        _compared("create all", measured, one_call, 1 / 3),
        _extrapolated("create all", measured, loop, world.children, 1 / 120, ansible=True, items=len(some)),
        _with_preflight("create all", measured),
        *_against_checkout(world, "create all", measured),
        *_against_checkout(world, without, measured, OURS_ALONE),
        *_against_checkout(world, without + BUSY, measured, OURS_ALONE + BUSY),
        *_against_checkout(world, "create all, with preflight (child.yml)", measured, OURS_WITH_PREFLIGHT),
        report.limit(
            "memory, creating all", f"biggest process, over the {start_up_mb:.0f} MB of ansible-playbook itself",
            above, 250, " MB", peak_mb=_peak(measured[OURS]),
        ),
        report.limit("job output, creating all", "printed without --diff", _output_kb(measured[OURS]), 50, " KB"),
    ]  # fmt: skip


def _with_preflight(task: str, measured: Mapping[str, list[Done]]) -> Row:
    mine = measured[OURS_WITH_PREFLIGHT]
    return report.times(f"{task}, with preflight (child.yml)", seconds(mine), **_numbers(mine))


def _output_kb(measured: Sequence[Done]) -> float:
    return max(each.output_bytes for each in measured) / 1000


def unchanged(world: World, rounds: int) -> list[Row]:
    children, kubectl = world.rendered()["child"], world.rival["KUBECTL"]
    mine, theirs = world.namespace(), world.namespace()
    world.run(_child_layer(world, mine))
    file = world.apply(theirs, children, "clusters")

    def ours(command: list[str]) -> Callable[[], Attempt]:
        return lambda: Attempt(command, _all_of(world.untouched(mine), _changed_nothing))

    def kubectls(command: list[str]) -> Callable[[], Attempt]:
        return lambda: Attempt(command, world.untouched(theirs), environment=world.rival)

    measured = world.machine.compare(
        "nothing changed",
        [
            *_own(world, OURS, ours(_child_layer(world, mine))),
            *_own(world, OURS_WITH_PREFLIGHT, ours(_child_playbook(world, mine))),
            *_own(world, OURS_IN_CHECK_MODE, ours(_child_layer(world, mine, "--check", "-e", "kof_wait=true"))),
            Contender(APPLY, RIVAL_USER, kubectls(rivals.kubectl_apply(kubectl, file))),
            Contender(DIFF, RIVAL_USER, kubectls(rivals.kubectl_diff(kubectl, file))),
        ],
        rounds,
    )
    world.empty(mine)
    world.empty(theirs)
    writes = sum(each.changes for done in measured[OURS] for each in done.requests)
    most = max(len(done.requests) for done in measured[OURS])
    return [
        _compared("nothing changed", measured, APPLY, 0.25),
        _compared("nothing changed", measured, DIFF, 0.35),
        _with_preflight("nothing changed", measured),
        *_against_checkout(world, "nothing changed", measured),
        *_against_checkout(world, "nothing changed, with preflight (child.yml)", measured, OURS_WITH_PREFLIGHT),
        *_against_checkout(world, "nothing changed, --check", measured, OURS_IN_CHECK_MODE),
        report.limit("nothing changed", "mutating requests of the one-task play", writes, 0),
        report.limit("nothing changed", "requests of the one-task play", most, 12),
    ]


def _all_of(*checks: Callable[[Done], None]) -> Callable[[Done], None]:
    def check(done: Done) -> None:
        for each in checks:
            each(done)

    return check


def _changed_nothing(done: Done) -> None:
    """Raises Wrong unless the recap of ansible-playbook has neither change nor failure."""
    hosts = STATE.findall(done.output)
    if not hosts or any(set(numbers) != {"0"} for numbers in hosts):
        raise Wrong(f"something changed or failed:\n{done.output[-2000:]}")


def drifted(world: World, rounds: int) -> list[Row]:
    children, kubectl = world.rendered()["child"], world.rival["KUBECTL"]
    victim = documents(next(iter(children.values())), KCM)[0]
    name, wanted = victim["metadata"]["name"], victim["spec"]["config"]["workersNumber"]
    mine, calm = world.namespace(), world.namespace()
    for namespace in (mine, calm):
        world.run(_child_layer(world, namespace))
    theirs, looked_at = world.namespace(), world.namespace()
    file, looked_at_file = (world.apply(namespace, children, "clusters") for namespace in (theirs, looked_at))
    edits = iter(range(100, 100_000))

    def drift(
        namespace: str, command: list[str], check: Callable[[Done], None], codes: tuple[int, ...] = (0,)
    ) -> Callable[[], Attempt]:
        def prepare() -> Attempt:
            world.edit(namespace, name, next(edits))
            environment = {} if namespace == mine else world.rival
            return Attempt(command, check, nothing, environment, codes)

        return prepare

    def taken_back(namespace: str) -> None:
        live = world.clusters(namespace)[name]["spec"]["config"]["workersNumber"]
        if live != wanted:
            raise Wrong(f"{name} has {live} workers, not {wanted}")

    def one_patch(done: Done) -> None:
        taken_back(mine)
        sent = [f"{each.verb} {each.name}" for each in done.requests if each.changes]
        if sent != [f"patch {name}"]:
            raise Wrong(f"sent {sent}, not one patch of {name}")
        _names_the_field(done)

    def _names_the_field(done: Done) -> None:
        if "workersNumber" not in done.output:
            raise Wrong(f"the field isn't named:\n{done.output[-2000:]}")

    apply_force, diff_force = f"{APPLY} --force-conflicts", f"{DIFF} --force-conflicts"
    without = f"{OURS}, nothing changed"
    measured = world.machine.compare(
        "one drifted",
        [
            *_own(world, OURS, drift(mine, _child_layer(world, mine, "--diff"), one_patch)),
            Contender(
                without, COLLECTION_USER,
                lambda: Attempt(_child_layer(world, calm, "--diff"), _all_of(world.untouched(calm), _changed_nothing)),
            ),
            Contender(
                apply_force, RIVAL_USER,
                drift(theirs, rivals.kubectl_apply(kubectl, file, force=True), lambda _done: taken_back(theirs)),
            ),
            Contender(
                diff_force, RIVAL_USER,
                drift(looked_at, rivals.kubectl_diff(kubectl, looked_at_file, force=True), _names_the_field, (1,)),
            ),
        ],
        rounds,
    )  # fmt: skip
    for namespace in (mine, calm, theirs, looked_at):
        world.empty(namespace)
    note = (
        "One child's number of workers is edited before each measurement. Ours runs with --diff, sends exactly one "
        "PATCH and names the field (checked). kubectl refuses without --force-conflicts; its diff only shows."
    )
    return [
        _compared("one drifted", measured, without, 1.1, note=note),
        _compared("one drifted", measured, apply_force, 0.66, note=note),
        _compared("one drifted", measured, diff_force, 0.385, note=note),
        *_against_checkout(world, "one drifted", measured),
    ]


def render(world: World, rounds: int) -> list[Row]:
    clusters = [documents(text, KCM)[0] for text in list(world.rendered()["child"].values())[:SAMPLE]]
    by_name = {each["metadata"]["name"]: each for each in clusters}
    values = [values_of(each) for each in clusters]
    variables = write_json(world.folder / "render" / "variables.json", {"clusters": values})
    for each in values:
        write_json(world.folder / "render" / "values" / f"{each['name']}.yaml", each)
    output = world.folder / "render" / "output"

    def into_new_folder(command: list[str], check: Callable[[Done], None]) -> Callable[[], Attempt]:
        def prepare() -> Attempt:
            shutil.rmtree(output, ignore_errors=True)
            output.mkdir()
            return Attempt(command, check)

        return prepare

    def all_files(children: int) -> Callable[[Done], None]:
        def check(_done: Done) -> None:
            numbers = [len(list((output / layer).iterdir())) for layer in ("regional", "child")]
            if numbers != [world.regions, children]:
                raise Wrong(f"{numbers} files of regional and child clusters, not {[world.regions, children]}")

        return check

    def own(name: str, children: int, rounds: int | None = None) -> list[Contender]:
        command = rivals.own("render", world.inventory(children), render_folder=output)
        return _own(world, name, into_new_folder(command, all_files(children)), rounds=rounds)

    def same_clusters(_done: Done) -> None:
        made = [documents(file.read_text(encoding="utf-8"), KCM)[0] for file in output.iterdir()]
        if {each["metadata"]["name"]: each for each in made} != by_name:
            raise Wrong("other ClusterDeployments than ours")

    more, most = f"{OURS}, {MORE} times the children", MORE * world.children
    helm = rivals.helm_template(world.rival["HELM"], world.folder / "render" / "values", output)
    loop = rivals.template_loop(variables, output)
    per_cluster, in_loop = "helm template per cluster", "ansible.builtin.template in a loop"
    measured = world.machine.compare(
        "render",
        [
            _start_up(),
            *own(OURS, world.children),
            *own(more, most, SLOW_ROUNDS),
            Contender(per_cluster, RIVAL_USER, into_new_folder(helm, same_clusters)),
            Contender(in_loop, RIVAL_USER, into_new_folder(loop, same_clusters)),
        ],
        rounds,
    )
    task, everything = "render all to files", world.regions + world.children
    return [
        _extrapolated(task, measured, per_cluster, everything, 0.03, ansible=False, items=len(clusters)),
        _extrapolated(
            f"{task}, {most:,} children", measured, per_cluster, world.regions + most, 0.01, ansible=False,
            items=len(clusters), ours=more,
        ),
        _extrapolated(task, measured, in_loop, everything, 1 / 100, ansible=True, items=len(clusters)),
        *_against_checkout(world, task, measured),
    ]  # fmt: skip


def manifest(world: World, rounds: int) -> list[Row]:
    """The manifest of kof-operators, which an unchanged run of helm_release reads, in the size of the real one."""
    folder = world.folder / "render"
    (kof_operators,) = [chart for chart in chart_packages.ALL if chart.name == "kof-operators"]
    chart = chart_packages.assemble(kof_operators, folder)
    command = [world.rival["HELM"], "template", "kof-operators", str(chart), "--skip-schema-validation"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    file = folder / "manifest.yaml"
    file.write_text(text, encoding="utf-8")
    objects = text.count("\nkind: ")

    def all_read(done: Done) -> None:
        if done.output.split() != [str(objects)]:
            raise Wrong(f"{done.output[-200:]!r} read of {objects} objects")

    rival = "PyYAML's CSafeLoader, taught what = is"
    contenders = [
        Contender(OURS, COLLECTION_USER, lambda: Attempt(rivals.read_manifest("ours", file), all_read)),
        Contender(rival, RIVAL_USER, lambda: Attempt(rivals.read_manifest("pyyaml", file), all_read)),
    ]
    measured = world.machine.compare("manifest", contenders, rounds)
    lines = text.count("\n")
    # Without another checkout: it is no playbook, and imports the reader from where it stands today.
    return [_compared(f"read a manifest of {lines:,} lines", measured, rival, 1.0)]


def site(world: World, rounds: int) -> list[Row]:
    first = world.run(rivals.own("site", world.inventory()))
    world.say(f"  site.yml, all from nothing, until all are ready: {first.seconds:.0f} s (mostly the simulator's)")
    theirs = world.namespace()
    environment = world.rival | _guide(world, theirs)
    world.run(rivals.guide(), environment)
    world.pretend_ready(theirs)
    if world.clusters(KCM).keys() != world.clusters(theirs).keys():
        raise Wrong("guide.sh makes other clusters than site.yml")
    world.quiet()  # what a check compares with must not be written by the simulator any more
    script, wait = "the guide as a script, without its wait", "kubectl wait --for=condition=Ready --all"
    ours = rivals.own("site", world.inventory())
    measured = world.machine.compare(
        "site.yml again",
        [
            *_own(
                world, OURS, lambda: Attempt(ours, _all_of(world.untouched(KCM), _changed_nothing, _wrote_nothing))
            ),
            Contender(
                script, RIVAL_USER,
                lambda: Attempt(rivals.guide(), world.untouched(theirs), environment=environment),
            ),
            Contender(
                wait, RIVAL_USER,
                lambda: Attempt(rivals.guide("wait"), _all_met(world), environment=environment),
                SLOW_ROUNDS,
            ),
        ],
        rounds,
    )  # fmt: skip
    world.empty(theirs)
    waited = median(seconds(measured[wait]))
    together = [each + waited for each in seconds(measured[script])]
    mine = measured[OURS]
    note = (
        "Ours does more: preflight, the AWS policy, user and access key for external-dns (IAM: moto), "
        "and it knows that services are ready too. The script runs helm upgrade twice, writes the manifests by "
        f"heredoc and applies one file. kubectl wait was measured {_often(measured[wait])}: {waited:.0f} s."
    )
    task = "site.yml again, all ready"
    start_up = world.machine.compare("start-up", [_start_up()], 1)[START_UP]
    above = _peak(mine) - _peak(start_up)
    return [
        _compared(task, measured, script, 0.2, note=note),
        report.times(
            task, seconds(mine), "the guide as a script, with its wait", together, 1 / 20, note=note,
            rival_cpu_s=_cpu(measured[script]) + _cpu(measured[wait]), **_numbers(mine),
        ),
        *_against_checkout(world, task, measured),
        report.limit(
            "memory, site.yml again", f"biggest process, over the {_peak(start_up):.0f} MB of ansible-playbook itself",
            above, 250, " MB", peak_mb=_peak(mine),
        ),
        report.limit("job output, site.yml again", "printed without --diff", _output_kb(mine), 50, " KB"),
    ]  # fmt: skip


def verify(world: World, rounds: int) -> list[Row]:
    """What the verify at the end of site.yml costs, on clusters that are all ready."""
    _all_installed(world)
    without = f"{OURS}, kof_verify=false"
    check = _all_of(world.untouched(KCM), _changed_nothing, _wrote_nothing)

    def own(**more: object) -> Callable[[], Attempt]:
        return lambda: Attempt(rivals.own("site", world.inventory(), **more), check)

    contenders = [*_own(world, OURS, own()), *_own(world, without, own(kof_verify=False))]
    measured = world.machine.compare("site.yml again with verify", contenders, rounds)
    task = "site.yml again, with its verify"
    return [_compared(task, measured, without, 1.2), *_against_checkout(world, task, measured)]


def _all_installed(world: World) -> None:
    """Have site.yml make all clusters, unless it has."""
    if len(world.clusters(KCM)) != world.regions + world.children:
        world.run(rivals.own("site", world.inventory()))
        world.quiet()


#: Seconds: a person waits so long for an answer, however small the fleet is.
ANSWER = 2.5


def status(world: World, rounds: int) -> list[Row]:
    """Is the fleet well? Against reading the same kinds as JSON, which judges nothing."""
    inventory, kubectl = world.inventory(), world.rival["KUBECTL"]
    _all_installed(world)
    command = rivals.own("status", inventory)
    # Which kinds those are the status' own requests say.
    first = world.machine.measure(Attempt(command, _nothing_to_check), COLLECTION_USER)
    kinds: dict[str, list[str]] = {}
    for each in first.requests:
        if each.verb == "list" and each.resource != "secrets" and each.code == 200:
            kinds.setdefault(each.namespace, []).append(f"{each.resource}.{each.group}".rstrip("."))
    reading = "kubectl get -o json of the same kinds"
    total = world.regions + world.children

    def all_well(done: Done) -> None:
        if f"{total + 1} of {total + 1} clusters ready" not in done.output:
            raise Wrong(f"not all is well:\n{done.output[-2000:]}")
        _wrote_nothing(done)

    def all_read(done: Done) -> None:
        number = done.output.count('"kind": "ClusterDeployment"')
        if number < total:
            raise Wrong(f"{number} ClusterDeployments were read, not {total}")

    measured = world.machine.compare(
        "status",
        [
            _start_up(),
            *_own(world, OURS, lambda: Attempt(command, all_well)),
            Contender(
                reading, RIVAL_USER,
                lambda: Attempt(rivals.kubectl_get(kubectl, kinds), all_read, environment=world.rival),
            ),
        ],
        rounds,
    )  # fmt: skip
    theirs = median(seconds(measured[reading]))
    note = (
        f"At most as long as the rival, or {ANSWER} s where that is more. Ours reads the inventory, asks every part's "
        "judge and works out what a run would change; the rival is a kubectl for each namespace, one after the other."
    )
    return [
        _compared("status", measured, reading, max(1.0, ANSWER / theirs), note=note),
        *_against_checkout(world, "status", measured),
    ]


#: How much longer than kubectl with the same objects a backup and a restore may take.
SAVED = 3.0


def backup(world: World, rounds: int) -> list[Row]:
    """One archive of the fleet, secrets encrypted, against kubectl's YAML of the objects that are in it."""
    _all_there(world)
    password, folder = _password(world), world.folder / "backups"
    command = rivals.own("backup", world.inventory(), "--vault-id", f"prod@{password}", backup_folder=folder)
    kinds = {KCM: ["clusterdeployments"], "kof": [*_BESIDE, "grafanadashboards", "vmrules"], "": ["namespaces"]}
    labelled = ("-l", "app.kubernetes.io/managed-by=k0rdent.kof")
    reading = rivals.kubectl_get(world.rival["KUBECTL"], kinds, *labelled, form="yaml")
    total = world.regions + world.children

    def into_new_folder() -> Attempt:
        shutil.rmtree(folder, ignore_errors=True)
        return Attempt(command, written)

    def written(done: Done) -> None:
        _wrote_nothing(done)
        (file,) = folder.iterdir()
        number = len(_saved(file, "ClusterDeployment"))
        if number != total:
            raise Wrong(f"{number} ClusterDeployments are in the backup, not {total}")

    def all_read(done: Done) -> None:
        number = done.output.count("\n  kind: ClusterDeployment\n")
        if number != total:
            raise Wrong(f"{number} ClusterDeployments were read, not {total}")

    rival = "kubectl get -o yaml of the same objects"
    measured = world.machine.compare(
        "backup",
        [
            _start_up(),
            *_own(world, OURS, into_new_folder),
            Contender(rival, RIVAL_USER, lambda: Attempt(reading, all_read, environment=world.rival)),
        ],
        rounds,
    )
    note = (
        "Ours also keeps apart and encrypts what may be secret, reads Secrets and values of the charts, works out the "
        "inventory that the live fleet amounts to, and reads its own archive back before it is kept."
    )
    return [
        _compared("backup", measured, rival, SAVED, note=note),
        *_against_checkout(world, "backup", measured),
    ]


def restore(world: World, rounds: int) -> list[Row]:
    """All clusters of an archive on a mothership that has none, against kubectl apply of the same objects."""
    _all_there(world)
    password, folder = _password(world), world.folder / "to-restore"
    shutil.rmtree(folder, ignore_errors=True)
    vault = ("--vault-id", f"prod@{password}")
    world.run(rivals.own("backup", world.inventory(), *vault, backup_folder=folder))
    (file,) = folder.iterdir()
    objects = [each for kind in ("ClusterDeployment", *_KINDS_BESIDE) for each in _saved(file, kind)]
    manifest = write_json(world.folder / "to-restore.json", {"apiVersion": "v1", "kind": "List", "items": objects})
    # kcm's controller would work through what is restored, into the next measurement.
    _clear(world)
    world.sandbox.command("fault", f"kcm_ignores={PREFIX}*,{KCM}")

    def onto_none(command: list[str], environment: Mapping[str, str]) -> Callable[[], Attempt]:
        def check(_done: Done) -> None:
            live = {name: each["spec"] for name, each in world.clusters(KCM).items()}
            wanted = {each["metadata"]["name"]: each["spec"] for each in objects if each["kind"] == "ClusterDeployment"}
            if live.keys() != wanted.keys():
                raise Wrong(f"{len(live)} ClusterDeployments are there, not {len(wanted)}")
            if not_so := [name for name in wanted if not has(live[name], wanted[name])]:
                raise Wrong(f"{len(not_so)} ClusterDeployments are not as wanted, {not_so[0]} for example")

        return lambda: Attempt(command, check, lambda: _clear(world), environment)

    ours = rivals.own("restore", world.inventory(), *vault, restore_file=file, kof_wait=False)
    measured = world.machine.compare(
        "restore",
        [
            _start_up(),
            *_own(world, OURS, onto_none(ours, {})),
            Contender(
                APPLY, RIVAL_USER, onto_none(rivals.kubectl_apply(world.rival["KUBECTL"], str(manifest)), world.rival)
            ),
        ],
        rounds,
    )
    note = (
        "restore.yml as a whole: it checks the archive, preflight, looks for what is there, restores Secrets, has the "
        "charts as the inventory says, then clusters, regional ones before children."
    )
    return [
        _compared("restore", measured, APPLY, SAVED, note=note),
        *_against_checkout(world, "restore", measured),
    ]


_BESIDE, _KINDS_BESIDE = ("promxyservergroups", "grafanadatasources"), ("PromxyServerGroup", "GrafanaDatasource")


def _password(world: World) -> pathlib.Path:
    file = world.folder / "vault-password"
    file.write_text("open sesame", encoding="utf-8")
    return file


def _saved(file: pathlib.Path, kind: str) -> list[Any]:
    """The objects of a kind in a backup."""
    with tarfile.open(file) as tar:
        member = tar.extractfile(f"objects/{kind}.json")
        return json.load(member) if member else []


def _all_there(world: World) -> None:
    """Have the layers make all clusters, unless they are there. What kcm does behind them nobody needs here."""
    if len(world.clusters(KCM)) != world.regions + world.children:
        world.sandbox.command("fault", f"kcm_ignores={PREFIX}*,{KCM}")
        for layer in ("regional", "child"):
            world.run(rivals.own(layer, world.inventory(), kof_wait=False))
        world.quiet()


def _clear(world: World) -> None:
    """Delete all clusters of the fleet, and what they have beside them."""
    world.empty(KCM)
    for kind in (PROMXY_SERVER_GROUP, GRAFANA_DATASOURCE):
        world.api.request("DELETE", kind.path("kof"), timeout=300)
    while any(world.listed(kind, "kof") for kind in (PROMXY_SERVER_GROUP, GRAFANA_DATASOURCE)):
        time.sleep(0.2)


def _often(measured: Sequence[Done]) -> str:
    return "once" if len(measured) == 1 else f"{len(measured)} times"


def _wrote_nothing(done: Done) -> None:
    sent = [f"{each.verb} {each.resource} {each.namespace}/{each.name}" for each in done.requests if each.changes]
    if sent:
        raise Wrong(f"{len(sent)} mutating requests, although nothing was to change: {', '.join(sent[:5])}")


def _all_met(world: World) -> Callable[[Done], None]:
    def check(done: Done) -> None:
        met = done.output.count(" condition met")
        if met != world.regions + world.children:
            raise Wrong(f"kubectl wait saw {met} clusters ready")

    return check


def _guide(world: World, namespace: str) -> dict[str, str]:
    """The environment of guide.sh: the same charts, values and clusters as ours."""
    folder, fleet = world.folder / "guide", world.fleet()
    folder.mkdir(exist_ok=True)
    for name in ("kof-operators", "kof-mothership"):
        values = world.sandbox.helm("get", "values", name, "-n", "kof", "-o", "yaml")
        (folder / f"{name}.yaml").write_text(values, encoding="utf-8")

    def line(layer: str, name: str, domain: str, config: dict[str, Any], team: str) -> str:
        cells = (
            layer, name, domain, config["region"], config["controlPlane"]["instanceType"],
            config["controlPlaneNumber"], config["worker"]["instanceType"], config["worker"]["rootVolumeSize"],
            config["workersNumber"], team,
        )  # fmt: skip
        return " ".join(str(each) for each in cells) + "\n"

    domains = {name: each["regional_domain"] for name, each in fleet.regionals.items()}
    regionals = [
        line("regional", name, domains[name], each["regional_config"], "-") for name, each in fleet.regionals.items()
    ]
    children = [
        line("child", name, domains[each["child_regional"]], each["child_config"], each["child_cluster_labels"]["team"])
        for name, each in fleet.children.items()
    ]
    (folder / "clusters").write_text("".join(regionals + children), encoding="utf-8")
    return {
        "CHARTS": f"oci://{world.sandbox.endpoints['registry']}/kof/charts",
        "KOF_VERSION": "0.1.1",
        "OPERATORS_VALUES": str(folder / "kof-operators.yaml"),
        "MOTHERSHIP_VALUES": str(folder / "kof-mothership.yaml"),
        "KCM_NAMESPACE": namespace,
        "KOF_NAMESPACE": namespace,
        "ADMIN_EMAIL": fleet.shared["regional_admin_email"],
        "CLUSTERS": str(folder / "clusters"),
        "OUT": str(folder),
    }


def delete(world: World, rounds: int) -> list[Row]:
    rendered, kubectl = world.rendered(kof_namespace=PLACEHOLDER), world.rival["KUBECTL"]
    names = {
        layer: {documents(text, KCM)[0]["metadata"]["name"] for text in rendered[layer].values()}
        for layer in ("child", "regional")
    }

    def all_there(
        command: Callable[[str, list[str]], list[str]], environment: Mapping[str, str]
    ) -> Callable[[], Attempt]:
        """Attempts that begin with all clusters there; `command` takes namespace and files, the children's first."""

        def prepare() -> Attempt:
            namespace = world.namespace()
            files = [world.apply(namespace, rendered[layer], layer) for layer in ("regional", "child")]

            def check(done: Done) -> None:
                kinds = (PROMXY_SERVER_GROUP, GRAFANA_DATASOURCE)
                left = len(world.clusters(namespace)) + sum(len(world.listed(kind, namespace)) for kind in kinds)
                if left:
                    raise Wrong(f"{left} objects are still there")
                if not audit.deleted_before(done.requests, names["child"], names["regional"]):
                    raise Wrong("a regional cluster was deleted before its last child")

            return Attempt(command(namespace, files[::-1]), check, lambda: world.empty(namespace), environment)

        return prepare

    def ours(namespace: str, _files: list[str]) -> list[str]:
        own = {"kof_delete_confirm": "sandbox", "kof_kcm_namespace": namespace, "kof_namespace": namespace}
        return rivals.own("delete", world.inventory(), **own)

    waiting, blind = "kubectl delete -f", "kubectl delete -f --wait=false"
    measured = world.machine.compare(
        "delete all",
        [
            *_own(world, OURS, all_there(ours, {})),
            Contender(
                waiting, RIVAL_USER,
                all_there(lambda _space, files: rivals.kubectl_delete(kubectl, *files), world.rival), SLOW_ROUNDS,
            ),
            Contender(
                blind, RIVAL_USER,
                all_there(lambda _space, files: rivals.kubectl_delete(kubectl, *files, wait=False), world.rival),
            ),
        ],
        rounds,
    )  # fmt: skip
    note = (
        "Children first, then regionals with their PromxyServerGroups and GrafanaDatasources, and until all are gone; "
        "kcm's finalizer is left out, so that the clients are measured. The order of the deletions is checked in the "
        f"audit log. kubectl delete with its wait was measured {_often(measured[waiting])}."
    )
    return [
        _compared("delete children, then regions", measured, waiting, 0.5, note=note),
        _compared("delete children, then regions", measured, blind, 0.6, note=note),
        *_against_checkout(world, "delete children, then regions", measured),
    ]


def growth(world: World, rounds: int) -> list[Row]:
    """A child's time among a fleet's children and among ten times as many, which are created in batches of the former.

    Without the report, whose booking ends at 200 clusters: it would flatter the larger fleet.
    """
    sizes = [world.children, MORE * world.children]
    kept: dict[int, str] = {}

    def layer(size: int, *arguments: str) -> list[str]:
        return _child_layer(world, kept[size], *arguments, children=size, report=False)

    def creation(size: int) -> Callable[[], Attempt]:
        def prepare() -> Attempt:
            if size in kept:
                world.empty(kept[size])
            kept[size] = world.namespace()
            return Attempt(layer(size, "-e", f"kof_serial={world.children}"), _there(world, kept[size], size))

        return prepare

    def again(size: int) -> Callable[[], Attempt]:
        return lambda: Attempt(layer(size), _all_of(world.untouched(kept[size]), _changed_nothing))

    def contenders(prepare: Callable[[int], Callable[[], Attempt]]) -> list[Contender]:
        # What takes minutes is measured once.
        often = {size: None if size == world.children else SLOW_ROUNDS for size in sizes}
        return [_start_up(), *(Contender(_sized(size), COLLECTION_USER, prepare(size), often[size]) for size in sizes)]

    made = world.machine.compare("growth, create", contenders(creation), rounds)
    seen = world.machine.compare("growth, nothing changed", contenders(again), rounds)
    for namespace in kept.values():
        world.empty(namespace)
    most = seen[_sized(sizes[-1])]
    return [
        _growth_row("growth, create", made, sizes),
        _growth_row("growth, nothing changed", seen, sizes),
        report.limit(
            f"memory, nothing changed of {sizes[-1]:,}", "biggest process", _peak(most), 600, " MB", peak_mb=_peak(most)
        ),
    ]  # fmt: skip


def _sized(size: int) -> str:
    return f"{size} children"


def _there(world: World, namespace: str, size: int) -> Callable[[Done], None]:
    def check(_done: Done) -> None:
        number = len(world.clusters(namespace))
        if number != size:
            raise Wrong(f"{number} ClusterDeployments are there, not {size}")

    return check


def _growth_row(task: str, measured: Mapping[str, list[Done]], sizes: Sequence[int]) -> Row:
    """Milliseconds a child over the start-up: among the most children against the fewest."""
    start_up = median(seconds(measured[START_UP]))
    times = {size: median(seconds(measured[_sized(size)])) for size in sizes}
    cpu = {size: _cpu(measured[_sized(size)]) for size in sizes}
    each = {size: 1000 * (times[size] - start_up) / size for size in sizes}
    table = "; ".join(
        f"{size:,} children: {times[size]:.2f} s ({cpu[size]:.2f} s of CPU), {each[size]:.2f} ms each" for size in sizes
    )
    note = (
        f"{task}, without the report: {table} (over the {start_up:.2f} s of ansible-playbook itself). The most are "
        f"created in batches of {sizes[0]:,} (kof_serial). The rule: among the most, one takes at most 10% more."
    )
    what = f"a child's time among {sizes[-1]:,}, over the start-up"
    return report.limit(
        task, what, each[sizes[-1]], 1.1 * each[sizes[0]], " ms", note=note,
        rounds_s={str(size): seconds(measured[_sized(size)]) for size in sizes},
    )  # fmt: skip


TASKS: dict[str, Callable[[World, int], list[Row]]] = {
    "create": create,
    "unchanged": unchanged,
    "drifted": drifted,
    "render": render,
    "manifest": manifest,
    "delete": delete,
    "growth": growth,
    # The last: kcm works for its clusters from then on.
    "site": site,
    # Of the clusters that it leaves.
    "verify": verify,
    "status": status,
    "backup": backup,
    # It takes them away.
    "restore": restore,
}
