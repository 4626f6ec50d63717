"""Block masks of the recorded heads: what FlexPrefill's authors' code chose, what SIGU chooses, and the difference.

Writes docs/sigu_masks.svg: a row of three pictures for each head, query blocks down, key blocks across.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastprefill.golden import sigu, traces

ROOT = Path(__file__).resolve().parent.parent
DATA, PICTURE = ROOT / "tests" / "data" / "flexprefill", ROOT / "docs" / "sigu_masks.svg"
CELL, GAP, LABEL = 4, 24, 16
BOTH, ONLY_THEIRS, ONLY_OURS = "#444444", "#d55e00", "#0072b2"


def recorded(number: int) -> tuple[dict[str, float], NDArray[np.bool_], NDArray[np.bool_]]:
    """Parameters, the authors' masks and SIGU's, bool [heads, blocks, blocks]."""
    data = np.load(DATA / f"flexprefill_{number}.npz")
    parameters = json.loads(str(data["params"]))
    shape = tuple(data["mask_shape"])
    theirs = np.unpackbits(data["mask"], count=int(np.prod(shape))).reshape(shape).astype(bool)
    made = traces.tensors(*(parameters[name] for name in ("seed", "tokens", "heads", "kv_heads", "head_dim")))
    settings = {name: parameters[name] for name in ("gamma", "tau", "min_budget", "block")}
    return parameters, theirs, sigu.select_blocks(made.q, made.k, **settings).mask


def cells(mask: NDArray[np.bool_], x: int, y: int, colour: str) -> str:
    """A path with a rectangle for each run of blocks in a row."""
    parts = []
    for row, line in enumerate(mask):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], line.astype(int), [0]])))
        for start, stop in zip(edges[::2], edges[1::2], strict=True):
            length = CELL * (stop - start)
            parts.append(f"M{x + CELL * start} {y + CELL * row}h{length}v{CELL}h-{length}z")
    return f'<path d="{"".join(parts)}" fill="{colour}"/>' if parts else ""


def picture(cases: list[tuple[str, NDArray[np.bool_], NDArray[np.bool_]]]) -> str:
    """Three heads beside each other."""
    side = CELL * max(theirs.shape[0] for _, theirs, _ in cases)
    width, height = 3 * side + 4 * GAP, side + GAP + LABEL
    across = 2
    body = []
    for number, (name, theirs, ours) in enumerate(cases):
        left, top = GAP + number % across * width, LABEL + number // across * height
        body.append(f'<text x="{left}" y="{top - 4}">{name}</text>')
        panels = (
            [(theirs, BOTH)],
            [(ours, BOTH)],
            [(theirs & ~ours, ONLY_THEIRS), (ours & ~theirs, ONLY_OURS)],
        )
        for place, panel in enumerate(panels):
            x, size = left + place * (side + GAP), CELL * theirs.shape[0]
            body.append(f'<path d="M{x} {top}v{size}h{size}z" fill="#eeeeee"/>')
            body += [cells(mask, x, top, colour) for mask, colour in panel]
    total = -(-len(cases) // across) * height + LABEL
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{across * width}" height="{total}" '
        'font-family="sans-serif" font-size="11">\n' + "\n".join(body) + "\n</svg>\n"
    )


def main() -> int:
    """Compare, draw, print."""
    results, drawn = [], []
    for number in (1, 2, 3):
        parameters, theirs, ours = recorded(number)
        for head in range(len(theirs)):
            common = int((theirs[head] & ours[head]).sum())
            union = int((theirs[head] | ours[head]).sum())
            name = f"case {number}, head {head}: {parameters['tokens']} tokens, gamma {parameters['gamma']}"
            drawn.append((name, theirs[head], ours[head]))
            results.append(
                {
                    "case": number,
                    "head": head,
                    "theirs": int(theirs[head].sum()),
                    "ours": int(ours[head].sum()),
                    "jaccard": round(common / union, 4),
                }
            )
    PICTURE.write_text(picture(drawn))
    met = all(one["jaccard"] >= 0.98 for one in results)
    print(
        json.dumps(
            {"benchmark": "sigu_masks", "target": "Jaccard at least 0.98", "met": met, "results": results}, indent=1
        )
    )
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
