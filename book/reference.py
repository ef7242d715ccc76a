"""A module's reference page as Markdown: signatures as they are written, shapes included, and the docstrings.

Made from the text of the module, which is not imported. So the book needs neither torch nor a checkpoint.
"""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path


def reference(file: Path, package: str, exported: set[str], below: Callable[[str, str], str]) -> str:
    """What the module `file` has for users; what is in `exported` they call package.name, and so here.

    `below`: what stands beneath a function, as Markdown, by its full name and what it returns.
    """
    text = file.read_text(encoding="utf-8")
    tree = ast.parse(text)
    parts = [f"## {package}.{file.stem}", docstring(tree)]
    for node in tree.body:
        if "overload" in map(ast.unparse, getattr(node, "decorator_list", [])):
            continue  # the definition itself has all that a reader needs
        name = defined_name(node)
        if name in exported or (name and not name.startswith("_") and not name.isupper()):
            home = package if name in exported else f"{package}.{file.stem}"
            under = below(f"{home}.{name}", unparse(node.returns)) if isinstance(node, ast.FunctionDef) else ""
            parts += [f"```{{py:currentmodule}} {home}\n```", *described(node, name, text, under)]
    return "\n\n".join(parts) + "\n"


def described(node: ast.AST, name: str, text: str, below: str = "") -> Iterator[str]:
    """The directives for a function and what stands beneath it, a class with its fields and methods, or a value."""
    match node:
        case ast.FunctionDef(args=args, returns=returns):
            kind = "method" if args.args and args.args[0].arg == "self" else "function"
            if any("property" in ast.unparse(decorator) for decorator in node.decorator_list):
                yield f":::{{py:property}} {name}\n:type: {unparse(returns)}\n\n{docstring(node)}\n:::"
            else:
                signature = re.sub(r"^self(, )?", "", unparse(args))
                parts = [f":::{{py:{kind}}} {name}({signature}) -> {unparse(returns)}", docstring(node), below]
                yield "\n\n".join(filter(None, parts)) + "\n:::"
        case ast.ClassDef(body=body):
            yield f"::::{{py:class}} {name}\n\n{docstring(node)}\n"
            for member in body:
                match member:
                    case ast.AnnAssign(target=ast.Name(id=field), annotation=annotation):
                        yield f":::{{py:attribute}} {field}\n:type: {unparse(annotation)}\n:::"
                    case ast.FunctionDef(name=method) if not method.startswith("_"):
                        yield from described(member, method, text)
            yield "::::"
        case _:
            yield f"```python\n{ast.get_source_segment(text, node)}\n```"


def defined_name(node: ast.stmt) -> str | None:
    """The name that a statement gives to a function, a class or a value."""
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return name
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return name
    return None


def docstring(node: ast.AST) -> str:
    """The docstring: prose in which only the backticks are Markdown."""
    return re.sub(r"(`[^`]*`)|([*_<])", lambda found: found[1] or "\\" + found[2], ast.get_docstring(node) or "")


def unparse(node: ast.AST) -> str:
    """Code as text; jaxtyping's leading space in a shape of one axis is for the type checker."""
    return re.sub(r"' (\w+)'", r"'\1'", ast.unparse(node)).replace("'", '"')
