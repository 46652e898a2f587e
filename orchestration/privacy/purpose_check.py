"""Purpose as a build-time rule: nothing that serves a purpose may reach personal data past what the purpose asks for.

Belongs here: walking dbt's manifest and reading the models' templates. Does not belong here: what a purpose asks for
(`purposes.py`), or the filters themselves (dbt's macros/purposes.sql and marts.customer_permissions).

A model or exposure declares its purposes in `meta: {purposes: [...]}`. For each declared purpose that asks for consent or
for no objection, every path from it up to personal data must lead through the macro `permitted_for(ref(...), <purpose>)`
(or `permitted_channels(<purpose>)`), in itself or in a model on the path. A path ends well at a table without personal
columns (counts and sums). It ends badly at a delivered table, at a table that Python makes, or at anything whose columns
are not known. What a model reads is taken from its template's syntax tree, so that a comment filters nothing; from the
manifest, so that what a macro hides is seen; and from its plain text, so that `from marts.dim_customer` is seen too.

What cannot be decided counts as a violation: relations that are put together when the model runs (`run_query`,
`adapter.get_relation`), Python models, purposes in a variable, a filter macro that is defined in the model.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from orchestration.errors import KindredError
from orchestration.privacy.purposes import PurposePolicy, purpose_policies
from orchestration.privacy.registry import PERSONAL_CLASSES, Classifier, declared_purposes
from orchestration.sources.contract import Contract

FILTER_MACROS = ("permitted_for", "permitted_channels")
PERMISSIONS = "customer_permissions"
DECLARING_SCHEMAS = ("marts", "analysis")
_PACKAGE = "kindred"
# What can name a relation that the manifest does not know.
_HIDDEN_READS = frozenset(
    {"run_query", "statement", "load_relation", "get_relation", "create", "get_columns_in_relation"}
)
_UNKNOWN = "{{?}}"
_UNKNOWN_RELATION = re.compile(r'\b(from|join)\s+["\s]*' + re.escape(_UNKNOWN), re.IGNORECASE)
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/|\{#.*?#\}", re.DOTALL)
_QUALIFIED = r'(?<!\w)"?(?P<schema>{schemas})"?\s*\.\s*"?(?P<table>[A-Za-z_]\w*)"?'

Manifest = Mapping[str, Any]


class PurposeViolationError(KindredError):
    """The project would use personal data for a purpose past what the purpose asks for; every path is named."""


@dataclass(frozen=True)
class Violation:
    """One thing that must not be built."""

    node: str
    """The model or exposure that declares, or should."""
    purpose: str | None
    path: tuple[str, ...]
    """From the model to the personal data that it reaches."""
    problem: str

    def __str__(self) -> str:
        way = f": {' <- '.join(self.path)}" if len(self.path) > 1 else ""
        return f"{self.node} {self.problem}{way}"


@dataclass(frozen=True)
class _Read:
    """One table that a model reads, and the purposes for which it is filtered there."""

    key: str
    filtered: frozenset[str]


def check_purposes(manifest: Manifest, contracts: Sequence[Contract]) -> None:
    """Refuse to build a project with a violation.

    Raises:
        PurposeViolationError: names every violation with its path.
    """
    found = find_violations(manifest, contracts)
    if found:
        listed = "\n".join(f"- {violation}" for violation in found)
        raise PurposeViolationError(
            f"Nothing was built: the project would use personal data past what its purpose asks for.\n{listed}\n"
            "Read each table through {{ permitted_for(ref('...'), '<purpose>') }}, or declare the purpose that it really "
            "serves (meta: {purposes: [...]}, see docs/privacy.md)."
        )


def find_violations(manifest: Manifest, contracts: Sequence[Contract]) -> list[Violation]:
    """Every violation in the project, by model and purpose.

    Raises:
        PurposeError: the purposes file is wrong.
    """
    return _Walk(manifest, contracts).violations()


class _Walk:
    def __init__(self, manifest: Manifest, contracts: Sequence[Contract]) -> None:
        self._manifest = manifest
        self._nodes: dict[str, Any] = {**manifest["nodes"], **manifest["sources"]}
        self._policies = purpose_policies(contracts)
        self._classifier = Classifier(contracts, manifest)
        self._personal: dict[str, bool] = {}
        self._reads: dict[str, tuple[list[_Read], str | None]] = {}

    def violations(self) -> list[Violation]:
        found: list[Violation] = []
        for key, node in sorted(self._nodes.items()):
            if node["resource_type"] in ("model", "snapshot"):
                found += self._of_node(key, node, required=node["schema"] in DECLARING_SCHEMAS)
        for key, exposure in sorted(self._manifest.get("exposures", {}).items()):
            found += self._of_node(key, exposure, required=True)
        return list(dict.fromkeys(found))

    def _of_node(self, key: str, node: Mapping[str, Any], *, required: bool) -> Iterator[Violation]:
        name = _name(node)
        purposes = declared_purposes(node) or []
        if required and not purposes:
            yield Violation(name, None, (name,), "does not declare its purposes (meta: {purposes: [...]})")
        for purpose in purposes:
            policy = self._policies.get(purpose)
            if policy is None:
                known = ", ".join(sorted(self._policies))
                yield Violation(name, purpose, (name,), f"declares the unknown purpose {purpose!r}; known are {known}")
            elif self._asks(policy, key, node):
                asked = f"serves {purpose}, which asks for {_asked(policy)}, and reaches personal data without it"
                for path, doubt in self._open_paths(key, purpose):
                    yield Violation(name, purpose, path, asked + doubt)

    def _asks(self, policy: PurposePolicy, key: str, node: Mapping[str, Any]) -> bool:
        """Whether the purpose asks anything of this node: an objection matters only where there are rows of persons."""
        if policy.filter == "none":
            return False
        if policy.filter == "consent":
            return True
        if node["resource_type"] == "exposure":
            return not _meta(node).get("aggregated", False)
        return self._is_personal(key)

    def _open_paths(self, start: str, purpose: str) -> Iterator[tuple[tuple[str, ...], str]]:
        """The shortest way from a node to personal data through each table that it reads unfiltered."""
        reads, doubt = self._reads_of(start)
        own = self._name_of(start)
        if doubt:
            yield (own,), f" ({doubt})"
        for read in reads:
            if purpose in read.filtered or read.key == start or not self._is_personal(read.key):
                continue
            found = self._open_path(read.key, purpose, seen={start, read.key})
            if found is not None:
                yield (own, *found[0]), found[1]

    def _open_path(self, first: str, purpose: str, seen: set[str]) -> tuple[tuple[str, ...], str] | None:
        """Breadth first from a table that was read unfiltered, up to where personal data comes from."""
        waiting: list[tuple[str, tuple[str, ...]]] = [(first, (self._name_of(first),))]
        for key, path in waiting:
            reads, doubt = self._reads_of(key)
            if doubt:
                return path, f" ({doubt})"
            if not reads:
                return path, ""
            for read in reads:
                if purpose in read.filtered or read.key in seen or not self._is_personal(read.key):
                    continue
                seen.add(read.key)
                waiting.append((read.key, (*path, self._name_of(read.key))))
        return None

    def _name_of(self, key: str) -> str:
        node = self._nodes.get(key) or self._manifest.get("exposures", {}).get(key)
        return _name(node) if node else key

    def _is_personal(self, key: str) -> bool:
        """Whether a table has a column that says something of a person, or one of which nobody knows what it says."""
        if key not in self._personal:
            classes = self._classifier.classes_of(key) or {"": None}
            self._personal[key] = any(value is None or value in PERSONAL_CLASSES for value in classes.values())
        return self._personal[key]

    def _reads_of(self, key: str) -> tuple[list[_Read], str | None]:
        """What a node reads, and what about it cannot be decided."""
        if key not in self._reads:
            node = self._nodes.get(key) or self._manifest.get("exposures", {}).get(key)
            self._reads[key] = self._analyse(node) if node is not None else ([], None)
        return self._reads[key]

    def _analyse(self, node: Mapping[str, Any]) -> tuple[list[_Read], str | None]:
        depends = node.get("depends_on", {})
        parents = [parent for parent in depends.get("nodes", []) if not parent.startswith(("test.", "macro."))]
        if node["resource_type"] in ("source", "seed"):
            return [], None
        if node["resource_type"] == "exposure":
            return [_Read(parent, frozenset()) for parent in parents], None
        if node.get("language", "sql") != "sql":
            return [_Read(parent, frozenset()) for parent in parents], "a Python model cannot be checked"
        template = _Template(node.get("raw_code") or node.get("raw_sql") or "")
        macros = [self._manifest["macros"].get(macro, {}) for macro in depends.get("macros", [])]
        trusted = {m.get("name") for m in macros if m.get("package_name") == _PACKAGE} & set(FILTER_MACROS)
        reads: list[_Read] = []
        accounted: set[str] = set()
        for name, purposes in template.reads:
            for parent in parents:
                if _is_called(self._nodes.get(parent, {}), name):
                    known = purposes if trusted and not template.macro_defined else frozenset()
                    reads.append(_Read(parent, known))
                    accounted.add(parent)
        for parent in parents:
            if parent in accounted:
                continue
            hidden_filter = _name_only(self._nodes.get(parent, {})) == PERMISSIONS and trusted
            reads.append(_Read(parent, template.purposes if hidden_filter else frozenset()))
        text = "\n".join([template.text, *self._macro_texts(depends.get("macros", []), set())])
        for schema, table in self._named_tables(text):
            reads.append(_Read(self._tables.get((schema, table), f"{schema}.{table}"), frozenset()))
        return reads, template.doubt

    def _macro_texts(self, macros: Sequence[str], seen: set[str]) -> Iterator[str]:
        """The text of the project's own macros that are called, and of those that they call; not of the filters."""
        for key in macros:
            macro = self._manifest["macros"].get(key, {})
            if key in seen or macro.get("package_name") != _PACKAGE or macro.get("name") in FILTER_MACROS:
                continue
            seen.add(key)
            yield macro.get("macro_sql", "")
            yield from self._macro_texts(macro.get("depends_on", {}).get("macros", []), seen)

    def _named_tables(self, text: str) -> list[tuple[str, str]]:
        """Tables that the text names itself: known ones anywhere, others where a relation stands."""
        pattern = re.compile(_QUALIFIED.format(schemas="|".join(sorted(self._schemas))), re.IGNORECASE)
        bare = _COMMENT.sub(" ", text)
        named = []
        for found in pattern.finditer(bare):
            place = (found["schema"].lower(), found["table"].lower())
            if place in self._tables or re.search(r"\b(from|join)\s*$", bare[: found.start()], re.IGNORECASE):
                named.append(place)
        return named

    @cached_property
    def _tables(self) -> dict[tuple[str, str], str]:
        return {
            (node["schema"].lower(), (node.get("alias") or node.get("identifier") or node["name"]).lower()): key
            for key, node in self._nodes.items()
            if node["resource_type"] in ("model", "seed", "snapshot", "source")
        }

    @cached_property
    def _schemas(self) -> set[str]:
        return {schema for schema, _ in self._tables} | {"raw", "quarantine", "quality"}


