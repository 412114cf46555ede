"""Lines of code that open a hole wherever they stand: none of ours has one, save those that give their reason here.

A new exception is a line in a table below, with why it is harmless. Rules for features still to come hold already.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.architecture import sources

Found = Iterator[tuple[str, int]]


def dotted(node: ast.expr) -> str:
    """`a.b.c` as text; "?" for a part that is no plain name."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return "?"


def calls(tree: ast.Module) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def imported(tree: ast.Module) -> Found:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module, node.lineno
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def is_said(node: ast.expr | None) -> bool:
    """Whether a value stands in the source as it is, in one of two ways at most."""
    if isinstance(node, ast.IfExp):
        return is_said(node.body) and is_said(node.orelse)
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        return all(map(is_said, node.elts))
    return isinstance(node, ast.Constant)


# --- The rules: each yields what it finds in a module ----------------------------------------------------------------


def code_from_data(tree: ast.Module) -> Found:
    """Nothing that was read becomes code or an object of any class."""
    never = {"marshal", "shelve", "dill", "cloudpickle", "joblib", "jsonpickle", "dbm"}
    yield from ((name, line) for name, line in imported(tree) if name.partition(".")[0] in never)
    loaders = {"load", "loads", "Unpickler", "dump", "dumps", "Pickler"}
    yield from ((name, line) for name, line in imported(tree) if name in {f"pickle.{one}" for one in loaders})
    for call in calls(tree):
        name = dotted(call.func)
        options = {keyword.arg: keyword.value for keyword in call.keywords}
        is_bad = name in {"eval", "exec", "compile", "__import__", "os.system", "os.popen"}
        is_bad |= name in {f"pickle.{one}" for one in loaders}
        is_bad |= name in {"yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load"}
        is_bad |= name == "torch.load" and getattr(options.get("weights_only"), "value", None) is not True
        is_bad |= name in {"np.load", "numpy.load"} and "allow_pickle" in options
        is_bad |= "shell" in options and getattr(options["shell"], "value", None) is not False
        if is_bad:
            yield f"{name}()", call.lineno


def fetching(tree: ast.Module) -> Found:
    """What the server fetches goes through one module, which says to whom it may speak."""
    never = {"urllib3", "requests", "httpx", "aiohttp", "ftplib", "smtplib", "pycurl", "http.client", "urllib.request"}
    never |= {"torch.hub", "huggingface_hub", "socket"}
    for name, line in imported(tree):
        if any(name == one or name.startswith(f"{one}.") for one in never):
            yield name, line
    for call in calls(tree):
        if dotted(call.func).startswith(("torch.hub.", "torch.utils.model_zoo.")):
            yield dotted(call.func), call.lineno


def markup(tree: ast.Module) -> Found:
    """Templates escape; nobody tells them not to."""
    never = {"mark_safe", "SafeString", "SafeText", "format_html", "format_html_join", "html_safe"}
    for node in ast.walk(tree):
        name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
        if name in never and isinstance(getattr(node, "ctx", None), ast.Load):
            yield name, node.lineno  # type: ignore[attr-defined]
        if isinstance(node, ast.FunctionDef) and node.name == "__html__":
            yield "__html__", node.lineno


QUESTIONS = {"filter", "exclude", "get", "get_or_create", "update_or_create", "update", "create"}
QUESTIONS |= {"order_by", "values", "values_list", "annotate", "alias", "aggregate", "distinct", "only", "defer"}
QUESTIONS |= {"select_related", "prefetch_related", "latest", "earliest", "in_bulk", "dates", "datetimes"}


def lookups(tree: ast.Module) -> Found:
    """Which columns the database is asked about stands in the source, never in a request."""
    for call in calls(tree):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else dotted(call.func)
        if name in {"raw", "extra", "RawSQL"}:
            yield f"{name}()", call.lineno
        if name in {"execute", "executemany"} and not (call.args and is_said(call.args[0])):
            yield f"{name}(…)", call.lineno
        if name in QUESTIONS | {"Q"}:
            packed = [keyword.value for keyword in call.keywords if keyword.arg is None]
            packed += [one.value for one in call.args if isinstance(one, ast.Starred)]
            if any(not is_said(one) for one in packed):
                yield f"{name}(**…)", call.lineno
            if name in {"filter", "exclude", "Q"} and any(isinstance(one, ast.Tuple) for one in call.args):
                yield f"{name}((…, …))", call.lineno
        if name == "F" and call.args and not is_said(call.args[0]):
            yield "F(…)", call.lineno
        if name in {"getattr", "setattr", "attrgetter"} and len(call.args) > 1 and not is_said(call.args[1]):
            yield f"{name}(…)", call.lineno


