"""What is compared with what: each task readies its contenders, has them measured in rounds, and returns its rows."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from acceptance.support import COLLECTION_USER
from benchmarks import audit, report, rivals
from benchmarks.report import Row
from benchmarks.rounds import Attempt, Contender, Done, Wrong, extrapolate, median, nothing, seconds
from benchmarks.world import KCM, PLACEHOLDER, RIVAL_USER, World, documents, values_of, write_json
from sandbox import chart_packages
from sandbox.simulator.kinds import GRAFANA_DATASOURCE, PROMXY_SERVER_GROUP

OURS = "ours"
OURS_WITH_PREFLIGHT = "ours, with preflight (child.yml)"
START_UP = "ansible-playbook itself"
APPLY = "kubectl apply --server-side"
DIFF = "kubectl diff --server-side"
#: Items measured of a rival that would take minutes; what they take is multiplied.
SAMPLE = 20
#: What takes minutes and hardly varies (kubectl waits with 5 requests a second) is measured so often.
SLOW_ROUNDS = 1
STATE = re.compile(r" changed=(\d+) +unreachable=(\d+) +failed=(\d+)")


def _start_up() -> Contender:
    return Contender(START_UP, "", lambda: Attempt(rivals.start_up(), _nothing_to_check))


def _nothing_to_check(_done: Done) -> None:
    pass


def _child_layer(world: World, namespace: str, *arguments: str, children: int | None = None) -> list[str]:
    """The child layer alone with its report, which books each cluster, on the inventory of all clusters."""
    inventory = world.inventory(children)
    report = "playbooks/layers/report.yml"
    return rivals.own("layers/child", inventory, report, *arguments, kof_wait=False, kof_kcm_namespace=namespace)


def _child_playbook(world: World, namespace: str) -> list[str]:
    return rivals.own("child", world.inventory(), kof_wait=False, kof_kcm_namespace=namespace)


def _compared(task: str, measured: Mapping[str, list[Done]], rival: str, wanted: float | None, **more: Any) -> Row:
    """A row of two contenders as they were measured."""
    theirs = measured[rival]
    numbers = {f"rival_{name}": value for name, value in _numbers(theirs).items()}
    return report.times(
        task, seconds(measured[OURS]), rival, seconds(theirs), wanted, **{**_numbers(measured[OURS]), **numbers, **more}
    )


def _extrapolated(
    task: str, measured: Mapping[str, list[Done]], rival: str, of: int, wanted: float, *, ansible: bool, items: int
) -> Row:
    """A row of a rival that did only some of the items."""
    start_up = median(seconds(measured[START_UP])) if ansible else 0.0
    theirs = extrapolate(seconds(measured[rival]), start_up, items, of)
    less = "what it took less ansible-playbook's own start-up" if ansible else "what it took"
    note = f"{items} items measured; {less} is multiplied to {of:,}, and nothing else is taken off."
    name = f"{rival} ({items} measured)"
    return report.times(task, seconds(measured[OURS]), name, theirs, wanted, note=note, **_numbers(measured[OURS]))


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

    def contender(
        name: str, user: str, command: Callable[[str, str], list[str]], texts: Mapping[str, str] = children
    ) -> Contender:
        environment = {} if user == COLLECTION_USER else world.rival
        return Contender(name, user, _in_fresh_namespace(world, command, texts, environment))

    one_call, loop = "kubernetes.core.k8s, one call with the list", "kubernetes.core.k8s in a loop"
    measured = world.machine.compare(
        "create all",
        [
            _start_up(),
            contender(OURS, COLLECTION_USER, lambda space, _file: _child_layer(world, space)),
            contender(OURS_WITH_PREFLIGHT, COLLECTION_USER, lambda space, _file: _child_playbook(world, space)),
            contender(APPLY, RIVAL_USER, lambda _space, file: rivals.kubectl_apply(kubectl, file)),
            contender(one_call, RIVAL_USER, lambda _space, file: rivals.k8s_list(file)),
            contender(loop, RIVAL_USER, lambda _space, file: rivals.k8s_loop(file), some),
        ],
        rounds,
    )
    start_up_mb = _peak(measured[START_UP])
    above = _peak(measured[OURS]) - start_up_mb
    return [
        _compared("create all", measured, APPLY, 1.0),
        _compared("create all", measured, one_call, 1 / 3),
        _extrapolated("create all", measured, loop, world.children, 1 / 120, ansible=True, items=len(some)),
        _with_preflight("create all", measured),
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
            Contender(OURS, COLLECTION_USER, ours(_child_layer(world, mine))),
            Contender(OURS_WITH_PREFLIGHT, COLLECTION_USER, ours(_child_playbook(world, mine))),
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
        _compared("nothing changed", measured, APPLY, 0.6),
        _compared("nothing changed", measured, DIFF, 0.35),
        _with_preflight("nothing changed", measured),
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
            Contender(OURS, COLLECTION_USER, drift(mine, _child_layer(world, mine, "--diff"), one_patch)),
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

    def all_files(_done: Done) -> None:
        numbers = [len(list((output / layer).iterdir())) for layer in ("regional", "child")]
        if numbers != [world.regions, world.children]:
            raise Wrong(f"{numbers} files of regional and child clusters, not {[world.regions, world.children]}")

    def same_clusters(_done: Done) -> None:
        made = [documents(file.read_text(encoding="utf-8"), KCM)[0] for file in output.iterdir()]
        if {each["metadata"]["name"]: each for each in made} != by_name:
            raise Wrong("other ClusterDeployments than ours")

    command = rivals.own("render", world.inventory(), render_folder=output)
    helm = rivals.helm_template(world.rival["HELM"], world.folder / "render" / "values", output)
    loop = rivals.template_loop(variables, output)
    per_cluster, in_loop = "helm template per cluster", "ansible.builtin.template in a loop"
    measured = world.machine.compare(
        "render",
        [
            _start_up(),
            Contender(OURS, COLLECTION_USER, into_new_folder(command, all_files)),
            Contender(per_cluster, RIVAL_USER, into_new_folder(helm, same_clusters)),
            Contender(in_loop, RIVAL_USER, into_new_folder(loop, same_clusters)),
        ],
        rounds,
    )
    task, everything = "render all to files", world.regions + world.children
    return [
        _extrapolated(task, measured, per_cluster, everything, 1 / 100, ansible=False, items=len(clusters)),
        _extrapolated(task, measured, in_loop, everything, 1 / 100, ansible=True, items=len(clusters)),
    ]


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
            Contender(
                OURS, COLLECTION_USER,
                lambda: Attempt(ours, _all_of(world.untouched(KCM), _changed_nothing, _wrote_nothing)),
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
        _compared(task, measured, script, 1.0, note=note),
        report.times(
            task, seconds(mine), "the guide as a script, with its wait", together, 1 / 20, note=note, **_numbers(mine)
        ),
        report.limit(
            "memory, site.yml again", f"biggest process, over the {_peak(start_up):.0f} MB of ansible-playbook itself",
            above, 250, " MB", peak_mb=_peak(mine),
        ),
        report.limit("job output, site.yml again", "printed without --diff", _output_kb(mine), 50, " KB"),
    ]  # fmt: skip


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
            Contender(OURS, COLLECTION_USER, all_there(ours, {})),
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
        _compared("delete children, then regions", measured, blind, None, note=note),
    ]


def growth(world: World, rounds: int) -> list[Row]:
    sizes = [world.children // 4, world.children // 2, world.children, world.children * 2]
    kept: dict[int, str] = {}

    def creation(size: int) -> Callable[[], Attempt]:
        def prepare() -> Attempt:
            if size in kept:
                world.empty(kept[size])
            kept[size] = world.namespace()
            return Attempt(_child_layer(world, kept[size], children=size), _there(world, kept[size], size))

        return prepare

    def again(size: int) -> Callable[[], Attempt]:
        command = _child_layer(world, kept[size], children=size)
        return lambda: Attempt(command, _all_of(world.untouched(kept[size]), _changed_nothing))

    made = world.machine.compare(
        "growth, create",
        [_start_up(), *(Contender(f"{size} children", COLLECTION_USER, creation(size)) for size in sizes)],
        rounds,
    )
    seen = world.machine.compare(
        "growth, nothing changed",
        [_start_up(), *(Contender(f"{size} children", COLLECTION_USER, again(size)) for size in sizes)],
        rounds,
    )
    for namespace in kept.values():
        world.empty(namespace)
    return [
        _growth_row("growth, create", made, sizes),
        _growth_row("growth, nothing changed", seen, sizes),
    ]


def _there(world: World, namespace: str, size: int) -> Callable[[Done], None]:
    def check(_done: Done) -> None:
        number = len(world.clusters(namespace))
        if number != size:
            raise Wrong(f"{number} ClusterDeployments are there, not {size}")

    return check


def _growth_row(task: str, measured: Mapping[str, list[Done]], sizes: Sequence[int]) -> Row:
    """Milliseconds a child over the start-up: the most children against the second fewest."""
    start_up = median(seconds(measured[START_UP]))
    times = {size: median(seconds(measured[f"{size} children"])) for size in sizes}
    each = {size: 1000 * (times[size] - start_up) / size for size in sizes}
    table = "; ".join(f"{size:,} children: {times[size]:.2f} s, {each[size]:.2f} ms each" for size in sizes)
    note = (
        f"{task}: {table} (over the {start_up:.2f} s of ansible-playbook itself). The rule: among the most, "
        "one takes at most 10% more than among a quarter of them."
    )
    what = f"a child's time among {sizes[-1]:,}, over the start-up"
    return report.limit(
        task, what, each[sizes[-1]], 1.1 * each[sizes[1]], " ms", note=note,
        rounds_s={str(size): seconds(measured[f"{size} children"]) for size in sizes},
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
}
