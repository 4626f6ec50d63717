"""Stream ops of conditions, and the places where a body has to end because of a stream."""

from __future__ import annotations

from xdsl.dialects import arith
from xdsl.ir import Operation, SSAValue

from fastprefill.ir.dialect import AcquireOp, GetOp, PutOp, ReleaseOp
from fastprefill.passes.flattening.nodes import Leaf, Node


def join_puts(
    ops: list[Operation], start: int, then: SSAValue, other: SSAValue, whole: SSAValue | None
) -> None:
    """A put on one stream in both branches of a condition is one put of a chosen value.

    The first moves to the second; not past a read, whose token may be the answer to this put.

    Args:
        ops: of the body, which are changed.
        start: index of the first op of the branches.
        then: predicate of the first branch.
        other: predicate of the second branch; puts under any further condition stay as they are.
        whole: predicate of the condition itself.
    """
    for stream in dict.fromkeys(op.stream for op in ops[start:] if isinstance(op, PutOp)):
        puts = [op for op in ops[start:] if isinstance(op, PutOp) and op.stream is stream]
        if [op.predicate for op in puts] != [then, other]:
            continue
        one, two = puts
        if any(isinstance(op, GetOp | AcquireOp) for op in ops[ops.index(one) : ops.index(two)]):
            continue
        choice = arith.SelectOp(then, one.value, two.value)
        put = PutOp(stream, choice.result, whole)
        put.attributes.update(one.attributes)
        at = ops.index(two)
        ops[at : at + 1] = [choice, put]
        ops.remove(one)
        one.erase()
        two.erase()


def join_gets(
    ops: list[Operation], start: int, then: SSAValue, other: SSAValue, whole: SSAValue | None
) -> None:
    """A get on one stream in both branches of a condition is one get; arguments as for `join_puts`.

    The second moves to the first; not past a put or release, which its token may be the answer to.
    """
    for stream in dict.fromkeys(op.stream for op in ops[start:] if isinstance(op, GetOp)):
        gets = [op for op in ops[start:] if isinstance(op, GetOp) and op.stream is stream]
        if [op.predicate for op in gets] != [then, other]:
            continue
        if any(isinstance(op, PutOp | ReleaseOp) for op in ops[ops.index(gets[0]) : ops.index(gets[1])]):
            continue
        get = GetOp(stream, whole)
        get.attributes.update(gets[0].attributes)
        get.value.name_hint = gets[0].value.name_hint
        ops[ops.index(gets[0])] = get
        ops.remove(gets[1])
        for gone in gets:
            gone.value.replace_all_uses_with(get.value)
            gone.erase()


def split_stream_ops(nodes: list[Node]) -> None:
    """Start a body of its own where a stream is read a second time, or read after something was put.

    A body issues when all its reads can be done; waiting with a put until then could wait for ever in a cycle.
    """
    position = 0
    while position < len(nodes):
        node = nodes[position]
        position += 1
        if not isinstance(node, Leaf):
            split_stream_ops(node.children)
            continue
        seen: set[tuple[SSAValue, str]] = set()
        gave = False
        for at, op in enumerate(node.ops):
            gave = gave or isinstance(op, PutOp | ReleaseOp)
            if not isinstance(op, GetOp | AcquireOp):
                continue
            if (op.stream, op.name) in seen or gave:
                nodes.insert(position, Leaf(node.ops[at:], node.scope))
                del node.ops[at:]
                break
            seen.add((op.stream, op.name))
