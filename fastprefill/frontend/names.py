"""Identifiers that end up in SystemVerilog and C++."""

from __future__ import annotations

import re

_SYSTEMVERILOG = """
accept_on alias always always_comb always_ff always_latch and assert assign assume automatic before begin bind bins
binsof bit break buf bufif0 bufif1 byte case casex casez cell chandle checker class clocking cmos config const
constraint context continue cover covergroup coverpoint cross deassign default defparam design disable dist do edge
else end endcase endchecker endclass endclocking endconfig endfunction endgenerate endgroup endinterface endmodule
endpackage endprimitive endprogram endproperty endsequence endspecify endtable endtask enum event eventually expect
export extends extern final first_match for force foreach forever fork forkjoin function generate genvar global
highz0 highz1 if iff ifnone ignore_bins illegal_bins implements implies import incdir include initial inout input
inside instance int integer interconnect interface intersect join join_any join_none large let liblist library local
localparam logic longint macromodule matches medium modport module nand negedge nettype new nexttime nmos nor
noshowcancelled not notif0 notif1 null or output package packed parameter pmos posedge primitive priority program
property protected pull0 pull1 pulldown pullup pulsestyle_ondetect pulsestyle_onevent pure rand randc randcase
randsequence rcmos real realtime ref reg reject_on release repeat restrict return rnmos rpmos rtran rtranif0
rtranif1 s_always s_eventually s_nexttime s_until s_until_with scalared sequence shortint shortreal showcancelled
signed small soft solve specify specparam static string strong strong0 strong1 struct super supply0 supply1
sync_accept_on sync_reject_on table tagged task this throughout time timeprecision timeunit tran tranif0 tranif1 tri
tri0 tri1 triand trior trireg type typedef union unique unique0 unsigned until until_with untyped use uwire var
vectored virtual void wait wait_order wand weak weak0 weak1 while wildcard wire with within wor xnor xor
"""
_CPP = """
alignas alignof and and_eq asm atomic_cancel atomic_commit atomic_noexcept auto bitand bitor bool break case catch
char char8_t char16_t char32_t class compl concept const consteval constexpr constinit const_cast continue co_await
co_return co_yield decltype default delete do double dynamic_cast else enum explicit export extern false float for
friend goto if inline int long mutable namespace new noexcept not not_eq nullptr operator or or_eq private protected
public reflexpr register reinterpret_cast requires return short signed sizeof static static_assert static_cast struct
switch synchronized template this thread_local throw true try typedef typeid typename union unsigned using virtual
void volatile wchar_t while xor xor_eq main std hls ap_int ap_uint
"""
KEYWORDS = frozenset(_SYSTEMVERILOG.split()) | frozenset(_CPP.split())
PORTS = frozenset({"clk", "rst", "start", "idle", "done"})
"""Ports that every generated module has."""

_NUMBER = re.compile(r"_(?=[0-9])")
_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")


def problem(name: str, what: str, *, port: bool = False) -> str | None:
    """Why generated code could not use a name; None when it can.

    Args:
        name: the identifier.
        what: its kind, for the message.
        port: the name becomes a port of a module.
    """
    if name in KEYWORDS:
        return f"{what} '{name}' is a keyword of SystemVerilog or C++; use another name, such as {name}_value"
    if not _IDENTIFIER.match(name) or "__" in name:
        return (
            f"{what} '{name}' is not a name in SystemVerilog and C++; write a letter, then letters, digits "
            f"and single underscores"
        )
    if port and name in PORTS:
        return f"{what} '{name}' is a port that every unit has ({', '.join(sorted(PORTS))}); use another name"
    return None


def hint(name: str) -> str:
    """`name` as the name of an SSA value: the printer drops numbers at the end and would mix up ``a_0``, ``a_1``."""
    return _NUMBER.sub("_p", name)
