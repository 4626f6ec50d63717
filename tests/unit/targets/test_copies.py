"""Copies of registers: no net with too many loads, and the same function."""

import numpy as np

from fastprefill.targets.rtl.addresses import pick
from fastprefill.targets.rtl.circt import export
from fastprefill.targets.rtl.copies import MOST_LOADS
from fastprefill.targets.rtl.hw import Design, Module, Part


def test_a_register_with_many_loads_is_copied_and_its_source_with_it() -> None:
    """A bit that chooses between 400 words of 32 bits, through two registers: two levels of copies."""
    design = Design()
    m = Module(design, "top")
    choice, words = m.input("choice", 1), m.input("words", 32)
    first = m.register(choice, "first", reset=0)
    second = m.register(first, "second", reset=0)
    for number in range(400):
        kept = m.register(m.mux(second, words, m.const(number, 32)), f"word_{number}")
        m.instance(f"sink_{number}", Part("sink", (("word", "in", 32),)), {"word": kept})
    netlist = m.netlist()
    choosers = [line for line in netlist.lines if line.kind == "seq.compreg" and ": i1 " in line.text]
    loads = [netlist.loads(line.made[0]).max() for line in choosers]
    assert max(loads) <= MOST_LOADS
    assert sum(loads) == 400 * 32 + len(choosers) - sum("%choice" in line.used for line in choosers)
    text = export(design.text())
    assert text.count('(* keep = "true" *)') >= 400 * 32 // MOST_LOADS
    assert "second_v2 <= first" in text


def test_a_table_counts_the_luts_that_hold_it() -> None:
    """A table of 64 words of 16 bits, or of fewer, is a LUT for each bit: no copies. Eight of them need some."""

    def registers(tables: int, entries: int = 64) -> int:
        m = Module(Design(), "top")
        place = m.register(m.input("place", 6), "place_now")
        for number in range(tables):
            word = pick(m, [m.const(entry * (number + 1), 16) for entry in range(entries)], place)
            m.instance(f"sink_{number}", Part("sink", (("word", "in", 16),)), {"word": word})
        return sum(line.kind == "seq.compreg" for line in m.netlist().lines)

    assert [registers(tables) for tables in (1, 8)] == [1, 8]
    assert [registers(tables, 8) for tables in (1, 2, 10)] == [1, 1, 5]


def test_bits_of_a_word_count_apart() -> None:
    """Eight bits, each with 30 loads, need no copies."""
    m = Module(Design(), "top")
    word = m.register(m.input("word", 8), "word_now")
    for number in range(30):
        for bit in range(8):
            part = Part("sink", (("bit", "in", 1),))
            m.instance(f"sink_{number}_{bit}", part, {"bit": m.extract(word, bit, 1)})
    netlist = m.netlist()
    assert sum(line.kind == "seq.compreg" for line in netlist.lines) == 1
    (line,) = (line for line in netlist.lines if line.kind == "seq.compreg")
    assert np.array_equal(netlist.loads(line.made[0]), [30] * 8)


def test_loads_inside_modules_count() -> None:
    """Three instances of a module in which an input reaches 30 registers: the third takes a copy."""
    design = Design()
    m, inner = Module(design, "top"), Module(design, "inner")
    enable, value = inner.input("enable", 1), inner.input("value", 1)
    for number in range(30):
        kept = inner.register(value, f"kept_{number}", enable=enable)
        inner.instance(f"sink_{number}", Part("sink", (("bit", "in", 1),)), {"bit": kept})
    go, data = m.register(m.input("go", 1), "going"), m.input("data", 1)
    for number in range(3):
        m.instance(f"inner_{number}", inner, {"enable": go, "value": data})
    registers = [line for line in m.netlist().lines if line.kind == "seq.compreg"]
    assert [int(m.netlist().loads(line.made[0])[0]) for line in registers] == [30, 30, 30]


def test_a_register_with_an_enable_stays_one() -> None:
    m = Module(Design(), "top")
    word = m.register(m.input("bit", 1), "held", enable=m.input("go", 1))
    for number in range(100):
        m.instance(f"sink_{number}", Part("sink", (("bit", "in", 1),)), {"bit": word})
    assert sum(line.kind.startswith("seq.compreg") for line in m.netlist().lines) == 1


def test_a_sign_extension_is_made_again_behind_each_copy() -> None:
    """The word reaches each product as itself and through its sign: two ways to one operand, which moves once."""
    design = Design()
    m = Module(design, "top")
    word = m.register(m.input("word", 8), "word_now")
    wide, other = m.resize(word, 16, signed=True), m.input("other", 16)
    for number in range(100):
        product = m.binary("mul", wide, m.binary("xor", other, m.const(number, 16)))
        m.instance(f"sink_{number}", Part("sink", (("product", "in", 16),)), {"product": product})
    netlist = m.netlist()
    registers = [line.made[0] for line in netlist.lines if line.kind == "seq.compreg"]
    assert len(registers) > 1
    # Each of the 100 products takes 7 bits once and the sign nine times.
    assert sum(netlist.loads(name) for name in registers).tolist() == [100] * 7 + [900]
    assert all(netlist.loads(name).max() <= MOST_LOADS for name in registers)
    behind = [{load.line for load in netlist.leaves(name)} for name in registers]
    assert sum(map(len, behind)) == len(set.union(*behind)) == 100
    export(design.text())


def test_the_outputs_of_an_instance_have_widths() -> None:
    """A value beside them in a word is found at its place."""
    m = Module(Design(), "top")
    made = m.instance("source", Part("source", (("one", "out", 3), ("two", "out", 5))), {})
    low = m.register(m.input("low", 2), "low_now")
    word = m.concat([low, made["two"], made["one"]])
    m.instance("sink", Part("sink", (("bits", "in", 2),)), {"bits": m.extract(m.binary("xor", word, word), 8, 2)})
    m.output("out", m.binary("xor", word, m.input("other", 10)))
    (name,) = (line.made[0] for line in m.netlist().lines if line.kind == "seq.compreg")
    assert m.netlist().loads(name).tolist() == [3, 3]
