"""Imports go one way: no module imports from a layer above its own (the list is in ``docs/index.md``)."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "fastprefill"

LAYERS = (
    "errors resources", "standin boards models ir", "frontend", "system", "kernels golden", "quantisation passes",
    "targets extern estimate", "config", "build", "tools", "checks", "reports", "accuracy caching", "api", "cli",
    "__main__",
)  # fmt: skip
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names.split()}

HIGHER = {("tools/mutate.py", "checks")}
"""Known exceptions: the mutants are judged by a unit's contract."""


def layer(file: Path) -> str:
    inside = file.relative_to(PACKAGE)
    return inside.parts[0] if len(inside.parts) > 1 else inside.stem


def imported(file: Path) -> set[str]:
    """First names below ``fastprefill`` that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "fastprefill":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fastprefill."):
            found.add(str(node.module).split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {
                alias.name.split(".")[1] for alias in node.names if alias.name.startswith("fastprefill.")
            }
    return found


def test_no_module_imports_from_a_higher_layer() -> None:
    files = [file for file in PACKAGE.rglob("*.py") if "_data" not in file.parts]
    assert len(files) > 100
    wrong = []
    for file in files:
        own = layer(file)
        if own == "__init__":
            continue
        assert own in LEVEL, f"{own} has no layer yet; add it to LAYERS and to docs/index.md"
        inside = file.relative_to(PACKAGE).as_posix()
        for name in sorted(imported(file) - {own, "__version__"}):
            if LEVEL[name] > LEVEL[own] and (inside, name) not in HIGHER:
                wrong.append(f"{inside} imports {name}")
    assert not wrong, "; ".join(wrong)
