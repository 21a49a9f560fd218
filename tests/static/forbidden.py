"""The static gate: what no file of radresp may contain, found in its syntax tree.

`find_violations` knows nothing of the package but the tables below. Names are resolved through
the imports of the file, so ``from numpy import load as open_it`` hides nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

WRITER = "radresp/io/atomic.py"
SPOILERS = "scripts/faults/"
"""What damages files as a crash or an attacker would, so not through the writer."""
REPLACING = "radresp.io.atomic.replacing"

FORBIDDEN_MODULES = {
    "pickle", "_pickle", "cPickle", "dill", "shelve", "dbm", "marshal", "cloudpickle", "jsonpickle",
    "imp", "code", "codeop", "pty", "cgi", "telnetlib",
}  # fmt: skip
# Ways to other machines; radresp has none. Scripts may start a network to show that.
NETWORK_MODULES = {
    "socket", "socketserver", "ssl", "urllib", "urllib3", "http", "ftplib", "smtplib", "poplib",
    "imaplib", "xmlrpc", "requests", "httpx", "aiohttp", "websockets", "paramiko", "webbrowser",
    "huggingface_hub", "fsspec", "boto3",
}  # fmt: skip
MAY_IMPORT = {
    "radresp/io/dicom_child.py": {"socket"},  # a pair of sockets with the reader process
    "radresp/io/dicom_worker.py": {"socket"},
    "radresp/io/atomic.py": {"socket"},  # the name of this machine, for the lock
}
FORBIDDEN_NAMES = {
    "eval": "eval",
    "exec": "exec",
    "compile": "compile",
    "builtins.eval": "eval",
    "builtins.exec": "exec",
    "builtins.compile": "compile",
    "pandas.eval": "eval",
    "os.system": "a shell",
    "os.popen": "a shell",
    "asyncio.create_subprocess_shell": "a shell",
    "subprocess.getoutput": "a shell",
    "subprocess.getstatusoutput": "a shell",
    "joblib.load": "unpickling",
    "joblib.dump": "pickling",
    "pandas.read_pickle": "unpickling",
    "yaml.load": "YAML that may run code",
    "yaml.unsafe_load": "YAML that may run code",
    "yaml.full_load": "YAML that may run code",
    "yaml.load_all": "YAML that may run code",
    "yaml.unsafe_load_all": "YAML that may run code",
    "yaml.full_load_all": "YAML that may run code",
    "torch.hub.load": "code from elsewhere",
    "torch.hub.load_state_dict_from_url": "weights from elsewhere",
    "torch.jit.load": "code in a file",
    "torch.package.PackageImporter": "code in a file",
    "shutil.unpack_archive": "unchecked extraction",
    "tempfile.mktemp": "a name somebody else may take",
    "ssl._create_unverified_context": "a connection with anybody",
}
SHELL_NAMES = {"eval", "exec", "compile", "system", "popen", "__import__", "import_module"}
"""What nobody looks up by its name."""
FORBIDDEN_METHODS = {"extractall": "unchecked extraction", "to_pickle": "pickling"}

UNPICKLING_ARRAYS = {"numpy.load", "numpy.lib.format.read_array", "numpy.lib.npyio.NpzFile"}

# Functions that write a file whatever they are given.
WRITING_CALLS = {
    "SimpleITK.WriteImage",
    "SimpleITK.WriteTransform",
    "SimpleITK.ImageFileWriter",
    "nibabel.save",
    "nibabel.loadsave.save",
    "numpy.savetxt",
    "os.link",
    "os.rename",
    "os.renames",
    "os.replace",
    "os.symlink",
    "os.truncate",
    "os.write",
    "os.pwrite",
    "shutil.copy",
    "shutil.copy2",
    "shutil.copyfile",
    "shutil.copytree",
    "shutil.move",
    "tempfile.NamedTemporaryFile",
    "tempfile.mkstemp",
}
WRITING_METHODS = {"write_text", "write_bytes", "to_filename", "tofile", "WriteTransform"}
# Writers that also take a buffer in memory: allowed when the target is one, or is left out.
BUFFER_CALLS = {
    "json.dump": 1,
    "numpy.save": 0,
    "numpy.savez": 0,
    "numpy.savez_compressed": 0,
    "pyarrow.csv.write_csv": 1,
    "pyarrow.parquet.write_table": 1,
    "pydicom.dcmwrite": 0,
    "torch.save": 1,
}
BUFFER_METHODS = {
    "savefig",
    "save_as",
    "to_csv",
    "to_excel",
    "to_feather",
    "to_hdf",
    "to_json",
    "to_parquet",
}
TARGET_KEYWORDS = {"path", "path_or_buf", "excel_writer", "fname", "file", "fp", "where", "f"}
# Openers and the place of their mode.
OPENERS = {
    "open": 1,
    "io.open": 1,
    "codecs.open": 1,
    "os.fdopen": 1,
    "gzip.open": 1,
    "gzip.GzipFile": 1,
    "bz2.open": 1,
    "lzma.open": 1,
    "tarfile.open": 1,
    "zipfile.ZipFile": 1,
}
OPEN_FLAGS = {"os.O_WRONLY", "os.O_RDWR", "os.O_CREAT", "os.O_APPEND", "os.O_TRUNC"}
BUFFERS = {"io.BytesIO", "io.StringIO"}
EVERYTHING = {"Exception", "BaseException"}
# What may write the temporary file inside `with atomic.replacing(path) as temp:`.
ALLOWED_ON_TEMP = {
    "SimpleITK.WriteImage",
    "SimpleITK.WriteTransform",
    "nibabel.save",
    "numpy.save",
    "pyarrow.parquet.write_table",
    "temp.write_bytes",
    "temp.write_text",
    "temp.open",
}

FLOORS = {
    "errors": 0,
    "notice": 0,
    "core": 1,
    "io": 2,
    "registration": 2,
    "masks": 2,
    "intensity": 2,
    "features": 2,
    "cnn": 2,
    "classify": 2,
    "evaluate": 2,
    "regimen": 2,
    "report": 2,
    "phantom": 2,
    "pipeline": 3,
    "cli": 4,
}
# Parts of a library a room may use although the library belongs to another room.
LIBRARY_PARTS = {"evaluate": {"sklearn": "sklearn.metrics"}}


def find_violations(source: str, filename: str) -> list[str]:
    """What a source file may not contain.

    Parameters
    ----------
    source : str
        Python source.
    filename : str
        Path relative to the repository, for example ``"radresp/core/grid.py"``.

    Returns
    -------
    list of str
        One ``file:line: what`` for each violation, in order of lines; empty when clean.
    """
    tree = ast.parse(source, filename)
    gate = _Gate(filename)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            gate.learn(node)
    gate.visit(tree)
    return [f"{filename}:{line}: {what}" for line, what in sorted(set(gate.found))]


@dataclass
class _Gate(ast.NodeVisitor):
    filename: str
    found: list[tuple[int, str]] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    buffers: set[str] = field(default_factory=set)
    temps: list[str] = field(default_factory=list)

    def report(self, line: int, what: str) -> None:
        self.found.append((line, what))

    @property
    def parts(self) -> list[str]:
        return self.filename.removesuffix(".py").split("/")

    @property
    def room(self) -> str:
        inside = self.parts[0] == "radresp" and len(self.parts) > 1
        return self.parts[1] if inside else ""

    # Imports

    def learn(self, node: ast.Import | ast.ImportFrom) -> None:
        """Note what each imported name stands for, and check what is imported."""
        if isinstance(node, ast.Import):
            for alias in node.names:
                bound = alias.asname or alias.name.split(".")[0]
                self.names[bound] = alias.name if alias.asname else bound
                self.check_import(node.lineno, alias.name)
            return
        base = self.parts[: len(self.parts) - node.level] if node.level else []
        module = ".".join([*base, *([node.module] if node.module else [])])
        for alias in node.names:
            self.names[alias.asname or alias.name] = f"{module}.{alias.name}"
            self.check_import(node.lineno, f"{module}.{alias.name}")

    def check_import(self, line: int, name: str) -> None:
        top, _, rest = name.partition(".")
        if top in FORBIDDEN_MODULES:
            self.report(line, f"import of {top}")
        if self.room and top in NETWORK_MODULES - MAY_IMPORT.get(self.filename, set()):
            self.report(line, f"import of {top}, a way to other machines")
        if top == "radresp":
            self.check_floor(line, rest.split(".")[0])
        part = LIBRARY_PARTS.get(self.room, {}).get(top)
        if part and not f"{name}.".startswith(f"{part}."):
            self.report(line, f"import of {name}; this room may use {part} only")

    def check_floor(self, line: int, other: str) -> None:
        own = self.room
        if own not in FLOORS or other not in FLOORS or own == other:
            return
        if FLOORS[other] > FLOORS[own] or FLOORS[other] == FLOORS[own] == 2:
            self.report(line, f"{own} imports {other}, which is not below it")

    def resolve(self, node: ast.expr) -> str:
        """Dotted name of an expression through the imports; an unknown base becomes ``?``."""
        if isinstance(node, ast.Name):
            return self.names.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            return f"{self.resolve(node.value)}.{node.attr}"
        return "?"

    # Buffers in memory and temporary files

    def visit_Assign(self, node: ast.Assign) -> None:
        if self.makes_buffer(node.value):
            self.buffers |= {t.id for t in node.targets if isinstance(t, ast.Name)}
        self.generic_visit(node)

    def makes_buffer(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Call) and self.resolve(node.func) in BUFFERS

    def is_buffer(self, node: ast.expr) -> bool:
        named = isinstance(node, ast.Name) and node.id in self.buffers
        return named or is_constant(node, None) or self.makes_buffer(node)

    def visit_With(self, node: ast.With) -> None:
        before = list(self.temps)
        for item in node.items:
            self.visit(item.context_expr)
            if isinstance(item.optional_vars, ast.Name) and isinstance(item.context_expr, ast.Call):
                opened = self.resolve(item.context_expr.func)
                self.buffers |= {item.optional_vars.id} if opened in BUFFERS else set()
                self.temps += [item.optional_vars.id] if opened == REPLACING else []
        for statement in node.body:
            self.visit(statement)
        self.temps = before

    def on_temp(self, node: ast.Call, name: str) -> bool:
        """Whether an allowed call writes exactly the temporary file of `atomic.replacing`."""
        base = node.func.value if isinstance(node.func, ast.Attribute) else None
        if isinstance(base, ast.Name) and base.id in self.temps:
            return f"temp.{name.rpartition('.')[2]}" in ALLOWED_ON_TEMP
        given = {target.id for target in map(unwrapped, node.args) if isinstance(target, ast.Name)}
        return name in ALLOWED_ON_TEMP and bool(given & set(self.temps))

    # Names and calls

    def visit_Name(self, node: ast.Name) -> None:
        self.check_name(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.check_name(node)
        self.generic_visit(node)

    def check_name(self, node: ast.Name | ast.Attribute) -> None:
        name = self.resolve(node)
        if name in FORBIDDEN_NAMES and isinstance(node.ctx, ast.Load):
            self.report(node.lineno, f"{name}: {FORBIDDEN_NAMES[name]}")
        if isinstance(node, ast.Attribute) and node.attr in FORBIDDEN_METHODS:
            self.report(node.lineno, f"{node.attr}: {FORBIDDEN_METHODS[node.attr]}")
        if name == "print" and self.parts[0] == "radresp":
            self.report(node.lineno, "print")

    def visit_Call(self, node: ast.Call) -> None:
        name = self.resolve(node.func)
        keywords = {keyword.arg or "": keyword.value for keyword in node.keywords}
        for what in self.risks_of(node, name, keywords):
            self.report(node.lineno, what)
        exempt = self.filename == WRITER or self.filename.startswith(SPOILERS)
        if not exempt and not self.on_temp(node, name):
            written = self.write_of(node, name, keywords)
            if written:
                self.report(node.lineno, f"{written} outside {WRITER}")
        self.generic_visit(node)

    def risks_of(
        self, node: ast.Call, name: str, keywords: Mapping[str, ast.expr]
    ) -> Iterator[str]:
        if name == "torch.load" and not is_constant(keywords.get("weights_only"), True):
            yield "torch.load without weights_only=True"
        if name in UNPICKLING_ARRAYS and not is_safe(keywords.get("allow_pickle")):
            yield f"{name} with allow_pickle"
        if name.startswith("subprocess.") and (
            "" in keywords or not is_safe(keywords.get("shell"))
        ):
            yield "subprocess with a shell"
        if name.endswith(".YAML") and not is_constant(keywords.get("typ"), "safe"):
            yield "YAML that may run code"
        if name in ("skops.io.load", "skops.io.loads") and not is_empty_list(
            keywords.get("trusted")
        ):
            yield f"{name} that trusts more than skops does"
        if name in ("distributed.LocalCluster", "dask.distributed.LocalCluster") and not (
            is_constant(keywords.get("security"), True)
        ):
            yield "dask without TLS, which unpickles what anybody sends"
        yield from self.imports_of(node, name)
        if name == "contextlib.suppress" and EVERYTHING & set(map(self.resolve, node.args)):
            yield "every exception swallowed"

    def imports_of(self, node: ast.Call, name: str) -> Iterator[str]:
        """Imports by a name: of a forbidden module, or of one that is not written in the source."""
        given = node.args[0] if node.args else None
        if name in ("importlib.import_module", "__import__"):
            if isinstance(given, ast.Constant):
                if str(given.value).partition(".")[0] in FORBIDDEN_MODULES:
                    yield f"import of {given.value}"
            elif self.room and not starts_with_own_name(given):
                yield "import of a module whose name comes from data"
        asked = node.args[1] if name == "getattr" and len(node.args) > 1 else None
        if isinstance(asked, ast.Constant) and asked.value in SHELL_NAMES:
            yield f"getattr of {asked.value}"

    def write_of(self, node: ast.Call, name: str, keywords: Mapping[str, ast.expr]) -> str | None:
        """What a call writes to disk, if anything."""
        method = name.rpartition(".")[2] if isinstance(node.func, ast.Attribute) else ""
        if name in WRITING_CALLS or self.opens_handle(node, name):
            return name
        if method in WRITING_METHODS and not name.startswith("radresp.io."):
            return f".{method}"
        if name in BUFFER_CALLS or method in BUFFER_METHODS:
            place = BUFFER_CALLS.get(name, 0)
            target = next((keywords[k] for k in TARGET_KEYWORDS & set(keywords)), None)
            target = node.args[place] if len(node.args) > place else target
            return None if target is None or self.is_buffer(target) else f"{name} to a path"
        if method in ("rename", "replace") and moves_a_file(node):
            return f".{method}"
        if name in OPENERS or method == "open":
            if node.args and self.is_buffer(node.args[0]):
                return None
            place = OPENERS.get(name, 0)
            mode = node.args[place] if len(node.args) > place else keywords.get("mode")
            return f"{name} for writing" if name != "os.open" and may_write(mode) else None
        return None

    def opens_handle(self, node: ast.Call, name: str) -> bool:
        if name != "os.open" or self.resolve(node.args[0]) == "os.devnull":
            return False
        flags = {
            self.resolve(n) for n in ast.walk(node) if isinstance(n, (ast.Attribute, ast.Name))
        }
        return bool(flags & OPEN_FLAGS)

    # Statements

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        broad = EVERYTHING & {self.resolve(kind) for kind in kinds if kind is not None}
        if node.type is None:
            self.report(node.lineno, "bare except")
        elif broad and all(map(is_empty, node.body)):
            self.report(node.lineno, "every exception swallowed")
        self.generic_visit(node)


def is_constant(node: ast.expr | None, value: object) -> bool:
    """Whether an expression is this very constant."""
    same_type = isinstance(node, ast.Constant) and type(node.value) is type(value)
    return same_type and node.value == value  # type: ignore[union-attr]


def is_empty_list(node: ast.expr | None) -> bool:
    """Whether an expression is ``[]``."""
    return isinstance(node, ast.List) and not node.elts


def starts_with_own_name(node: ast.expr | None) -> bool:
    """Whether an expression is ``f"{__name__}.…"``: a module of the package that asks."""
    first = node.values[0] if isinstance(node, ast.JoinedStr) else None
    own = first.value if isinstance(first, ast.FormattedValue) else None
    return isinstance(own, ast.Name) and own.id == "__name__"


def is_safe(flag: ast.expr | None) -> bool:
    """Whether a dangerous option is left out or is the constant False."""
    return flag is None or is_constant(flag, False)


def may_write(mode: ast.expr | None) -> bool:
    """Whether a mode of ``open`` writes, or cannot be known."""
    if mode is None:
        return False
    known = isinstance(mode, ast.Constant) and isinstance(mode.value, str)
    return not known or bool(set(str(mode.value)) & set("wax+"))  # type: ignore[attr-defined]


def moves_a_file(node: ast.Call) -> bool:
    """Tell ``path.rename(target)`` from ``series.rename("name")`` and ``text.replace(a, b)``."""
    target = node.args[0] if len(node.args) == 1 and not node.keywords else None
    word = isinstance(target, ast.Constant) and str(target.value).isidentifier()
    return target is not None and not word


def unwrapped(node: ast.expr) -> ast.expr:
    """The x of ``str(x)``."""
    is_str = (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "str"
    )
    return node.args[0] if is_str and node.args else node  # type: ignore[attr-defined]


def is_empty(statement: ast.stmt) -> bool:
    """Whether a statement does nothing."""
    constant = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return constant or isinstance(statement, (ast.Pass, ast.Continue))
