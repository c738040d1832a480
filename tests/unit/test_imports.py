"""Who may import whom (docs/architecture.md), read off the source by ast: rules that nothing checks leak."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from lunmirror.host import paths

SOURCE = Path(__file__).parents[2] / "src" / "lunmirror"
LAYERS = (
    "node",
    "udev",
    "session",
    "multipath",
    "disk",
    "unrelated",
    "scsi",
    "group",
    "volume",
    "filesystem",
    "mount",
)

# Only host/ opens these doors.
DOORS = {"subprocess", "socket", "_posixsubprocess", "multiprocessing", "pty", "ctypes", "asyncio"}
DOOR_CALLS = {
    "fork",
    "forkpty",
    "posix_spawn",
    "posix_spawnp",
    "system",
    "popen",
    "execv",
    "execve",
    "execvp",
    "spawnv",
}
# What a plan must not have: it depends on nothing but what was desired and seen.
IMPURE = {
    "os",
    "time",
    "datetime",
    "random",
    "secrets",
    "uuid",
    "glob",
    "pathlib",
    "shutil",
    "tempfile",
    "io",
} | DOORS
# What a run from cron that finds nothing to do must not pay for (docs/performance.md).
HEAVY = {
    *("pydantic", "jinja2", "structlog", "rich", "tomli", "tomllib"),
    *("subprocess", "asyncio", "logging", "dataclasses", "inspect", "pathlib", "uuid", "hashlib", "ipaddress"),
    *("difflib", "tempfile", "datetime", "decimal", "random", "shutil", "threading"),
    *("warnings",),
}
# /dev is left out: "/dev/" and a name is how the kernel names devices, not a choice of ours.
ROOTS = ("/sys", "/proc", "/run", "/etc", "/var", "/usr", "/bin", "/sbin")

MODULES = {
    ".".join(("lunmirror", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(SOURCE.rglob("*.py"))
}
TREES = {name: ast.parse(path.read_text()) for name, path in MODULES.items()}


def imports(tree: ast.AST, at_import_only: bool = False) -> Iterator[str]:
    """Every module that is imported, dotted. `at_import_only`: not those within functions or TYPE_CHECKING."""
    for node in walk(tree) if at_import_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the direction"
            assert node.module is not None
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield node.module
            yield from (name for name in names if name in MODULES)


def walk(tree: ast.AST) -> Iterator[ast.AST]:
    """What runs when the module is imported and nothing is wrong."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.ExceptHandler):
            continue
        yield node
        yield from walk(node)


def ours(module: str, **how: bool) -> set[str]:
    return {name for name in imports(TREES[module], **how) if name.split(".")[0] == "lunmirror"}


def within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


def modules(*packages: str) -> list[str]:
    return [name for name in MODULES if within(name, *(f"lunmirror.{p}" for p in packages))]


def test_the_model_imports_nothing_of_ours() -> None:
    assert ours("lunmirror.engine.model") == set()
    assert ours("lunmirror.engine.desired") == set()
    assert ours("lunmirror.engine.exits") == set()


def test_only_the_command_line_opens_the_live_host() -> None:
    opening = [name for name in MODULES if "lunmirror.host.live" in ours(name)]
    assert opening
    assert all(within(name, "lunmirror.cli") for name in opening)


def test_the_root_is_a_handful_of_packages() -> None:
    """A module beside them would belong into one."""
    inside = {name.split(".")[1] for name in MODULES if name != "lunmirror"}
    assert inside == {
        *("__main__", "analysis", "cli", "config", "drill", "engine", "export"),
        *("host", "install", "layers", "lvm", "report", "setup", "speed", "watch"),
    }
    assert ours("lunmirror.engine") == set(), "what a pass needs is imported module by module"


@pytest.mark.parametrize("module", modules("analysis", "report"))
def test_analysis_does_not_render_and_reports_do_not_look(module: str) -> None:
    if within(module, "lunmirror.analysis"):
        assert not [name for name in ours(module) if within(name, "lunmirror.report")]
    else:
        assert "lunmirror.host.protocol" not in ours(module)


def test_nothing_imports_the_command_line() -> None:
    below = [name for name in MODULES if not within(name, "lunmirror.cli", "lunmirror.__main__")]
    assert [name for name in below if any(within(other, "lunmirror.cli") for other in ours(name))] == []


def test_a_proposal_is_made_by_the_command_line_alone() -> None:
    """What reads a machine that nobody declared has no way into a pass, and none to change anything."""
    using = [
        name
        for name in MODULES
        if not within(name, "lunmirror.setup") and any(within(o, "lunmirror.setup") for o in ours(name))
    ]
    assert using
    assert all(within(name, "lunmirror.cli.commands") for name in using)
    changing = {"lunmirror.engine.execute", "lunmirror.engine.runlock", "lunmirror.host.live", "lunmirror.host.files"}
    assert not [name for name in modules("setup") if changing & ours(name)]


