"""``config.json`` -> `ModelConfig`, with a sentence for everything that is missing or contradictory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fastprefill.models.fields import Fields, read_json
from fastprefill.models.rope import Rope, read_rope

MODEL_TYPES = ("llama", "qwen2", "qwen3")

# head_dim of a Qwen3 file that does not say it; the other families divide hidden_size by the heads
_QWEN3_HEAD_DIM = 128


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
        rope: the rotary embedding.
        tied_embeddings: the output projection is the embedding table.
        bos_token: id that starts a text; None where the file has none inside the vocabulary.
        qkv_bias: the query, key and value projections add a bias.
        output_bias: the attention's output projection adds a bias.
        mlp_bias: the three feed-forward projections add a bias.
        qk_norm: RMSNorm over each query and key head before the rotation.
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
    rope: Rope
    tied_embeddings: bool
    bos_token: int | None
    qkv_bias: bool = False
    output_bias: bool = False
    mlp_bias: bool = False
    qk_norm: bool = False

    @property
    def query_width(self) -> int:
        """Output channels of the query projection."""
        return self.heads * self.head_dim

    @property
    def kv_width(self) -> int:
        """Output channels of the key projection, and of the value projection."""
        return self.kv_heads * self.head_dim

    @property
    def group(self) -> int:
        """Query heads per key/value head."""
        return self.heads // self.kv_heads


def read_config(path: Path) -> ModelConfig:
    """Read and check a ``config.json``.

    Raises:
        FastprefillError: one sentence that names the file, the field and its value.
    """
    return parse_config(read_json(path))


def parse_config(fields: Fields) -> ModelConfig:
    """The model that the fields of a ``config.json`` describe.

    Raises:
        FastprefillError: one sentence that names the file, the field and its value.
    """
    model_type = fields.text("model_type")
    if model_type not in MODEL_TYPES:
        fields.refuse(f"model_type is '{model_type}'; supported: {', '.join(MODEL_TYPES)}")
    activation = fields.text("hidden_act", "silu")
    if activation != "silu":
        fields.refuse(f"hidden_act is '{activation}'; a {model_type} model uses 'silu'")

    hidden, heads = fields.positive("hidden_size"), fields.positive("num_attention_heads")
    kv_heads = fields.positive("num_key_value_heads", heads)
    if heads % kv_heads:
        fields.refuse(
            f"num_key_value_heads is {kv_heads}, which does not divide num_attention_heads = {heads}"
        )
    vocabulary, layers = fields.positive("vocab_size"), fields.positive("num_hidden_layers")
    context = fields.positive("max_position_embeddings")
    _check_window(fields, layers, context)
    attention_bias = model_type != "qwen2" and fields.flag("attention_bias", False)
    return ModelConfig(
        model_type=model_type,
        vocabulary=vocabulary,
        hidden=hidden,
        intermediate=fields.positive("intermediate_size"),
        layers=layers,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=_head_dim(fields, model_type, hidden, heads),
        context=context,
        rms_norm_eps=fields.positive_number("rms_norm_eps", 1e-6),
        rope=read_rope(fields, context),
        tied_embeddings=fields.flag("tie_word_embeddings", False),
        bos_token=fields.token("bos_token_id", vocabulary),
        qkv_bias=attention_bias or model_type == "qwen2",
        output_bias=attention_bias,
        mlp_bias=model_type == "llama" and fields.flag("mlp_bias", False),
        qk_norm=model_type == "qwen3",
    )


def _head_dim(fields: Fields, model_type: str, hidden: int, heads: int) -> int:
    if fields.has("head_dim"):
        head_dim = fields.positive("head_dim")
    elif model_type == "qwen3":
        head_dim = _QWEN3_HEAD_DIM
    elif hidden % heads:
        fields.refuse(
            f"hidden_size is {hidden}, which num_attention_heads = {heads} does not divide, "
            "and there is no head_dim that says otherwise"
        )
    else:
        head_dim = hidden // heads
    if head_dim % 2:
        fields.refuse(f"head_dim is {head_dim}; it must be even for the rotary embedding")
    return head_dim


def _check_window(fields: Fields, layers: int, context: int) -> None:
    """Refuse attention over a sliding window, which no published Qwen2.5 or Qwen3 checkpoint switches on."""
    if not fields.flag("use_sliding_window", False) or not fields.has("sliding_window"):
        return
    window = fields.positive("sliding_window")
    kinds = fields.values.get("layer_types")
    if isinstance(kinds, list):
        slides = any(kind != "full_attention" for kind in kinds)
    else:
        slides = fields.positive("max_window_layers", 28) < layers
    if slides and window < context:
        fields.refuse(
            f"use_sliding_window is true with sliding_window = {window}; only models whose every layer attends "
            "to the whole prompt are supported"
        )
