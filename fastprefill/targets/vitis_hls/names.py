"""Names in generated C++: the user's own where possible, never a keyword, never twice in one scope."""

from __future__ import annotations

import re

# Keywords of C++17 and the names that generated files use themselves.
_WORDS = (
    "alignas alignof and and_eq asm auto bitand bitor bool break case catch char char16_t char32_t "
    "class compl const constexpr const_cast continue decltype default delete do double dynamic_cast "
    "else enum explicit export extern false float for friend goto if inline int long mutable "
    "namespace new noexcept not not_eq nullptr operator or or_eq private protected public register "
    "reinterpret_cast return short signed sizeof static static_assert static_cast struct switch "
    "template this thread_local throw true try typedef typeid typename union unsigned using virtual "
    "void volatile wchar_t while xor xor_eq "
    # Macros of the standard headers, and what generated files define.
    "assert errno stdin stdout stderr EOF NULL hls std main csim ap_int ap_uint argc argv tb_case tb_consumed tb_same"
)
RESERVED = frozenset(_WORDS.split(" "))
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def clean(name: str) -> str:
    """`name` as a C++ identifier: other characters become ``_``, keywords get a ``_`` behind."""
    name = re.sub(r"\W", "_", name, flags=re.ASCII) or "_"
    if name[0].isdigit():
        name = "_" + name
    return name + "_" if name in RESERVED else name


class Names:
    """The names visible in nested scopes; a new one gets a number when an inner scope already sees it."""

    def __init__(self, taken: frozenset[str] | set[str] = frozenset()) -> None:
        self._scopes: list[set[str]] = [set(taken)]

    def push(self) -> None:
        self._scopes.append(set())

    def pop(self) -> None:
        self._scopes.pop()

    def new(self, wanted: str, *, everywhere: bool = False) -> str:
        """A name like `wanted` that no visible scope has, now taken in the innermost or the outermost one."""
        base = name = clean(wanted)
        number = 2
        while any(name in scope for scope in self._scopes):
            name = f"{base}_{number}"
            number += 1
        self._scopes[0 if everywhere else -1].add(name)
        return name
