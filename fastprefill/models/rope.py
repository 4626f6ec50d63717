"""How a model's rotary position embedding is scaled: what its ``config.json`` says, older or newer form."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from fastprefill.models.fields import Fields

ROPE_TYPES = ("default", "linear", "dynamic", "llama3", "yarn")


@dataclass(frozen=True)
class Rope:
    """Parameters of the rotary embedding; `fastprefill.golden.rope` has what they do.

    Attributes:
        kind: one of `ROPE_TYPES`.
        theta: base of the frequencies.
        factor: how many times the context was stretched; 1 for ``default``.
        original_context: tokens that the model was made for before it was stretched.
        low_frequency_factor: ``llama3``: wavelengths above original_context / this are scaled in full.
        high_frequency_factor: ``llama3``: wavelengths below original_context / this are not scaled.
        beta_fast: ``yarn``: components that turn more often than this in the original context keep their frequency.
        beta_slow: ``yarn``: components that turn less often than this are scaled in full.
        whole_components: ``yarn``: the ramp between the two begins and ends at whole components.
        attention_factor: ``yarn``: multiplies cos and sin; 1 otherwise.
    """

    kind: str
    theta: float
    factor: float = 1.0
    original_context: int = 0
    low_frequency_factor: float = 1.0
    high_frequency_factor: float = 1.0
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    whole_components: bool = True
    attention_factor: float = 1.0


def read_rope(fields: Fields, context: int) -> Rope:
    """The rotary embedding that a ``config.json`` describes.

    Older files have ``rope_theta`` beside ``rope_scaling``, newer ones both in ``rope_parameters``.

    Args:
        fields: of the file.
        context: its ``max_position_embeddings``.

    Raises:
        FastprefillError: an unknown type, contradictory bases, a parameter that is missing or out of range.
    """
    inner = _inner(fields)
    kind_field = "rope_type" if inner.has("rope_type") else "type"
    kind = inner.text(kind_field, "default")
    if not inner.has(kind_field) and inner.has("factor"):
        inner.refuse(f"{inner.name('factor')} is there without a rope_type; say which of {', '.join(ROPE_TYPES[1:])}")
    if kind not in ROPE_TYPES:
        fields.refuse(f"{inner.name(kind_field)} is '{kind}'; supported: {', '.join(ROPE_TYPES)}")
    for place in (inner, fields):
        if place.positive_number("partial_rotary_factor", 1.0) != 1.0:
            place.wrong("partial_rotary_factor", "1: every component of a head is rotated here")
    theta = _theta(fields, inner)
    if kind == "default":
        return Rope(kind, theta)
    factor = inner.positive_number("factor")
    if factor < 1:
        inner.wrong("factor", "at least 1")
    if kind in ("linear", "dynamic"):
        return Rope(kind, theta, factor, context)
    original = inner.positive("original_max_position_embeddings", context)
    if kind == "llama3":
        return _llama3(inner, theta, factor, original)
    return _yarn(inner, theta, factor, original)


def _inner(fields: Fields) -> Fields:
    found: dict[str, dict[str, Any]] = {}
    for name in ("rope_scaling", "rope_parameters"):
        value: Any = fields.values.get(name)
        if value is not None and not isinstance(value, dict):
            fields.wrong(name, "an object")
        for key, inside in (value or {}).items():
            if isinstance(inside, dict):
                fields.refuse(f"{name}.{key} is an object; one rotary embedding for all layers is supported")
        if value:
            found[name] = value
    if len(found) == 2 and found["rope_scaling"] != found["rope_parameters"]:
        fields.refuse("rope_scaling and rope_parameters are both there and differ; keep the one that holds")
    name, values = next(iter(found.items()), ("rope_parameters", {}))
    return Fields(fields.path, values, name)


def _theta(fields: Fields, inner: Fields) -> float:
    if not inner.has("rope_theta"):
        return fields.positive_number("rope_theta", 10000.0)
    theta = inner.positive_number("rope_theta")
    if fields.positive_number("rope_theta", theta) != theta:
        fields.refuse(
            f"{inner.name('rope_theta')} is {json.dumps(inner.values['rope_theta'])} and rope_theta is "
            f"{json.dumps(fields.values['rope_theta'])}; they must be one number"
        )
    return theta


def _llama3(inner: Fields, theta: float, factor: float, original: int) -> Rope:
    low, high = inner.positive_number("low_freq_factor"), inner.positive_number("high_freq_factor")
    if low >= high:
        inner.wrong("high_freq_factor", f"above low_freq_factor = {low:g}")
    return Rope("llama3", theta, factor, original, low_frequency_factor=low, high_frequency_factor=high)


def _yarn(inner: Fields, theta: float, factor: float, original: int) -> Rope:
    for name in ("mscale", "mscale_all_dim"):
        if inner.has(name):
            inner.refuse(f"{inner.name(name)} is set; a yarn rotary embedding with it is not supported")
    if theta <= 1:
        inner.refuse(f"the rotary embedding's base is {theta:g}; yarn needs one above 1")
    fast, slow = inner.positive_number("beta_fast", 32.0), inner.positive_number("beta_slow", 1.0)
    if slow >= fast:
        inner.refuse(
            f"{inner.name('beta_slow')} is {slow:g} and beta_fast is {fast:g}; beta_slow must be the smaller"
        )
    return Rope(
        "yarn",
        theta,
        factor,
        original,
        beta_fast=fast,
        beta_slow=slow,
        whole_components=inner.flag("truncate", True),
        attention_factor=inner.optional_number("attention_factor") or yarn_attention_factor(factor),
    )


def yarn_attention_factor(factor: float) -> float:
    """0.1 ln(factor) + 1, what YaRN multiplies queries and keys by (Peng et al., 2023, section 3.4)."""
    return 0.1 * math.log(factor) + 1.0
