"""Rule packs: the contact rules of a jurisdiction as versioned data.

`python -m escalation.domain.rules.pack` writes the JSON Schema of a pack's file.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args, get_origin

import holidays
import msgspec
import yaml
from babel.core import get_global
from doorstep.events.values import PackRef
from doorstep.kernel.artifacts import Publish

from escalation.domain.rules.schema import KINDS, AnyRule, Holidays, PackContent, RetentionRule, Rule, Text

FOLDER = Path(__file__).parent / "packs"
SCHEMA = FOLDER / "pack.schema.json"


@dataclass(frozen=True, slots=True)
class PolicyProblem:
    """What is wrong with a policy file, where in it (`path`, such as `$.rules[3].limit`), in words a person acts on."""

    file: str
    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}: {self.path}: {self.reason}"


class InvalidPolicy(ValueError):
    """Files of a policy that cannot be taken: every problem of every file. The policy before stays in force."""

    def __init__(self, problems: Sequence[PolicyProblem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True, eq=False)
class Pack:
    """The rules of a jurisdiction, or the tenant's own. `content` is the whole file as canonical JSON, `hash` its
    SHA-256: comments, layout and the order of keys play no part."""

    id: str
    version: str
    title: Text
    countries: tuple[str, ...]
    holidays: Holidays | None
    rules: tuple[AnyRule, ...]
    content: str
    hash: str

    @property
    def ref(self) -> PackRef:
        """What a decision says it was made by."""
        return PackRef(self.id, self.version, self.hash)

    @property
    def retention(self) -> RetentionRule | None:
        """The rule that wants records kept longest, law before others; a draft only advises. None: no rule does."""
        binding = [rule for rule in self.rules if isinstance(rule, RetentionRule) and rule.status != "draft"]
        return max(binding, key=lambda rule: (rule.years, rule.legal == "law"), default=None)

    @property
    def artifact(self) -> Publish:
        """This pack, to be put on record."""
        kept = self.retention
        days, source = (kept.days, f"{self.id}/{kept.id}: {kept.source}") if kept else (None, None)
        return Publish("contact-rules", self.id, self.version, self.content, days, source)


def load(folder: Path) -> Mapping[str, Pack]:
    """The packs of every YAML file in `folder`, by id. Raises InvalidPolicy with all that is wrong with any."""
    packs: dict[str, Pack] = {}
    problems: list[PolicyProblem] = []
    for file in sorted(path for path in folder.glob("*") if path.suffix in {".yaml", ".yml"}):
        read = _PackReader(file.name, problems)
        pack = read.pack(file)
        if pack is not None:
            packs[pack.id] = pack
    if not packs and not problems:
        problems.append(
            PolicyProblem(str(folder.name), "$", "there is no pack here: put one .yaml file per jurisdiction")
        )
    if problems:
        raise InvalidPolicy(problems)
    return MappingProxyType(packs)


@lru_cache(maxsize=1)
def builtin() -> Mapping[str, Pack]:
    """The packs that come with Doorstep, by id."""
    return load(FOLDER)


def schema() -> bytes:
    """The JSON Schema of a pack's file, for editors."""
    said = msgspec.json.schema(PackContent, ref_template="#/$defs/{name}")
    return msgspec.json.format(msgspec.json.encode(said, order="sorted"), indent=2) + b"\n"


