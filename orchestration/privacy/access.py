"""Who may do what: roles from a file, identity from the environment, and a refusal that is logged.

Belongs here: finding out who acts and in which role, allowing and refusing. Does not belong here: which role has which
permission (`roles.yml`), file permissions, or signing in (the console's OIDC; on the command line whoever controls the
environment of the process controls the identity, so the operating system and the deployment guard that).

Three states, from the settings:
- neither `KINDRED_ROLE` nor a roles file: one user with every permission, as on a laptop;
- `KINDRED_ROLE` alone: everybody who starts a process in that environment has that role;
- a roles file (`KINDRED_ROLES_FILE`, by default `roles.yml` in the data folder): who is named there has the roles named
  there, and nobody else has any. `KINDRED_ROLE` then only chooses among one's own roles.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from orchestration.errors import KindredError
from orchestration.ledger.store import Ledger, current_actor

if TYPE_CHECKING:
    from orchestration.config import Settings

ROLES_FILE = Path(__file__).parent / "roles.yml"
REFUSED = "access.refuse"


class AccessError(KindredError):
    """The person who acts may not do that, or the roles cannot be understood; the message says who can mend it."""


@dataclass(frozen=True)
class Roles:
    """Every permission with what it allows, and the permissions of each role."""

    permissions: dict[str, str]
    roles: dict[str, frozenset[str]]

    def holding(self, permission: str) -> list[str]:
        """The roles that have a permission."""
        return sorted(role for role, held in self.roles.items() if permission in held)


@dataclass(frozen=True)
class Identity:
    """Who acts: the actor's name, and their roles, None for the single user of a laptop."""

    actor: str
    roles: tuple[str, ...] | None

    @property
    def words(self) -> str:
        """For people: `anna (steward)`."""
        if self.roles is None:
            return f"{self.actor} (single user, every permission)"
        return f"{self.actor} ({', '.join(self.roles) or 'no role'})"


@cache
def known_roles(path: Path = ROLES_FILE) -> Roles:
    """The roles as data. Raises AccessError when the file is wrong."""
    content = _read(path)
    permissions = {str(name): str(text) for name, text in _mapping(content.get("permissions"), path).items()}
    roles: dict[str, frozenset[str]] = {}
    for role, given in _mapping(content.get("roles"), path).items():
        held = list(permissions) if given == "all" else list(given or [])
        if unknown := sorted(set(held) - set(permissions)):
            raise AccessError(f"{path}: role {role!r} has the unknown permission {', '.join(unknown)}")
        roles[str(role)] = frozenset(held)
    return Roles(permissions, roles)


def identify(settings: "Settings") -> Identity:
    """Who acts, and in which roles.

    Raises:
        AccessError: `KINDRED_ROLE` or the roles file names a role that does not exist, or the file cannot be read.
    """
    actor = current_actor()
    chosen = (settings.role or "").strip() or None
    if chosen is not None:
        _check_role(chosen, "KINDRED_ROLE")
    path = settings.roles_file or settings.data / "roles.yml"
    if settings.roles_file is None and not path.exists():
        return Identity(actor, None if chosen is None else (chosen,))
    own = _users(path).get(actor, ())
    return Identity(actor, own if chosen is None else tuple(role for role in own if role == chosen))


def allows(identity: Identity, permission: str) -> bool:
    """Whether somebody may do something.

    Raises:
        ValueError: there is no such permission; a misspelt one must not pass on a laptop and refuse in production.
    """
    known = known_roles()
    if permission not in known.permissions:
        raise ValueError(f"There is no permission {permission!r}; {ROLES_FILE.name} lists them")
    return identity.roles is None or any(permission in known.roles[role] for role in identity.roles)


def require(settings: "Settings", permission: str) -> str:
    """Refuse unless the person who acts has a permission; a refusal is an entry of the audit log.

    Args:
        permission: a name of `roles.yml`: an audit action, or a command that shows what is held.

    Returns:
        The actor, for the entry that the action itself will write.

    Raises:
        AccessError: they may not, and it has been logged; or the roles cannot be understood.
        ValueError: there is no such permission.
    """
    identity = identify(settings)
    if allows(identity, permission):
        return identity.actor
    untold = _log_refusal(settings, identity, permission)
    holders = ", ".join(known_roles().holding(permission)) or "nobody"
    raise AccessError(
        f"{identity.words} may not do {permission} ({known_roles().permissions[permission]}) "
        f"Roles that may: {holders}. Ask one of them, or whoever keeps the roles file.{untold}"
    )


def authorise(permission: str) -> str:
    """`require` under the settings of the environment: the first line of a command. Raises AccessError."""
    from orchestration.config import load_settings

    return require(load_settings(), permission)


def _log_refusal(settings: "Settings", identity: Identity, permission: str) -> str:
    """Append the refusal. Returns words to add when that failed: an unwritable ledger must not turn a no into a yes."""
    from orchestration.ledger.audit import append
    from orchestration.ledger.errors import LedgerError

    ledger = Ledger.of(settings)
    try:
        with ledger.writing() as connection:
            append(
                connection,
                actor=identity.actor,
                action=REFUSED,
                subject=permission,
                details={"roles": list(identity.roles or ())},
            )
    except LedgerError as error:
        return f" The refusal could not be logged: {error}"
    finally:
        ledger.close()
    return ""


def _users(path: Path) -> dict[str, tuple[str, ...]]:
    """The roles of each user of a roles file."""
    users = {}
    for user, given in _mapping(_read(path).get("users"), path).items():
        roles = tuple([given] if isinstance(given, str) else given or [])
        for role in roles:
            _check_role(role, f"{path}: user {user!r}")
        users[str(user)] = roles
    return users


def _check_role(role: object, where: str) -> None:
    if role not in known_roles().roles:
        raise AccessError(f"{where} names the role {role!r}; known are {', '.join(sorted(known_roles().roles))}")


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise AccessError(
            f"The roles in {path} cannot be read ({error.strerror}), so nobody may do anything. Mend the file or "
            "KINDRED_ROLES_FILE."
        ) from error
    except yaml.YAMLError as error:
        raise AccessError(f"{path}: not valid YAML, so nobody may do anything: {error}") from error
    return _mapping(content, path)


def _mapping(value: object, path: Path) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise AccessError(f"{path}: a mapping is needed, such as `users: {{anna@example.com: [steward]}}`")
    return value
