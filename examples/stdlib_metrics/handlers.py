"""Metrics of Python files: `metrics.file` as it should be written, `metrics.naive` as it often is.

Run: jobworker up --handlers examples/stdlib_metrics/handlers.py
"""

import ast
import io
import re
import tokenize
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from jobworker.handlers import Fail, handler

Function = ast.FunctionDef | ast.AsyncFunctionDef

#: Each of these is one more way through a function (McCabe, "A Complexity Measure", 1976).
BRANCHES = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.IfExp, ast.comprehension, ast.match_case)
#: Statements that indent what they hold.
BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match)
#: Tokens that are no code.
LAYOUT = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING}

#: "A comment made of words": the two repetitions can share out a word of n letters in 2**n ways, and when the
#: comment ends in anything else, all of them are tried.
WORDY_COMMENT = re.compile(r"^#(\s*\w+)*\s*$", re.MULTILINE)


class File(Struct):
    """A file on the worker's machine."""

    path: str


class Lines(Struct):
    """The lines of a file, by what they hold."""

    lines: int
    code_lines: int
    comment_lines: int
    comment_ratio: float


class FunctionMetrics(Struct):
    """One function."""

    name: str
    lines: int
    complexity: int
    nesting: int


class Metrics(Struct):
    """A file that parses."""

    path: str
    size: Lines
    functions: int
    classes: int
    most_complex: FunctionMetrics | None
    longest: FunctionMetrics | None
    deepest: FunctionMetrics | None
    parsed: bool = True


class Unparsed(Struct):
    """A file that does not parse: a finding, not a failure."""

    path: str
    why: str
    parsed: bool = False


@handler("metrics.file", timeout=60)
def file_metrics(file: File) -> Metrics | Unparsed:
    """Measure a Python file: its lines, and its functions by complexity, length and nesting."""
    source = read(file.path)
    try:
        return measure(file.path, source)
    except (SyntaxError, tokenize.TokenError, ValueError, RecursionError, MemoryError) as error:
        # MemoryError is how Python's parser says "nested too deeply"; ValueError: a NUL in the source.
        return Unparsed(file.path, f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)


@handler("metrics.naive")
def wordy_comments(file: File) -> dict[str, Any]:
    """Count the comments made of words, with an expression that hangs on a long word before a full stop."""
    return {"path": file.path, "wordy_comments": len(WORDY_COMMENT.findall(read(file.path).decode(errors="replace")))}


def read(path: str) -> bytes:
    """Return what the file holds; a second attempt would not find it either."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise Fail(f"{path} cannot be read: {error.strerror}") from error


def measure(path: str, source: bytes) -> Metrics:
    """Measure a source; raises what parsing raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes are the measured file's business
        tree = ast.parse(source, path)
    functions = [function_metrics(node, name) for name, node in functions_of(tree)]
    return Metrics(
        path=path,
        size=count_lines(source),
        functions=len(functions),
        classes=sum(isinstance(node, ast.ClassDef) for node in ast.walk(tree)),
        most_complex=max(functions, key=lambda function: function.complexity, default=None),
        longest=max(functions, key=lambda function: function.lines, default=None),
        deepest=max(functions, key=lambda function: function.nesting, default=None),
    )


def count_lines(source: bytes) -> Lines:
    """Count lines by their tokens: a `#` in a string is no comment, a docstring is code."""
    code: set[int] = set()
    comments: set[int] = set()
    lines = 0
    for token in tokenize.tokenize(io.BytesIO(source).readline):
        if token.type == tokenize.ENDMARKER:
            lines = token.start[0] - 1
        elif token.type == tokenize.COMMENT:
            comments.add(token.start[0])
        elif token.type not in LAYOUT:
            code.update(range(token.start[0], token.end[0] + 1))
    written = len(code | comments)
    return Lines(lines, len(code), len(comments), round(len(comments) / written, 3) if written else 0.0)


def functions_of(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, Function]]:
    """Return all functions with their qualified names, nested ones too."""
    for node in ast.iter_child_nodes(tree):
        name = prefix
        if isinstance(node, Function | ast.ClassDef):
            name = f"{prefix}{node.name}."
            if isinstance(node, Function):
                yield name[:-1], node
        yield from functions_of(node, name)


def function_metrics(function: Function, name: str) -> FunctionMetrics:
    """Measure one function; what is nested in it is measured by itself."""
    kinds = Counter(type(node) for node in own_nodes(function))
    operands = sum(len(node.values) - 1 for node in own_nodes(function) if isinstance(node, ast.BoolOp))
    return FunctionMetrics(
        name=name,
        lines=(function.end_lineno or function.lineno) - function.lineno + 1,
        complexity=1 + operands + sum(kinds[branch] for branch in BRANCHES),
        nesting=nesting(function.body),
    )


def own_nodes(function: Function) -> Iterator[ast.AST]:
    """Return the nodes of a function's body without those of functions and classes in it."""
    pending: list[ast.AST] = [*function.body]
    while pending:
        node = pending.pop()
        if not isinstance(node, Function | ast.ClassDef):
            yield node
            pending += ast.iter_child_nodes(node)


def nesting(body: list[ast.stmt]) -> int:
    """Return how many blocks stand in each other; `elif` is written flat and counted flat."""
    return max((block_depth(statement) for statement in body), default=0)


def block_depth(statement: ast.stmt) -> int:
    """Return the depth of a statement: 0 if it holds no others."""
    if not isinstance(statement, BLOCKS):
        return 0
    deepest = 0
    for field in ("body", "orelse", "finalbody"):
        held: list[ast.stmt] = getattr(statement, field, [])
        is_elif = field == "orelse" and len(held) == 1 and isinstance(held[0], ast.If)
        deepest = max(deepest, nesting(held) - is_elif)
    for part in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
        deepest = max(deepest, nesting(part.body))
    return deepest + 1
