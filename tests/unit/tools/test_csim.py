"""Building and running a C simulation, and the sentences when that cannot be done."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastprefill.errors import FastprefillError
from fastprefill.tools import csim

needs_gxx = pytest.mark.skipif(csim.missing() is not None, reason=f"C simulation: {csim.missing()}")


@needs_gxx
def test_the_headers_are_those_of_an_installed_package() -> None:
    assert (csim.headers() / "ap_int.h").is_file()
    assert csim.version()[0].isdigit()


def test_missing_headers_are_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csim.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        FastprefillError, match=r"needs the ap_int headers that the da4ml wheel carries.*pip install"
    ):
        csim.headers()
    assert csim.missing() is not None


def test_a_missing_compiler_is_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "k.cpp").write_text("int main() { return 0; }\n")
    with pytest.raises(FastprefillError, match="g\\+\\+ is not installed"):
        csim.build(tmp_path)
    assert csim.missing() == "g++ is not installed (apt-get install g++)"
    assert csim.version() == ""


@needs_gxx
def test_an_empty_folder_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(FastprefillError, match="holds no C\\+\\+ files: generate the unit first"):
        csim.build(tmp_path)


@needs_gxx
def test_a_compile_error_is_one_sentence_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "k.cpp").write_text("int main() {\n    return nothing;\n}\n")
    with pytest.raises(
        FastprefillError, match=r"does not compile .*k\.cpp:2:\d+: error: .nothing. was not declared"
    ) as e:
        csim.build(tmp_path)
    assert "\n" not in str(e.value)


@needs_gxx
def test_a_simulation_that_never_ends_is_stopped_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csim, "_MEMORY", 1 << 28)
    (tmp_path / "k.cpp").write_text(
        "#include <vector>\nint main() { std::vector<int> tokens; while (true) tokens.push_back(1); }\n"
    )
    with pytest.raises(FastprefillError, match=r"C simulation of case was stopped at 0\.25 GiB of memory: a kernel"):
        csim.run(csim.build(tmp_path), tmp_path / "case")


@needs_gxx
@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            'std::fprintf(stderr, "cannot read case.json\\n"); return 2;',
            "case ended with status 2: cannot read case.json",
        ),
        (
            'std::fprintf(stderr, "deadlock: all wait\\n"); return 3;',
            "C simulation of case: deadlock: all wait",
        ),
        ("std::abort();", "case ended with status -6"),
    ],
)
def test_what_goes_wrong_in_a_run_is_a_sentence(body: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "k.cpp").write_text(f"#include <cstdio>\n#include <cstdlib>\nint main() {{ {body} }}\n")
    program = csim.build(tmp_path)
    with pytest.raises(FastprefillError, match=message):
        csim.run(program, tmp_path / "case")


@needs_gxx
def test_outputs_are_read_back_as_patterns(tmp_path: Path) -> None:
    writer = """
#include <cstdio>
#include <string>
int main(int, char **argv) {
    std::FILE *file = std::fopen((std::string(argv[2]) + "/y.hex").c_str(), "w");
    std::fputs("0f\\nffffffffffffffffffff\\n", file);
    std::fclose(file);
    return 1;
}
"""
    (tmp_path / "k.cpp").write_text(writer)
    assert csim.run(csim.build(tmp_path), tmp_path) == {"y": [15, (1 << 80) - 1]}