# Keywords that tie rows to an object which was itself asked for through the user.
PARENTS = {"project", "workspace", "entry", "dataset", "dataset_version", "response", "user", "tenant"}


def _is_tied(keyword: ast.keyword) -> bool:
    name = keyword.arg or ""
    if name in {"pk", "id"}:  # of a row at hand, not of a number in a request
        return dotted(keyword.value).endswith((".pk", ".id"))
    return any(name == one or name.startswith((f"{one}_id", f"{one}__in")) for one in PARENTS)


def unscoped(tree: ast.Module) -> Found:
    """Doors ask for rows through the user, or through a row they got so."""
    above = {child: parent for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent)}
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Attribute) and node.attr in {"objects", "_default_manager", "_base_manager"}):
            continue
        at: ast.AST = node
        is_scoped = False
        while isinstance(above.get(at), ast.Attribute | ast.Call) and not is_scoped:
            at = above[at]
            if isinstance(at, ast.Attribute):
                is_scoped = at.attr in {"visible_to", "none"}
            elif isinstance(at, ast.Call):
                is_scoped = any(map(_is_tied, at.keywords))
        if not is_scoped:
            yield dotted(node), node.lineno
    for call in calls(tree):
        if dotted(call.func) in {"get_object_or_404", "get_list_or_404"} and isinstance(call.args[0], ast.Name):
            is_model = call.args[0].id[:1].isupper()
            if is_model and not any(map(_is_tied, call.keywords)):
                yield f"{dotted(call.func)}({call.args[0].id})", call.lineno


def unguarded(tree: ast.Module) -> Found:
    """No view lays aside the token against forgery, or who may call it."""
    never = {"csrf_exempt", "AllowAny", "permission_classes", "authentication_classes", "login_not_required"}
    for node in ast.walk(tree):
        name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
        if name in never:
            yield name, node.lineno  # type: ignore[attr-defined]


def logged(tree: ast.Module) -> Found:
    """No sentence for a log holds a password, a key or a link that lets somebody in."""
    hidden = ("password", "secret", "token", "link", "url", "cookie", "authorization")
    for call in calls(tree):
        if isinstance(call.func, ast.Attribute) and dotted(call.func.value) in {"log", "logger", "logging"}:
            for one in call.args[1:]:
                if dotted(one).rpartition(".")[2].lower().endswith(hidden):
                    yield dotted(one), call.lineno


def is_door(path: Path) -> bool:
    if path.parts[0] == "labeling_site":
        return path.parts[1] not in {"core", "running"}
    return (len(path.parts) > 2 and path.parts[1] in {"pages", "api"}) or path.name in {"admin.py", "consumers.py"}


def everywhere(path: Path) -> bool:
    return True


def has_a_database(path: Path) -> bool:
    return path.parts[:2] not in {("automl", "vision"), ("automl", "search")}


Rule = tuple[Callable[[ast.Module], Found], Callable[[Path], bool], dict[tuple[str, str], str]]

RULES: dict[str, Rule] = {
    "code from data": (code_from_data, everywhere, {}),
    "fetching": (
        fetching,
        everywhere,
        {
            ("labeling_site/running/health.py", "http.client"): "asks the own port",
            ("labeling_site/running/broker_server.py", "socket"): "the broker's socket, in the own folder",
            ("labeling_site/running/preflight.py", "socket"): "listens, calls nobody",
            ("labeling_site/running/web.py", "socket"): "serves, calls nobody",
            ("labeling_site/broker.py", "socket"): "the name of this machine",
        },
    ),
    "markup": (
        markup,
        everywhere,
        {("annotations/pages/labeling.py", "SafeString"): "instructions, sanitised on the same line"},
    ),
    "lookups": (
        lookups,
        has_a_database,
        {
            ("projects/models/scoped.py", "filter(**…)"): "the name is an attribute of the class",
            ("projects/pages/projects.py", "order_by(**…)"): "one of SORTS, which stands in the module",
            ("annotations/services/exporting.py", "select_related(**…)"): "names from the line above",
            ("annotations/api/exports.py", "getattr(…)"): "names from the lines above, of a plain record",
            ("annotations/geometry.py", "getattr(…)"): "width and height, as the line above says",
            ("labeling_site/core/jobs.py", "update(**…)"): "columns that the function itself names",
            ("projects/services/projects.py", "setattr(…)"): "names that the service has checked against its own list",
            ("projects/services/projects.py", "create(**…)"): "settings that were checked against the list of them",
            ("projects/services/counters.py", "filter(**…)"): "names that its callers write out",
        },
    ),
    "unscoped": (
        unscoped,
        is_door,
        {
            ("projects/pages/accounts.py", "User.objects"): "whether there is anybody yet",
            ("projects/api/workspaces.py", "Role.objects"): "built-in roles belong to no workspace",
            ("projects/admin.py", "Permission.objects"): "names of rights, for superusers",
            ("labeling_site/system_page.py", "Job.objects"): "counts by state, for superusers",
        },
    ),
    "unguarded": (
        unguarded,
        everywhere,
        {("labeling_site/core/api.py", "csrf_exempt"): "the answer for addresses that do not exist"},
    ),
    "logged": (logged, everywhere, {}),
}


