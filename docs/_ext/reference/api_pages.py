"""The reference of the Python API: a page a folder, read from the source, so that nothing is imported for it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import prognoscope
from prognoscope.models.registry import MODELS
from reference.markdown import escaped, prose, table

ROOT = Path(prognoscope.__file__).parent
Definition = ast.FunctionDef | ast.ClassDef
COMMENT = re.compile(r"\S\s+# (.+)$")


def api_pages() -> dict[str, str]:
    """The pages by the stem of their files: `index` with the names most people need, then one for each folder."""
    tree = (Path(__file__).parents[2] / "architecture.md").read_text(encoding="utf-8")
    order = re.findall(r"^[├└]── (\w+)/", tree, re.MULTILINE)
    pages = {folder: page for folder in order if (page := _folder_page(ROOT / folder))}
    return {"index": _index(list(pages)), **pages}


def public_names() -> dict[str, str]:
    """The names of the top level and the modules they come from, `prognoscope` for what is its own."""
    home = next(
        ast.literal_eval(node.value)
        for node in ast.parse((ROOT / "__init__.py").read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "_HOME"
    )
    return dict(sorted(home.items()))


def _index(folders: list[str]) -> str:
    rows = [
        (f"{{py:obj}}`{name} <{module}.{name}>`", _summary(module, name)) for name, module in public_names().items()
    ]
    return "\n\n".join(
        [
            "# Python",
            "Whatever a command does, Python can do too. These names are at the top, each loaded on first use: "
            "`from prognoscope import Study`.",
            table(["name", "what it is"], rows),
            "The pages below hold every public function and class, folder by folder, in the order of "
            "[the tree](../../architecture.md). Methods have [pages of their own](../../methods.md).",
            "\n".join(["```{toctree}", ":maxdepth: 1", "", *folders, "```"]),
        ]
    )


def _summary(module: str, name: str) -> str:
    path = ROOT.parent / Path(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    found = next(each for each in _definitions(ast.parse(path.read_text(encoding="utf-8"))) if each.name == name)
    return escaped((ast.get_docstring(found) or "").splitlines()[0])


def _folder_page(folder: Path) -> str:
    modules = [part for path in sorted(folder.rglob("*.py")) if not _is_of_a_method(path) and (part := _module(path))]
    return "\n\n".join([f"# {folder.name}", *modules]) if modules else ""


def _is_of_a_method(path: Path) -> bool:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[0] == "models" and not MODELS.keys().isdisjoint(parts)


def _module(path: Path) -> str:
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    definitions = list(_definitions(tree))
    if not definitions:
        return ""
    name = ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")
    parts = [
        _class(each, name, source) if isinstance(each, ast.ClassDef) else _function(each, name) for each in definitions
    ]
    return "\n\n".join([f"## {name.removeprefix('prognoscope.')}", prose(ast.get_docstring(tree)), *parts])


def _definitions(tree: ast.Module) -> Iterator[Definition]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node


def _function(node: ast.FunctionDef, module: str) -> str:
    return _directive("function", _signature(node), prose(ast.get_docstring(node)), [f":module: {module}"])


def _class(node: ast.ClassDef, module: str, source: str) -> str:
    shown = [
        f"* `{ast.unparse(field)}`{f': {escaped(words)}' if words else ''}" for field, words in _fields(node, source)
    ]
    methods = [
        _method(each)
        for each in node.body
        if isinstance(each, ast.FunctionDef) and not each.name.startswith("_") and ast.get_docstring(each)
    ]
    made = next((each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"), None)
    arguments = _arguments(made, bound=True) if made else ""
    parts = [prose(ast.get_docstring(node)), "\n".join(shown), *methods]
    body = "\n\n".join(part for part in parts if part)
    return _directive("class", f"{node.name}{arguments}", body, [f":module: {module}"], colons=4)


def _fields(node: ast.ClassDef, source: str) -> Iterator[tuple[ast.AnnAssign, str]]:
    """The public annotated fields of a class, each with the comment at the end of its line, "" without one."""
    lines = source.splitlines()
    for each in node.body:
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name) and not each.target.id.startswith("_"):
            found = COMMENT.search(lines[(each.end_lineno or each.lineno) - 1])
            yield each, found[1] if found else ""


def _method(node: ast.FunctionDef) -> str:
    kinds = {ast.unparse(each).split(".")[-1] for each in node.decorator_list}
    text = prose(ast.get_docstring(node))
    if kinds & {"property", "cached_property"}:
        returned = [f":type: {_type(node.returns)}"] if node.returns else []
        return _directive("property", node.name, text, returned)
    options = [f":{kind}:" for kind in ("classmethod", "staticmethod") if kind in kinds]
    return _directive("method", _signature(node, bound="staticmethod" not in kinds), text, options)


def _signature(node: ast.FunctionDef, *, bound: bool = False) -> str:
    returned = f" -> {_type(node.returns)}" if node.returns else ""
    return f"{node.name}{_arguments(node, bound=bound)}{returned}"


def _type(annotation: ast.expr) -> str:
    """An annotation as it is written, one in quotes without them."""
    is_quoted = isinstance(annotation, ast.Constant) and isinstance(annotation.value, str)
    return annotation.value if is_quoted else ast.unparse(annotation)


def _arguments(node: ast.FunctionDef, *, bound: bool) -> str:
    """The arguments as they are written; of a method without the first."""
    arguments = ast.parse(f"def f({ast.unparse(node.args)}): ...").body[0].args
    if bound:
        first = arguments.posonlyargs or arguments.args
        first.pop(0)
    return f"({ast.unparse(arguments)})"


def _directive(kind: str, signature: str, text: str, options: list[str], *, colons: int = 3) -> str:
    fence = ":" * colons
    return "\n".join([f"{fence}{{py:{kind}}} {signature}", *options, "", text, fence])
