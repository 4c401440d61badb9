"""Objectives and the flat keys of their section: ``learner.off_policy=clip`` beside ``learner.clip=0.1``.

In files and in ``--set`` the name of an objective and its settings are keys of the section. In Python the objective is
one value. Only this file converts between the two. The keys in files are flat because people type them that way and
older releases read them that way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import (
    SerializationInfo,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)
from pydantic_core import InitErrorDetails

from spiral.objectives.objective import Objective
from spiral.values.section import Section

Tree = Mapping[str, Any]


class ChoosingSection(Section):
    """A section with a field that is an objective."""

    once_in_every_file: ClassVar[frozenset[str]]
    """Settings of objectives that older releases wrote into every file, whichever objective was chosen. In a file that
    has all of them, those of the other objectives never counted."""

    @classmethod
    def choice(cls) -> str:
        """The key that holds the objective's name."""
        field = cls._field()
        return cls.model_fields[field].alias or field

    @classmethod
    def keys(cls, given: Tree) -> list[str]:
        """All keys that the section may have: its own, and the settings of every objective."""
        try:
            chosen = cls._chosen(given).model_fields
        except ValueError:  # reading the section reports it
            chosen = {}
        return list(dict.fromkeys([*cls.own_keys(), *chosen, *cls._settings()]))

    @classmethod
    def idle(cls, given: Tree) -> list[str]:
        """The keys that belong only to objectives that were not chosen; ValueError if the name is unknown."""
        chosen = cls._chosen(given).model_fields
        return [key for key in cls._settings() if key in given and key not in chosen]

    @classmethod
    def ignored(cls, given: Tree) -> list[str]:
        """The idle keys that mean nothing: at their default, or in a file that has all of them."""
        everything = cls.once_in_every_file <= given.keys()
        settings = cls._settings()
        return [key for key in cls.idle(given) if everything or given[key] in settings[key].values()]

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, given: Any) -> Any:
        """Turn flat keys into one value."""
        choice = cls.choice()
        if not isinstance(given, Mapping) or isinstance(given.get(choice), Objective):
            return given
        try:
            chosen, idle = cls._chosen(given), cls.idle(given)
        except ValueError as error:
            raise _wrong(choice, given.get(choice), str(error)) from error
        ignored = cls.ignored(given)
        for key in idle:
            if key not in ignored:
                owners = " and ".join(cls._settings()[key])
                sentence = f"{given[key]!r} belongs to {choice} {owners}, but {choice} is {chosen.name()}; leave it out"
                raise _wrong(key, given[key], sentence)
        own = {key: given[key] for key in chosen.model_fields if key in given}
        rest = {key: value for key, value in given.items() if key not in own and key not in idle}
        return {**rest, choice: chosen.model_validate(own)}

    @model_serializer(mode="wrap")
    def _spread(self, dump: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        """Turn one value into flat keys."""
        objective: Objective = getattr(self, self._field())
        flat: dict[str, Any] = {}
        for key, value in dump(self).items():
            if key in (self._field(), self.choice()):
                flat |= {key: objective.name(), **objective.model_dump(mode=info.mode)}
            else:
                flat[key] = value
        return flat

    @classmethod
    def _field(cls) -> str:
        return next(name for name, field in cls.model_fields.items() if _is_objective(field.annotation))

    @classmethod
    def _settings(cls) -> dict[str, dict[str, Any]]:
        """For each setting of any objective: the objectives that have it, and its default there."""
        kind = cls.model_fields[cls._field()].annotation
        assert kind is not None
        settings: dict[str, dict[str, Any]] = {}
        for name, member in kind.members().items():
            for key, field in member.model_fields.items():
                settings.setdefault(key, {})[name] = field.default
        return settings

    @classmethod
    def _chosen(cls, given: Tree) -> type[Objective]:
        """The objective of the given name; ValueError if there is none or one of its settings is already a key."""
        field = cls.model_fields[cls._field()]
        assert field.annotation is not None
        name = given.get(cls.choice(), field.default)
        if isinstance(name, Objective):
            return type(name)
        if not isinstance(name, str):
            raise ValueError(f"found {name!r}; expected the name of an objective")
        chosen: type[Objective] = field.annotation.named(name)
        if taken := [key for key in cls.own_keys() if key in chosen.model_fields]:
            raise ValueError(f'"{name}" has a setting "{taken[0]}", which is already a key of the section')
        return chosen


def _is_objective(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Objective)


def _wrong(key: str, value: Any, sentence: str) -> ValidationError:
    """A validation error at a key."""
    details = InitErrorDetails(type="value_error", loc=(key,), input=value, ctx={"error": ValueError(sentence)})
    return ValidationError.from_exception_data("section", [details])