class _Template:
    """What a model's Jinja says it reads."""

    def __init__(self, code: str) -> None:
        import jinja2
        from jinja2 import nodes

        self.reads: list[tuple[str, frozenset[str]]] = []
        self.purposes: frozenset[str] = frozenset()
        """For which purposes `permitted_channels` is read, and nothing else of the permissions."""
        self.macro_defined = False
        self.doubt: str | None = None
        self.text = ""
        try:
            tree = jinja2.Environment(extensions=["jinja2.ext.do"]).parse(code)
        except jinja2.TemplateError as error:
            self.doubt = f"its template cannot be read: {error}"
            return
        self.macro_defined = any(macro.name in FILTER_MACROS for macro in tree.find_all(nodes.Macro)) or any(
            isinstance(target, nodes.Name) and target.name in FILTER_MACROS
            for assign in tree.find_all(nodes.Assign)
            for target in [assign.target]
        )
        self.text = "\n".join(_shown(output) for output in tree.find_all(nodes.Output))
        self.text += "\n".join(f" {c.value} " for c in tree.find_all(nodes.Const) if isinstance(c.value, str))
        if _UNKNOWN_RELATION.search(_COMMENT.sub(" ", self.text)):
            self.doubt = "it reads a relation that is named only when it runs"
        rewritten = {
            id(call)
            for found in tree.find_all(nodes.Filter)
            if found.name != "indent"
            for call in found.find_all(nodes.Call)
        }
        channels: list[frozenset[str]] = []
        inside: set[int] = set()
        for call in tree.find_all(nodes.Call):
            name = _called(call)
            if name in FILTER_MACROS:
                purposes = frozenset() if id(call) in rewritten else _purposes_of(call, name)
                if name == "permitted_channels":
                    channels.append(purposes)
                elif call.args and isinstance(call.args[0], nodes.Call) and _called(call.args[0]) in ("ref", "source"):
                    inside.add(id(call.args[0]))
                    self._add(call.args[0], purposes)
            elif name in _HIDDEN_READS:
                self.doubt = f"{name}() may read anything"
        for call in tree.find_all(nodes.Call):
            if _called(call) in ("ref", "source") and id(call) not in inside:
                self._add(call, frozenset())
        if self.macro_defined:
            return
        if channels:
            self.purposes = frozenset.intersection(*channels)
        elif any(purposes for _, purposes in self.reads):
            # Only what permitted_for itself reads of the permissions.
            self.purposes = frozenset().union(*(purposes for _, purposes in self.reads))

    def _add(self, call: Any, purposes: frozenset[str]) -> None:
        from jinja2 import nodes

        names = [argument.value for argument in call.args if isinstance(argument, nodes.Const)]
        if len(names) == len(call.args) and names:
            self.reads.append((str(names[-1]), purposes))
        else:
            self.doubt = f"{_called(call)}() of a computed name"


