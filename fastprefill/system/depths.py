"""Makes the depth in a stream's type the same at its creation and in every function that it is passed to."""

from __future__ import annotations

from xdsl.dialects import func
from xdsl.dialects.builtin import FunctionType, ModuleOp
from xdsl.ir import SSAValue
from xdsl.rewriter import Rewriter

from fastprefill.ir.dialect import StreamType


def equalise_depths(module: ModuleOp) -> None:
    """Give all values that are one stream, or are passed to one argument, the greatest of their depths.

    A depth is the least that a program may rely on, so a greater one never changes what a program computes.
    """
    functions = {op.sym_name.data: op for op in module.body.block.ops if isinstance(op, func.FuncOp)}
    leader: dict[SSAValue, SSAValue] = {}

    def find(value: SSAValue) -> SSAValue:
        while leader.get(value, value) is not value:
            value = leader[value]
        return value

    for op in module.walk():
        if isinstance(op, func.CallOp):
            callee = functions[op.callee.root_reference.data]
            for operand, argument in zip(op.arguments, callee.body.block.args, strict=True):
                if isinstance(operand.type, StreamType):
                    leader[find(operand)] = find(argument)
    depths: dict[SSAValue, int] = {}
    for value in list(leader):
        for member in (value, find(value)):
            assert isinstance(member.type, StreamType)
            depths[find(value)] = max(depths.get(find(value), 0), member.type.depth.data)
    wanted = [(value, depths[find(value)]) for value in dict.fromkeys([*leader, *map(find, leader)])]
    for value, depth in wanted:
        assert isinstance(value.type, StreamType)
        if value.type.depth.data != depth:
            Rewriter.replace_value_with_new_type(value, StreamType(value.type.element_type, depth))
    for function in functions.values():
        types = [argument.type for argument in function.body.block.args]
        function.properties["function_type"] = FunctionType.from_lists(types, [])