@pytest.mark.parametrize("rule", RULES)
def test_no_line_opens_a_hole(rule: str) -> None:
    find, concerns, allowed = RULES[rule]
    found = [
        (path.as_posix(), what, line)
        for path in sources.files()
        if concerns(path) and "migrations" not in path.parts
        for what, line in find(sources.tree(path))
    ]
    wrong = [f"{path}:{line} {what}" for path, what, line in found if (path, what) not in allowed]
    assert not wrong, find.__doc__


@pytest.mark.parametrize("rule", RULES)
def test_no_exception_outlives_its_line(rule: str) -> None:
    find, concerns, allowed = RULES[rule]
    for path, what in allowed:
        where = Path(path)
        assert (sources.ROOT / where).exists(), path
        assert concerns(where) and what in {name for name, _line in find(sources.tree(where))}, f"{path}: {what}"


SEEN = {
    "code from data": [
        "import pickle\npickle.loads(body)",
        "from pickle import loads",
        "import joblib",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "torch.load(path, weights_only=flag)",
        "numpy.load(path, allow_pickle=True)",
        "yaml.load(text)",
        "eval(text)",
        "subprocess.run(line, shell=True)",
    ],
    "fetching": ["import requests", "from urllib.request import urlopen", "import urllib.request", "torch.hub.load(x)"],
    "markup": [
        "mark_safe(name)",
        "safestring.mark_safe(name)",
        "format_html(text)",
        "class A:\n def __html__(self): 0",
    ],
    "lookups": [
        "rows.filter(**request.GET)",
        "rows.order_by(*names)",
        "rows.values(*names)",
        "rows.filter(Q(**{name: value}))",
        "rows.filter((name, value))",
        "rows.filter(Q((name, value)))",
        "rows.extra(where=[x])",
        "cursor.execute(f'SELECT {x}')",
        "getattr(row, request.GET['field'])",
        "rows.annotate(x=F(name))",
    ],
    "unscoped": [
        "Task.objects.get(pk=pk)",
        "get_object_or_404(Task, pk=pk)",
        "Task.objects.all()",
        "Task.objects.filter(pk=request.GET['x'])",
        "Task._base_manager.filter(state='x')",
    ],
    "unguarded": ["@csrf_exempt\ndef f(): 0", "class V:\n permission_classes = []", "x = permissions.AllowAny"],
    "logged": ["log.info('%s', password)", "log.error('%s at %s', x, row.token)", "logger.info('%s', self.setup_link)"],
}


@pytest.mark.parametrize(("rule", "line"), [(rule, line) for rule, lines in SEEN.items() for line in lines])
def test_the_rules_see_what_they_look_for(rule: str, line: str) -> None:
    assert list(RULES[rule][0](ast.parse(line))), line


FINE = {
    "code from data": [
        "torch.load(path, weights_only=True)",
        "model.to(device).eval()",
        "yaml.safe_load(text)",
        "model.eval()",
        "import pickle",
    ],
    "fetching": ["from urllib.parse import quote"],
    "lookups": ["rows.filter(name=x)", "rows.order_by('-id')", "cursor.execute('SELECT 1')", "getattr(x, 'y')"],
    "unscoped": ["Task.objects.visible_to(user).get(pk=pk)", "Task.objects.filter(project=project)"],
}


@pytest.mark.parametrize(("rule", "line"), [(rule, line) for rule, lines in FINE.items() for line in lines])
def test_the_rules_leave_alone_what_is_harmless(rule: str, line: str) -> None:
    assert not list(RULES[rule][0](ast.parse(line))), line


def test_people_are_made_only_behind_a_link_that_works_once() -> None:
    """Sign-up is closed: nothing but the set-up link and invitations makes an account."""
    found = set()
    for path in sources.files():
        for node in ast.walk(sources.tree(path)):
            if isinstance(node, ast.FunctionDef):
                made = {dotted(call.func).rpartition(".")[2] for call in ast.walk(node) if isinstance(call, ast.Call)}
                if made & {"make_user", "create_user", "create_superuser"}:
                    found.add(f"{path.with_suffix('').as_posix()}.{node.name}")
    assert found == {
        "projects/models/user.create_superuser",
        "projects/services/accounts.make_user",
        "projects/services/accounts.create_first_admin",
        "projects/services/invitations.accept_invitation",
    }