def _called(call: Any) -> str:
    """The name of what is called: `ref`, or `get_relation` of `adapter.get_relation`."""
    return getattr(call.node, "name", None) or getattr(call.node, "attr", "") or ""


def _purposes_of(call: Any, name: str) -> frozenset[str]:
    """The purposes that a filter is called with, when they are written out."""
    from jinja2 import nodes

    if len(call.args) != (2 if name == "permitted_for" else 1) or call.kwargs:
        return frozenset()
    argument = call.args[-1]
    if isinstance(argument, nodes.Const) and isinstance(argument.value, str):
        return frozenset({argument.value})
    if isinstance(argument, nodes.List) and all(isinstance(item, nodes.Const) for item in argument.items):
        return frozenset(str(item.value) for item in argument.items)  # type: ignore[attr-defined]
    return frozenset()


def _shown(output: Any) -> str:
    """What an output puts into the SQL, as far as it is written out; the rest as a mark."""
    from jinja2 import nodes

    parts = []
    for part in output.nodes:
        if isinstance(part, nodes.TemplateData):
            parts.append(part.data)
        elif isinstance(part, nodes.Const):
            parts.append(str(part.value))
        elif isinstance(part, nodes.Name | nodes.Getattr | nodes.Getitem) or _is_setting(part):
            parts.append("" if getattr(part, "name", "") == "this" else _UNKNOWN)
    return "".join(parts)


def _is_setting(part: Any) -> bool:
    """Whether an expression takes a variable of the run."""
    from jinja2 import nodes

    calls = [part, *part.find_all(nodes.Call)]
    return any(_called(call) in ("var", "env_var") for call in calls if isinstance(call, nodes.Call))


def _is_called(node: Mapping[str, Any], name: str) -> bool:
    return name in (node.get("name"), node.get("alias"))


def _name_only(node: Mapping[str, Any]) -> str:
    return str(node.get("name", ""))


def _name(node: Mapping[str, Any]) -> str:
    """As people know it: schema.table, or the exposure's name."""
    if node["resource_type"] == "exposure":
        return f"exposure {node['name']}"
    return f"{node['schema']}.{node.get('alias') or node.get('identifier') or node['name']}"


def _meta(node: Mapping[str, Any]) -> dict[str, Any]:
    return {**(node.get("meta") or {}), **((node.get("config") or {}).get("meta") or {})}


def _asked(policy: PurposePolicy) -> str:
    return "consent" if policy.filter == "consent" else "no objection"
