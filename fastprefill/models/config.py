"""``config.json`` -> `ModelConfig`, with a sentence for everything that is missing or contradictory."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastprefill.errors import FastprefillError

MODEL_TYPES = ("llama",)


@dataclass(frozen=True)
class ModelConfig:
    """The shape of a decoder-only transformer.

    Attributes:
        model_type: one of `MODEL_TYPES`.
        vocabulary: number of token ids.
        hidden: width of the residual stream.
        intermediate: width of the feed-forward block.
        layers: number of decoder layers.
        heads: query heads; `kv_heads` divides it.
        kv_heads: key/value heads.
        head_dim: width of one head, even.
        context: longest sequence the model was made for, in tokens.
        rms_norm_eps: added to the mean square in RMSNorm.
        rope_theta: base of the rotary embedding.
        tied_embeddings: the output projection is the embedding table.
        bos_token: id that starts a text, or None.
    """

    model_type: str
    vocabulary: int
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    context: int
    rms_norm_eps: float
    rope_theta: float
    tied_embeddings: bool
    bos_token: int | None

    @property
    def query_width(self) -> int:
        """Output channels of the query projection."""
        return self.heads * self.head_dim

    @property
    def kv_width(self) -> int:
        """Output channels of the key projection, and of the value projection."""
        return self.kv_heads * self.head_dim


def read_config(path: Path) -> ModelConfig:
    """Read and check a ``config.json``.

    Raises:
        FastprefillError: one sentence that names the file, the field and its value.
    """
    fields = _Fields(path)
    model_type = fields.text("model_type")
    if model_type not in MODEL_TYPES:
        fields.refuse(f"model_type is '{model_type}'; supported: {', '.join(MODEL_TYPES)}")
    activation = fields.text("hidden_act", "silu")
    if activation != "silu":
        fields.refuse(f"hidden_act is '{activation}'; a {model_type} model uses 'silu'")
    for bias in ("attention_bias", "mlp_bias"):
        if fields.flag(bias, False):
            fields.refuse(f"{bias} is true; projections with a bias are not supported")

    hidden, heads = fields.positive("hidden_size"), fields.positive("num_attention_heads")
    kv_heads = fields.positive("num_key_value_heads", heads)
    if heads % kv_heads:
        fields.refuse(
            f"num_key_value_heads is {kv_heads}, which does not divide num_attention_heads = {heads}"
        )
    if fields.has("head_dim"):
        head_dim = fields.positive("head_dim")
    elif hidden % heads:
        fields.refuse(
            f"hidden_size is {hidden}, which num_attention_heads = {heads} does not divide, "
            "and there is no head_dim that says otherwise"
        )
    else:
        head_dim = hidden // heads
    if head_dim % 2:
        fields.refuse(f"head_dim is {head_dim}; it must be even for the rotary embedding")

    vocabulary = fields.positive("vocab_size")
    bos = fields.token("bos_token_id", vocabulary)
    return ModelConfig(
        model_type=model_type,
        vocabulary=vocabulary,
        hidden=hidden,
        intermediate=fields.positive("intermediate_size"),
        layers=fields.positive("num_hidden_layers"),
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        context=fields.positive("max_position_embeddings"),
        rms_norm_eps=fields.positive_number("rms_norm_eps"),
        rope_theta=fields.rope_theta(),
        tied_embeddings=fields.flag("tie_word_embeddings", False),
        bos_token=bos,
    )


class _Fields:
    """The fields of one file, fetched with a check of their kind."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise FastprefillError(f"'{path.parent}' has no config.json") from None
        except OSError as error:
            raise FastprefillError(f"{path} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            self.refuse("it is not UTF-8 text")
        except json.JSONDecodeError as error:
            self.refuse(f"it is not JSON: {error.msg} at line {error.lineno}, column {error.colno}")
        if not isinstance(values, dict):
            self.refuse("it must hold one JSON object")
        self.values: dict[str, Any] = values

    def refuse(self, what: str) -> Any:
        raise FastprefillError(f"{self.path}: {what}")

    def has(self, name: str) -> bool:
        return self.values.get(name) is not None

    def _get(self, name: str, default: object) -> Any:
        if self.has(name):
            return self.values[name]
        if default is None:
            self.refuse(f"the field {name} is missing")
        return default

    def text(self, name: str, default: str | None = None) -> str:
        value = self._get(name, default)
        if not isinstance(value, str):
            self.refuse(f"{name} is {json.dumps(value)}; it must be a string")
        return str(value)

    def flag(self, name: str, default: bool) -> bool:
        value = self._get(name, default)
        if not isinstance(value, bool):
            self.refuse(f"{name} is {json.dumps(value)}; it must be true or false")
        return bool(value)

    def positive(self, name: str, default: int | None = None) -> int:
        value = self._get(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            self.refuse(f"{name} is {json.dumps(value)}; it must be a whole number of at least 1")
        return int(value)

    def positive_number(self, name: str, default: float | None = None) -> float:
        value = self._get(name, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < float("inf"):
            self.refuse(f"{name} is {json.dumps(value)}; it must be a number above 0")
        return float(value)

    def token(self, name: str, vocabulary: int) -> int | None:
        if not self.has(name):
            return None
        value = self.values[name]
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < vocabulary:
            self.refuse(
                f"{name} is {json.dumps(value)}; it must be a token id below vocab_size = {vocabulary}"
            )
        return int(value)

    def rope_theta(self) -> float:
        """Older files have ``rope_theta`` and ``rope_scaling``, newer ones ``rope_parameters``."""
        scaling = self.values.get("rope_parameters") or self.values.get("rope_scaling") or {}
        if not isinstance(scaling, dict):
            self.refuse(f"rope_parameters is {json.dumps(scaling)}; it must be an object")
        kind = scaling.get("rope_type", scaling.get("type", "default"))
        if kind != "default":
            self.refuse(f"the rotary embedding is scaled (rope_type '{kind}'); only 'default' is supported")
        if "rope_theta" in scaling:
            inner = float(_number(scaling["rope_theta"]) or 0.0)
            outer = self.values.get("rope_theta", scaling["rope_theta"])
            if inner <= 0 or outer != scaling["rope_theta"]:
                self.refuse(
                    f"rope_parameters.rope_theta is {json.dumps(scaling['rope_theta'])} "
                    f"and rope_theta is {json.dumps(outer)}; they must be one number above 0"
                )
            return inner
        return self.positive_number("rope_theta", 10000.0)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
