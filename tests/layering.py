"""The import rule and the size limits of the package, read from its source without importing it.

A room is a module or package right under textvae/. `violations(root)` lists every import that the table below
does not allow; `oversized(root)` every file and function above the limits.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

LONGEST_FILE, LONGEST_FUNCTION = 260, 50

_MODEL = {"model", "networks", "latents", "data"}
_USES = {"refinement", "objectives", "evaluation", "generation"}
_TOP = {"training", "reporting", "api", "__init__"}

# room -> the rooms, or single modules of them, that it may import besides itself and FOUNDATION
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "chance": set(),
    "keys": set(),
    "replacing": set(),
    "plugins": {"errors"},
    "registry": {"errors"},
    "data": set(),
    "latents": set(),
    "networks": {"data"},
    "model": _MODEL,
    "refinement": _MODEL,
    "objectives": _MODEL,
    "evaluation": _MODEL,
    "generation": _MODEL,
    "training": _MODEL | _USES,
    "reporting": _MODEL | _USES,
    "api": _MODEL | {"evaluation", "generation", "training.checkpoint"},
    "__init__": _MODEL | _USES | {"api", "training", "reporting"},
    "cli": _MODEL | _USES | _TOP,
    "__main__": {"cli"},
}
FOUNDATION = {"chance", "errors", "keys", "plugins", "registry", "replacing"}

# other packages' modules -> the files of textvae (a pattern) that may import them
RESERVED = {
    "hydra": r"cli/",
    "omegaconf": r"cli/",
    "wandb": r"training/trackers",
    "torch.distributions": r"(?!networks/)",
}


def violations(root: Path) -> list[str]:
    """One line for each forbidden import in root/textvae and for each room that the table does not know."""
    found = []
    for path in _sources(root):
        file = path.relative_to(root / "textvae").as_posix()
        room = file.split("/")[0].removesuffix(".py")
        if room not in MAY_IMPORT:
            found.append(f"textvae/{file}: unknown room {room!r}; give it its place in MAY_IMPORT")
            continue
        for line, module in _imports(path, root):
            if not _allowed(room, file, module):
                found.append(f"textvae/{file}:{line} imports {module}")
    return found


def oversized(root: Path) -> list[str]:
    """One line for each file and each function of root/textvae that is longer than the limit."""
    found = []
    for path in _sources(root):
        file, text = path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")
        lines = len(text.splitlines())
        if lines > LONGEST_FILE:
            found.append(f"{file} has {lines} lines; the limit is {LONGEST_FILE}")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > LONGEST_FUNCTION:
                    found.append(
                        f"{file}:{node.lineno} {node.name} has {length} lines; limit {LONGEST_FUNCTION}"
                    )
    return found


def _sources(root: Path) -> list[Path]:
    return sorted((root / "textvae").rglob("*.py"))


def _allowed(room: str, file: str, module: str) -> bool:
    if not _within(module, "textvae"):
        return all(re.match(files, file) for name, files in RESERVED.items() if _within(module, name))
    target = module.removeprefix("textvae").removeprefix(".")
    if target.split(".")[0] not in MAY_IMPORT:
        target = "__init__"  # a name of the package itself
    legal = MAY_IMPORT[room] | {room} | (set() if room in FOUNDATION else FOUNDATION)
    return any(_within(target, name) for name in legal)


def _within(module: str, name: str) -> bool:
    return module == name or module.startswith(f"{name}.")


def _imports(path: Path, root: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every import anywhere in the file; `from a import b` gives a.b."""
    package = path.relative_to(root).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            origin = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{origin}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            yield from ((node.lineno, str(a.value)) for a in node.args[:1] if isinstance(a, ast.Constant))