@dataclass(frozen=True, slots=True)
class _PackReader:
    """One file being read; what is wrong goes to `problems`."""

    file: str
    problems: list[PolicyProblem]
    found: list[PolicyProblem] = field(default_factory=list)

    def pack(self, path: Path) -> Pack | None:
        raw = self._yaml(path)
        content = self._content(raw) if raw is not None else None
        self.problems.extend(self.found)
        if content is None or self.found:
            return None
        canonical = msgspec.json.encode(raw, order="deterministic")
        return Pack(
            id=content.id,
            version=content.version,
            title=content.title,
            countries=content.countries,
            holidays=content.holidays,
            rules=content.rules,
            content=canonical.decode(),
            hash=hashlib.sha256(canonical).hexdigest(),
        )

    def _yaml(self, path: Path) -> Any:
        try:
            raw = yaml.load(path.read_bytes(), _Loader)  # noqa: S506 - a SafeLoader that also refuses double keys
        except UnicodeDecodeError:
            return self._wrong("$", "it is not UTF-8")
        except yaml.MarkedYAMLError as error:
            line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
            return self._wrong("$", f"{line}{error.problem}")
        except yaml.YAMLError as error:
            return self._wrong("$", str(error))
        return raw if raw is not None else self._wrong("$", "the file is empty")

    def _content(self, raw: object) -> PackContent | None:
        if not self._fields(PackContent, raw, "$", apart="rules") or not isinstance(raw, dict):
            return None
        if isinstance(raw.get("rules"), list):
            self._rules(raw["rules"])
        else:
            self._wrong("$.rules", "expected a list of rules")
        self._heading(raw)
        return msgspec.convert(raw, PackContent) if not self.found else None

    def _heading(self, raw: dict[str, object]) -> None:
        if raw.get("id") != Path(self.file).stem:
            self._wrong("$.id", "the id and the file's name have to be the same")
        known = get_global("territory_zones")
        for index, country in enumerate(_listed(raw.get("countries"))):
            if isinstance(country, str) and country not in known:
                self._wrong(f"$.countries[{index}]", f"unknown country {country!r}: use ISO 3166 codes, such as GB")
        calendar = raw.get("holidays")
        if isinstance(calendar, dict) and calendar.get("calendar") == "holidays":
            country = calendar.get("country")
            if country not in holidays.list_supported_countries():
                self._wrong("$.holidays.country", f"unknown country {country!r}: the library holidays has none such")

    def _rules(self, raws: list[object]) -> None:
        seen: set[str | None] = set()
        for index, raw in enumerate(raws):
            path = f"$.rules[{index}]"
            kind = KINDS.get(str(raw.get("kind"))) if isinstance(raw, dict) else None
            if kind is None:
                said = raw.get("kind") if isinstance(raw, dict) else raw
                self._wrong(f"{path}.kind", f"unknown kind {said!r}; known: {', '.join(KINDS)}")
            elif self._fields(kind, raw, path):
                rule: Rule = msgspec.convert(raw, kind)
                for place, reason in rule.faults():
                    self._wrong(path + place, f"{reason} (rule {rule.id})")
            identity = str(raw.get("id")) if isinstance(raw, dict) else None
            if identity in seen:
                self._wrong(f"{path}.id", f"there is a rule {identity} already")
            seen.add(identity)

    def _fields(self, kind: type[msgspec.Struct], raw: object, path: str, apart: str | None = None) -> bool:
        """Whether every field but `apart` is as `kind` wants it; each one that is not is a problem of its own."""
        if not isinstance(raw, dict):
            self._wrong(path, "expected names with values")
            return False
        before = len(self.found)
        fields = {one.encode_name: one for one in msgspec.structs.fields(kind)}
        for name in raw.keys() - fields.keys() - {kind.__struct_config__.tag_field}:
            self._wrong(f"{path}.{name}", f"unknown name; known: {', '.join(fields)}")
        for name, one in fields.items():
            if name in raw and name != apart:
                self._value(raw[name], one.type, f"{path}.{name}")
            elif name not in raw and one.required:
                self._wrong(f"{path}.{name}", "is missing")
        return len(self.found) == before

    def _value(self, raw: object, wanted: object, path: str) -> None:
        try:
            msgspec.convert(raw, wanted)
        except msgspec.ValidationError as error:
            reason, _, deeper = str(error).partition(" - at `")
            place = deeper.rpartition("`$")[2] if deeper.startswith("key") else deeper.removeprefix("$")
            self._wrong(path + place.rstrip("`"), reason + _hint(reason, wanted))

    def _wrong(self, path: str, reason: str) -> None:
        self.found.append(PolicyProblem(self.file, path, reason))


class _Loader(yaml.SafeLoader):
    """YAML takes the last of two equal keys in silence; a rule must not vanish that way. Dates stay as they are
    written, so that a wrong one is told of where it is."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - the base class declares it
        first: [one for one in resolvers if one[0] != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} is said twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _hint(reason: str, wanted: object) -> str:
    if reason.startswith("Invalid enum value"):
        return f"; known: {', '.join(map(str, _choices(wanted)))}"
    if reason.startswith("Invalid RFC3339"):
        return "; write it as 2026-01-31"
    return "; put it in quotes" if reason.startswith("Expected `str`, got `") else ""


def _choices(wanted: object) -> Iterator[object]:
    """The values that `wanted` may have, wherever in it they are."""
    if get_origin(wanted) is Literal:
        yield from get_args(wanted)
    elif isinstance(wanted, type) and issubclass(wanted, msgspec.Struct):
        for one in msgspec.structs.fields(wanted):
            yield from _choices(one.type)
    else:
        for inner in get_args(wanted):
            yield from _choices(inner)


def _listed(raw: object) -> Sequence[object]:
    return raw if isinstance(raw, list) else ()


if __name__ == "__main__":
    SCHEMA.write_bytes(schema())
