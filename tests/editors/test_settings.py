"""The settings that VS Code offers are those that the server has."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from typing import Any

from codecompose_ls.settings import Settings
from tests.editors.server import ROOT

TYPES = {bool: "boolean", int: "integer", str: "string", tuple: "array"}


def test_the_schema_is_that_of_the_server() -> None:
    package = json.loads((ROOT / "editors" / "vscode" / "package.json").read_text(encoding="utf-8"))
    properties = package["contributes"]["configuration"]["properties"]
    offered = {name: schema for name, schema in properties.items() if not name.startswith("codecompose.server.")}
    assert offered == schemas()


def test_no_setting_can_be_made_by_a_project() -> None:
    package = json.loads((ROOT / "editors" / "vscode" / "package.json").read_text(encoding="utf-8"))
    properties = package["contributes"]["configuration"]["properties"]
    assert {schema["scope"] for schema in properties.values()} == {"machine"}


def schemas() -> dict[str, dict[str, Any]]:
    """The server's settings as VS Code describes settings, by their names in the editor."""
    found: dict[str, dict[str, Any]] = {}
    for item in fields(Settings):
        rules, default = item.metadata, item.default
        schema = {"type": TYPES[type(default)], "default": list(default) if isinstance(default, tuple) else default}
        if isinstance(default, tuple):
            schema["items"] = {"type": "string"}
        if rules["choices"]:
            schema["enum"] = list(rules["choices"])
        if schema["type"] == "integer":
            schema |= {"minimum": rules["low"], "maximum": rules["high"]}
        description = rules["help"][0].upper() + rules["help"][1:] + "."
        name = re.sub("_([a-z])", lambda letter: letter[1].upper(), item.name)
        found[f"codecompose.{name}"] = schema | {"scope": "machine", "description": description}
    return found
