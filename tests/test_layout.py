"""The house: folders without circles, few modules in each, every name once, short functions."""

import ast
import functools
import graphlib
import statistics
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("econjax", "baselines", "llm_policy", "experiments")
MODULES = {
    path.relative_to(ROOT): path for package in PACKAGES for path in (ROOT / package).rglob("*.py")
}


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def named(name: str) -> Path:
    """Return the file of a module, or the folder of a package."""
    place = Path(*name.split("."))
    return (
        place.with_suffix(".py") if place.with_suffix(".py") in MODULES else place / "__init__.py"
    )


def imported(path: Path) -> set[Path]:
    """Return the files of this project that a file imports, its package's own surface aside."""
    names = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {named(name) for name in names} & MODULES.keys()


def test_folders_depend_on_each_other_without_a_circle():
    graph = defaultdict(set)
    for module, path in MODULES.items():
        if module.name == "__init__.py":
            continue
        for other in imported(path):
            if other.name != "__init__.py" and other.parent != module.parent:
                graph[module.parent].add(other.parent)
    assert len(graph) > 20
    graphlib.TopologicalSorter(graph).prepare()  # raises a CycleError that names the circle


def test_no_folder_has_more_than_sixteen_modules():
    sizes = Counter(module.parent for module in MODULES if module.name != "__init__.py")
    assert max(sizes.values()) <= 16, sizes.most_common(3)


def test_every_public_name_is_defined_once():
    homes = defaultdict(list)
    for module, path in MODULES.items():
        if module.name.startswith("_"):  # private, or a surface that re-exports
            continue
        for node in tree(path).body:
            match node:
                case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                    homes[name].append(module)
                case ast.Assign(targets=[ast.Name(id=name)]):
                    homes[name].append(module)
                case ast.AnnAssign(target=ast.Name(id=name)):
                    homes[name].append(module)
    twice = {
        name: places
        for name, places in homes.items()
        if len(places) > 1 and not name.startswith("_") and name != "main"
    }
    assert not twice


def test_functions_are_short():
    lengths = {
        f"{module}:{node.name}": (node.end_lineno or 0) - node.lineno + 1
        for module, path in MODULES.items()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef)
    }
    assert statistics.median(lengths.values()) < 10
    long = {name: lines for name, lines in lengths.items() if lines > 60}
    assert not long


def test_nothing_is_computed_when_modules_are_imported():
    """Arrays made at import have the precision of that moment, and start JAX before it is set."""
    script = (
        "import importlib, jax._src.xla_bridge as bridge\n"
        "for name in {!r}:\n"
        "    importlib.import_module(name)\n"
        "    assert not bridge._backends, name\n"
    )
    names = [
        ".".join(module.with_suffix("").parts).removesuffix(".__init__")
        for module in MODULES
        if module.parts[0] in ("econjax", "baselines", "llm_policy")
    ]
    heavy = ("llm_policy.engines.vllm", "llm_policy.engines._forced")
    ran = subprocess.run(
        [sys.executable, "-c", script.format([name for name in names if name not in heavy])],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
