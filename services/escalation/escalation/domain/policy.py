"""The policy in force: rule packs, strategies, and what each tenant wants of them.

Without a folder the packs and the strategy that come with Doorstep hold. With one, its `packs/*.yaml` and
`strategies/*.json` are added to those, or stand in place of the one with the same id, and its `tenants.yaml` says what
holds for whom. A folder with anything wrong in it is refused whole, and what was in force stays.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import msgspec
import yaml
from babel.core import get_global
from doorstep.kernel.artifacts import Publish

from escalation.domain.rules import pack
from escalation.domain.rules.pack import InvalidPolicy, Pack, PolicyProblem
from escalation.domain.strategy import strategy
from escalation.domain.strategy.strategy import Strategy

TENANTS = "tenants.yaml"
_Country = Annotated[str, msgspec.Meta(pattern="^[A-Z]{2}$")]


class TenantTerms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a tenant wants. `home` is the country whose rules are always asked; `packs` are asked besides, and besides
    those of the borrower's place. Facts older than `stale_after_days` permit nothing."""

    home: _Country = "CN"
    packs: tuple[str, ...] = ("house",)
    strategy: str = "default"
    stale_after_days: Annotated[int, msgspec.Meta(ge=1, le=366)] = 7
    promise_grace_days: Annotated[int, msgspec.Meta(ge=0, le=31)] = 1


@dataclass(frozen=True)
class Policy:
    """What holds for one tenant."""

    terms: TenantTerms
    packs: Mapping[str, Pack]
    strategy: Strategy
    _asked: dict[str, tuple[Pack, ...]] = field(default_factory=dict, repr=False, compare=False)

    def packs_at(self, country: str | None) -> tuple[Pack, ...]:
        """The packs to ask about a borrower in `country` (ISO 3166; None: not known): the home's, the place's, and the
        tenant's own. What the strictest of them says, holds."""
        place = country or self.terms.home
        if place not in self._asked:
            found = [one for one in self.packs.values() if {place, self.terms.home} & set(one.countries)]
            own = [self.packs[name] for name in self.terms.packs]
            self._asked[place] = tuple({one.id: one for one in (*found, *own)}.values())
        return self._asked[place]


class Policies:
    """All tenants' policies. `reload` changes them for the whole process at once, or not at all. `artifacts` are
    what is in force, to be put on record."""

    artifacts: Sequence[Publish] = ()

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._load()

    def of(self, tenant: str) -> Policy:
        """What holds for `tenant` now."""
        return self._tenants.get(tenant, self._default)

    def names(self, tenant: str) -> bool:
        """Whether `tenant` has terms of its own."""
        return tenant in self._tenants

    def reload(self) -> None:
        """Read the folder again. Raises InvalidPolicy, and then everything stays as it was."""
        self._load()

    def replaced(self, packs: Mapping[str, Pack], chosen: Strategy | None) -> "Policies":
        """The same with other packs in place of those with the same ids, and another strategy for everyone."""
        other = Policies.__new__(Policies)
        other._folder = self._folder
        other._tenants = {name: _other(policy, packs, chosen) for name, policy in self._tenants.items()}
        other._default = _other(self._default, packs, chosen)
        return other

    def _load(self) -> None:
        packs, strategies, terms = read(self._folder)
        tenants = {name: Policy(one, packs, strategies[one.strategy]) for name, one in terms.items()}
        default = Policy(TenantTerms(), packs, strategies["default"])
        self._tenants, self._default = tenants, default
        self.artifacts = [*(one.artifact for one in packs.values()), *(one.artifact for one in strategies.values())]


def read(folder: Path | None) -> tuple[Mapping[str, Pack], Mapping[str, Strategy], Mapping[str, TenantTerms]]:
    """What `folder` holds, with what comes with Doorstep. Raises InvalidPolicy with every problem of every file."""
    packs, strategies = dict(pack.builtin()), {"default": strategy.builtin()}
    if folder is None:
        return packs, strategies, {}
    problems: list[PolicyProblem] = []
    if any((folder / "packs").glob("*.yaml")):
        try:
            packs |= pack.load(folder / "packs")
        except InvalidPolicy as error:
            problems += error.problems
    for file in sorted((folder / "strategies").glob("*.json")):
        try:
            strategies[file.stem] = Strategy.load(file)
        except InvalidPolicy as error:
            problems += error.problems
    terms: dict[str, TenantTerms] = {}
    try:
        terms = _tenants(folder / TENANTS, packs, strategies)
    except InvalidPolicy as error:
        problems += error.problems
    if problems:
        raise InvalidPolicy(problems)
    return packs, strategies, terms


def _tenants(file: Path, packs: Mapping[str, Pack], strategies: Mapping[str, Strategy]) -> dict[str, TenantTerms]:
    if not file.exists():
        return {}
    try:
        told = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        terms = msgspec.convert(told, dict[str, TenantTerms])
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidPolicy([PolicyProblem(file.name, "", f"no YAML: {error}")]) from None
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at ")
        raise InvalidPolicy([PolicyProblem(file.name, path.strip("`"), reason)]) from None
    problems = [
        PolicyProblem(file.name, *one) for name, each in terms.items() for one in _wrong(name, each, packs, strategies)
    ]
    if problems:
        raise InvalidPolicy(problems)
    return terms


def _wrong(
    tenant: str, terms: TenantTerms, packs: Mapping[str, Pack], strategies: Mapping[str, Strategy]
) -> Sequence[tuple[str, str]]:
    unknown = [
        (f"$.{tenant}.packs", f"there is no pack {name}; there are {', '.join(sorted(packs))}")
        for name in terms.packs
        if name not in packs
    ]
    if terms.strategy not in strategies:
        unknown.append((f"$.{tenant}.strategy", f"there is no strategy {terms.strategy} in strategies/"))
    if terms.home not in get_global("territory_zones"):
        unknown.append((f"$.{tenant}.home", f"{terms.home} is no country with a time zone"))
    return unknown


def _other(policy: Policy, packs: Mapping[str, Pack], chosen: Strategy | None) -> Policy:
    return Policy(policy.terms, {**policy.packs, **packs}, chosen or policy.strategy)


@lru_cache(maxsize=1)
def builtin() -> Policies:
    """What comes with Doorstep."""
    return Policies()


def describe(policies: Policies, tenant: str) -> dict[str, Any]:
    """A tenant's policy by its names and hashes, for people."""
    policy = policies.of(tenant)
    return {
        "terms": msgspec.json.decode(msgspec.json.encode(policy.terms)),
        "packs": [{"id": one.id, "version": one.version, "hash": one.hash} for one in policy.packs.values()],
        "strategy": {"name": policy.strategy.name, "hash": policy.strategy.hash, "engine": policy.strategy.engine},
    }
