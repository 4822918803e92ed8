"""Who imports whom, read from source: every import statement counts, wherever it stands.

So imports in functions and under TYPE_CHECKING count as well: whoever reads a module has to know
what it names there. What a package's `__init__` merely passes on is an import of the module that it
comes from. That importing a module also runs the packages above it does not count.
"""

import ast
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path

Graph = Mapping[str, set[str]]


def sources(root: Path, packages: set[str]) -> dict[str, Path]:
    """Return the modules of some packages below a folder; a package goes by its own name."""
    found: dict[str, Path] = {}
    for package in packages:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def import_graph(modules: Mapping[str, Path]) -> dict[str, set[str]]:
    """Return which of the modules each of them imports."""
    trees = {name: ast.parse(path.read_bytes()) for name, path in modules.items()}
    passed_on = {
        name: {
            alias.asname or alias.name: (node.module, alias.name)
            for node in ast.walk(trees[name])
            if isinstance(node, ast.ImportFrom) and node.module
            for alias in node.names
        }
        for name, path in modules.items()
        if path.name == "__init__.py"
    }

    def home(module: str, name: str) -> str:
        """Return the module that an imported name comes from."""
        seen: set[tuple[str, str]] = set()
        while (module, name) not in seen:
            seen.add((module, name))
            if f"{module}.{name}" in modules:
                return f"{module}.{name}"
            module, name = passed_on.get(module, {}).get(name, (module, name))
        return module

    def imported(tree: ast.Module) -> Iterator[str]:
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield from (home(node.module, alias.name) for alias in node.names)

    return {name: {*imported(tree)} & modules.keys() - {name} for name, tree in trees.items()}


def cycles(graph: Graph) -> set[tuple[str, ...]]:
    """Return the shortest cycle through each import that is part of one.

    Each begins with its first module by name, and does not repeat it at the end.
    """
    found: set[tuple[str, ...]] = set()
    for module, importeds in graph.items():
        for imported in importeds:
            back = _path(graph, imported, module)
            if back:
                turn = back.index(min(back))
                found.add((*back[turn:], *back[:turn]))
    return found


def _path(graph: Graph, start: str, end: str) -> list[str]:
    """Return the shortest path from one module to another, both included; empty if there is none."""
    came_from: dict[str, str | None] = {start: None}
    todo = deque([start])
    while todo:
        module = todo.popleft()
        if module == end:
            path: list[str] = [module]
            while (before := came_from[path[-1]]) is not None:
                path.append(before)
            return path[::-1]
        for imported in sorted(graph[module]):
            if imported not in came_from:
                came_from[imported] = module
                todo.append(imported)
    return []
