"""Shapes of published models by name, for what needs no weights: sizes, times, whether a design fits."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from fastprefill.models.config import ModelConfig, parse_config
from fastprefill.models.fields import Fields

SHAPES = Path(__file__).with_name("shapes.toml")


@cache
def _table() -> dict[str, dict[str, Any]]:
    return tomllib.loads(SHAPES.read_text(encoding="utf-8"))


def shape_names() -> list[str]:
    """The shapes there are, such as ``llama-3.2-1b``."""
    return list(_table())


def named_shape(name: str) -> ModelConfig | None:
    """The shape of that name, in upper or lower case, or None."""
    values = _table().get(name.lower())
    return None if values is None else parse_config(Fields(SHAPES, values))


def published_parameters(name: str) -> int:
    """The number of parameters that the publisher of a shape states."""
    return int(_table()[name]["parameters"])