@pytest.mark.parametrize("module", [name for name in MODULES if not within(name, "lunmirror.host")])
def test_only_the_host_opens_doors(module: str) -> None:
    assert not DOORS.intersection(name.split(".")[0] for name in imports(TREES[module]))
    calls = {ast.unparse(n.func) for n in ast.walk(TREES[module]) if isinstance(n, ast.Call)}
    assert not {f"os.{call}" for call in DOOR_CALLS} & calls


@pytest.mark.parametrize("module", modules("host"))
def test_the_host_knows_nothing_above_it(module: str) -> None:
    allowed = ("lunmirror.host", "lunmirror.engine.model", "lunmirror.engine.errors", "lunmirror.engine.plain")
    assert all(within(name, *allowed) for name in ours(module))


@pytest.mark.parametrize(
    "module", modules("layers", "engine.gate", "engine.execute", "engine.reconcile", "analysis", "report", "lvm")
)
def test_packages_import_downwards(module: str) -> None:
    """Never the command line, its log, the configuration's validator, or more of the host than its words."""
    above = {"lunmirror.cli", "lunmirror.engine.log", "lunmirror.engine.runlock", "lunmirror.config"}
    assert not [name for name in ours(module) if within(name, *above)]
    host = {name for name in ours(module) if within(name, "lunmirror.host")}
    words = ("protocol", "paths", "mountinfo", "sysfs")
    assert host <= {"lunmirror.host", *(f"lunmirror.host.{word}" for word in words)}


@pytest.mark.parametrize("module", [name for name in modules("layers") if name.rsplit(".", 1)[-1].startswith("plan")])
def test_a_plan_depends_on_nothing_but_what_was_seen(module: str) -> None:
    assert not IMPURE.intersection(name.split(".")[0] for name in imports(TREES[module]))
    host = {name for name in ours(module) if within(name, "lunmirror.host")}
    assert host <= {"lunmirror.host", "lunmirror.host.paths"}
    assert "open" not in {ast.unparse(n.func) for n in ast.walk(TREES[module]) if isinstance(n, ast.Call)}


@pytest.mark.parametrize("module", [name for name in modules("layers") if len(name.split(".")) > 3])
def test_a_layer_sees_only_the_facts_of_lower_ones(module: str) -> None:
    layer = module.split(".")[2]
    for name in ours(module):
        if within(name, "lunmirror.layers") and not within(name, f"lunmirror.layers.{layer}"):
            other, _, part = name.removeprefix("lunmirror.layers.").partition(".")
            if other in ("context", "render"):  # what the layers share
                continue
            assert other in LAYERS, f"{module} imports {name}"
            assert LAYERS.index(other) < LAYERS.index(layer), f"{module} looks up to {name}"
            assert part in ("", "facts"), f"{module} reaches into {name}"


@pytest.mark.parametrize(
    "start",
    [
        *("lunmirror.__main__", "lunmirror.cli.passes", "lunmirror.host.live", "lunmirror.engine.reconcile"),
        *("lunmirror.report.table", "lunmirror.engine.execute", "lunmirror.engine.flapping"),
    ],
)
def test_a_run_with_nothing_to_do_imports_nothing_heavy(start: str) -> None:
    """Follows every import that happens on import; what a function imports when it needs it is its own affair."""
    todo, seen, heavy = [start, "lunmirror.engine.runlock", "lunmirror.config"], set(), {}
    while todo:
        module = todo.pop()
        if module in seen or module not in TREES:
            continue
        seen.add(module)
        for name in imports(TREES[module], at_import_only=True):
            if name.split(".")[0] in HEAVY:
                heavy[module] = name
            todo.extend(name.rsplit(".", n)[0] for n in range(name.count(".") + 1))
    assert heavy == {}


def documentation(tree: ast.AST) -> set[int]:
    """The ids of docstrings."""
    return {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant)}


@pytest.mark.parametrize("module", [name for name in MODULES if name != "lunmirror.host.paths"])
def test_paths_are_spelled_out_in_one_place(module: str) -> None:
    said = documentation(TREES[module])
    found = [
        node.value
        for node in ast.walk(TREES[module])
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said
        if any(node.value == root or node.value.startswith(root + "/") for root in ROOTS) and " " not in node.value
    ]
    # A unified diff says where a new file comes from; examples in the schema are for people.
    allowed = {"/dev/null"} if within(module, "lunmirror.report") else set()
    if within(module, "lunmirror.config"):
        return
    if module == "lunmirror.watch.check":  # a program of its own, installed without the rest
        allowed = {f"{paths.RUN_DIR}/{paths.STATUS}"}
    assert not set(found) - allowed


@pytest.mark.parametrize("module", modules("layers", "lvm", "engine.execute"))
def test_program_names_are_spelled_out_in_one_place(module: str) -> None:
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rsplit(".", 1)[-1] in ("Run", "query", "run"):
            for argument in node.args[:1]:
                first = argument.elts[0] if isinstance(argument, ast.Tuple | ast.List) and argument.elts else None
                assert not isinstance(first, ast.Constant), f"{module}:{node.lineno} spells out a program's name"
