"""A parameter's own type where a docstring names several in one line, as ``by, where, when``.

griffe gives all of them the type of the first; `mkdocs.yml` names this as its extension.
"""

from __future__ import annotations

from typing import Any

import griffe


class OwnTypes(griffe.Extension):
    """Gives each parameter of a section its annotation in the signature."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Go through all that is in the package."""
        self._mend(pkg)

    def _mend(self, one: griffe.Object) -> None:
        if one.docstring is not None and (one.is_class or one.is_function):
            typed = {parameter.name: parameter.annotation for parameter in one.parameters}
            for section in one.docstring.parsed:
                if section.kind is griffe.DocstringSectionKind.parameters:
                    for parameter in section.value:
                        if parameter.name in typed and _is_untyped(one, parameter.name):
                            parameter.annotation = typed[parameter.name]
        for member in one.members.values():
            if not member.is_alias:
                self._mend(member)


def _is_untyped(one: griffe.Object, name: str) -> bool:
    """Say whether a docstring has a parameter in a line of names alone."""
    lines = (line.strip() for line in one.docstring.value.splitlines())
    return any("," in line and name in line.split(", ") for line in lines)
