"""The whole prefill in integers: from the prompt to the logits of its first answer token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastprefill.errors import FastprefillError
from fastprefill.golden import sfu
from fastprefill.golden.attention import BLOCK, Heads
from fastprefill.golden.layer import IntegerLayer, layer
from fastprefill.golden.linear import Linear, linear
from fastprefill.golden.sfu import Norm

SelectLayer = Callable[[int, Heads], NDArray[np.bool_]]


class IntegerModel(Protocol):
    """What `prefill` needs of a quantised model; weights are asked for layer by layer."""

    @property
    def layers(self) -> int:
        """Number of decoder layers."""

    @property
    def vocabulary(self) -> int:
        """Number of token ids."""

    @property
    def residual_fraction(self) -> int:
        """Fraction bits of the residual stream."""

    @property
    def final_norm(self) -> Norm:
        """The norm in front of the output projection."""

    def embedded(self, tokens: NDArray[np.int64]) -> NDArray[np.int32]:
        """Rows of the embedding in the format of the residual stream, int32 [tokens, hidden]."""

    def layer(self, index: int) -> IntegerLayer:
        """Weights of one layer."""

    def output_projection(self) -> Linear:
        """Weights of the logits."""


@dataclass(frozen=True)
class Prefilled:
    """What the accelerator hands back, and what a test compares.

    Attributes:
        logits: int32 [rows, vocabulary], of the last token or of all.
        fraction: fraction bits of `logits`.
        residual: the stream after the embedding and after each layer, int32 [tokens, hidden] each.
        residual_fraction: fraction bits of `residual`.
    """

    logits: NDArray[np.int32]
    fraction: int
    residual: tuple[NDArray[np.int32], ...]
    residual_fraction: int

    @property
    def first_token(self) -> int:
        """Id of the most likely next token."""
        return int(self.logits[-1].argmax())


def prefill(
    model: IntegerModel,
    input_ids: ArrayLike,
    *,
    select: SelectLayer | None = None,
    block: int = BLOCK,
    last: int | None = 1,
    keep: bool = False,
) -> Prefilled:
    """Run a prompt through all layers.

    Args:
        model: quantised model.
        input_ids: whole numbers [tokens].
        select: from a layer's number and its quantised heads, the blocks that attention computes, bool
            [heads, blocks, blocks]; None: all causal ones.
        block: tokens per block of `select`.
        last: logits of this many last tokens; None: of all.
        keep: keep the residual stream after every layer.

    Raises:
        FastprefillError: no tokens, or ids outside the vocabulary.
    """
    tokens = np.asarray(input_ids)
    if tokens.ndim != 1 or len(tokens) == 0 or not np.issubdtype(tokens.dtype, np.integer):
        raise FastprefillError(
            f"the prompt has shape {list(tokens.shape)}; a list of at least one token id is needed"
        )
    if tokens.min() < 0 or tokens.max() >= model.vocabulary:
        bad = tokens[(tokens < 0) | (tokens >= model.vocabulary)][0]
        raise FastprefillError(f"the prompt holds token {bad}; the vocabulary has {model.vocabulary} ids")
    x = model.embedded(tokens.astype(np.int64))
    kept = [x]
    for index in range(model.layers):
        chosen = None if select is None else (lambda heads, index=index: select(index, heads))
        x = layer(x, model.layer(index), chosen, block)
        if keep:
            kept.append(x)
    final = x if last is None else x[max(len(x) - last, 0) :]
    head, norm = model.output_projection(), model.final_norm
    codes = sfu.quantise(sfu.rms_norm(final, norm), norm.out.fraction, head.group)
    return Prefilled(
        linear(codes, head), head.out.fraction, tuple(kept) if keep else (), model.residual_fraction
    )
