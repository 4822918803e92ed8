"""How the code is built: no module imports itself by way of others, and none is too long to read."""

from pathlib import Path

from tests.support.imports import cycles, import_graph, sources

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "clients" / "python"
MODULES = {
    name: path
    for name, path in (sources(ROOT, {"hcsd"}) | sources(CLIENT, {"hcsd", "hcsd_client"})).items()
    if not name.startswith("hcsd.v1")  # generated
}

LIMIT = 300
# Modules that are longer, and why. An entry that is not needed any more has to go.
LONGER = {
    "clients/python/hcsd_client/_calls.py": "one method per RPC, each with its documentation",
    "clients/python/hcsd_client/_errors.py": "a table: one class per error, and the tree of them",
    "clients/python/hcsd_client/blocking.py": "a table: each method of the client, blocking",
    "hcsd/daemon/errors.py": "a table: each error with its words and facts",
    "hcsd/hcs/schema.py": "a table: one dataclass per document",
    "hcsd/rpc/convert.py": "the one place where messages meet the daemon's own types",
    "hcsd/rpc/validate.py": "a table: the rules of each request",
}


def test_no_module_imports_itself_by_way_of_others() -> None:
    assert cycles(import_graph(MODULES)) == set()


def test_no_module_is_too_long_to_read() -> None:
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_bytes().splitlines())
        for path in MODULES.values()
    }
    long = {name for name, length in lengths.items() if length > LIMIT}
    assert not long - LONGER.keys(), f"modules of more than {LIMIT} lines"
    assert not LONGER.keys() - long, "modules that are short, or gone: remove them from LONGER"


def test_every_import_counts_wherever_it_stands(tmp_path: Path) -> None:
    package = tmp_path / "p"
    package.mkdir()
    for name, text in {
        "__init__": "from p.b import thing",
        "a": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from p import thing",
        "b": "import json\n\ndef late() -> None:\n    import p.c",
        "c": "from p import a, b",
        "d": "from p.a import x\nfrom p import own",
    }.items():
        (package / f"{name}.py").write_text(text)
    graph = import_graph(sources(tmp_path, {"p"}))
    assert graph == {
        "p": {"p.b"},
        "p.a": {"p.b"},  # which is where the package has the thing from
        "p.b": {"p.c"},
        "p.c": {"p.a", "p.b"},
        "p.d": {"p", "p.a"},
    }
    assert cycles(graph) == {("p.a", "p.b", "p.c"), ("p.b", "p.c")}
