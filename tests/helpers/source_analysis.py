"""What a stage's source says about it: the files it can import inside the repository, and the params keys it reads."""

import ast
from pathlib import Path

from stages.utils.params import Params

ROOT = Path(__file__).parents[2]


def closure(path: str) -> set[str]:
    """`path` and every file of the repository that it imports, directly or not, wherever the import stands.

    Files beside a module that share its name (page.py, page.html, page.css) belong to it.
    """
    found, open_paths = set(), {path}
    while open_paths:
        current = open_paths.pop()
        found |= {file.relative_to(ROOT).as_posix() for file in (ROOT / current).parent.glob(f"{Path(current).stem}.*")}
        open_paths |= _imports(current) - found
    return found


def _imports(path: str) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import"
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    files = {name.replace(".", "/") + ".py" for name in names if name.split(".")[0] == "stages"}
    return {file for file in files if (ROOT / file).is_file()}


def params_read(path: str) -> set[str]:
    """The leaf keys that the stage module reads, as chains of attributes on the name `params`.

    A section that is used as a whole counts as all its leaves.
    """
    nodes = list(ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))))
    inner = {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}
    leaves = set()
    for chain in {_chain(node) for node in nodes if id(node) not in inner} - {()}:
        section, *rest = chain
        fields = getattr(Params.model_fields[section].annotation, "model_fields", None)
        if fields is None:
            leaves.add(section)
        elif rest and rest[0] in fields:
            leaves.add(f"{section}.{rest[0]}")
        else:
            leaves |= {f"{section}.{field}" for field in fields}
    return leaves


def _chain(node: ast.AST) -> tuple[str, ...]:
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return tuple(reversed(parts)) if isinstance(node, ast.Name) and node.id == "params" else ()
