"""Bad input on the command line: one clear sentence, exit status 1, no traceback, nothing written."""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fastprefill import boards
from fastprefill.build.kernel import builtin_kernels
from fastprefill.build.plan import BuildPlan
from fastprefill.cli import main
from fastprefill.estimate.resources import matrix_unit
from fastprefill.golden.mpu import Size

SMALL = ("--rows", "4", "--dsp-columns", "2", "--lut-columns", "2", "--k-parallel", "2", "--drain-rows", "2")
TINY = Path(__file__).parents[3] / "examples" / "tiny-llama"

BUILT_IN = ", ".join(builtin_kernels())


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def refused(result: Result, sentence: str) -> None:
    """The last line on stderr is the sentence and nothing but progress is before it."""
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit), result.exception
    *progress, last = result.stderr.splitlines()
    assert last == f"fastprefill: {sentence}"
    assert all(line.endswith(("...", " s")) for line in progress)
    assert "Traceback" not in result.output
    assert result.stdout == ""


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A copy of the example that a test may spoil."""
    folder = tmp_path / "model"
    shutil.copytree(TINY, folder)
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def edit(checkpoint: Path, **changes: object) -> Path:
    """Change fields of config.json; None removes one."""
    file = checkpoint / "config.json"
    config = json.loads(file.read_text()) | changes
    file.write_text(json.dumps({name: value for name, value in config.items() if value is not None}))
    return file


def generate(model: Path, out: Path, *more: str) -> Result:
    options = SMALL if "--rows" not in more else ()
    return run("generate", "--model", model, "--board", "kv260", "--out", out, *options, *more)


def test_unknown_board(out: Path) -> None:
    result = run("generate", "--model", TINY, "--board", "zcu102", "--out", out)
    refused(result, "unknown board 'zcu102'; known boards: kv260, u280, or the path of a .toml file")
    assert not out.exists()


def test_no_such_model(tmp_path: Path, out: Path) -> None:
    refused(
        generate(tmp_path / "nowhere", out),
        f"there is no model folder '{tmp_path}/nowhere'; give a folder with config.json and model.safetensors",
    )


def test_no_config(tmp_path: Path, out: Path) -> None:
    refused(generate(tmp_path, out), f"'{tmp_path}' has no config.json")


def test_unknown_model_type(checkpoint: Path, out: Path) -> None:
    file = edit(checkpoint, model_type="mamba")
    refused(generate(checkpoint, out), f"{file}: model_type is 'mamba'; supported: llama, qwen2, qwen3")
    assert not out.exists()


def test_missing_field(checkpoint: Path, out: Path) -> None:
    file = edit(checkpoint, num_attention_heads=None)
    refused(generate(checkpoint, out), f"{file}: the field num_attention_heads is missing")


def test_contradictory_fields(checkpoint: Path, out: Path) -> None:
    file = edit(checkpoint, num_key_value_heads=4)
    refused(
        generate(checkpoint, out),
        f"{file}: num_key_value_heads is 4, which does not divide num_attention_heads = 2",
    )
    assert not out.exists()


def test_config_against_weights(checkpoint: Path, out: Path) -> None:
    edit(checkpoint, num_hidden_layers=5)
    refused(
        generate(checkpoint, out),
        f"{checkpoint}/model.safetensors has no tensor 'model.layers.4.input_layernorm.weight', "
        "which config.json calls for",
    )


def test_truncated_safetensors(checkpoint: Path, out: Path) -> None:
    file = checkpoint / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1_000_000])
    refused(
        generate(checkpoint, out),
        f"{file} is truncated: its tensors need 1648768 bytes, the file has 1000000; copy or download it again",
    )
    assert not out.exists()


def test_no_weights(checkpoint: Path, out: Path) -> None:
    (checkpoint / "model.safetensors").unlink()
    refused(
        generate(checkpoint, out),
        f"'{checkpoint}' has no weights: neither model.safetensors nor model.safetensors.index.json; download them too",
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            ("--rows", "5"),
            "a matrix unit with 5 rows; rows come in pairs, which share DSP slices: choose an even number from 4 to 64",
        ),
        (
            ("--rows", "8", "--dsp-columns", "60", "--lut-columns", "5"),
            "a matrix unit with 60 DSP and 5 LUT columns; choose 4 to 64 in all, none negative",
        ),
        (
            ("--rows", "8", "--k-parallel", "3"),
            "k_parallel is 3; a step's products are summed in a chain of at most 8 DSP slices: choose 1, 2, 4 or 8",
        ),
        (
            ("--rows", "8", "--k-parallel", "16"),
            "k_parallel is 16; a step's products are summed in a chain of at most 8 DSP slices: choose 1, 2, 4 or 8",
        ),
        (
            ("--rows", "8", "--drain-rows", "6"),
            "drain_rows is 6 with 8 rows; choose an even divisor of the number of rows",
        ),
        (("--context", "5000"), "the context is 5000 tokens; this model allows 1 to 4096"),
        (("--context", "0"), "the context is 0 tokens; this model allows 1 to 4096"),
        (
            ("--context", "512"),
            "the prompt has 1024 tokens; the context is 512: give a shorter --prompt, or a longer --context if the "
            "model has one",
        ),
        (("--arrays", "0"), "0 matrix units; choose 1 to 8"),
        (("--arrays", "9"), "9 matrix units; choose 1 to 8"),
        (
            ("--rows", "16", "--drain-rows", "16"),
            "drain_rows is 16: words of 16 rows of 16 int32 have 8,192 bits, and a stream takes 4,096 (PG085, UG1399); "
            "choose at most 8",
        ),
    ],
)
def test_sizes_that_cannot_be_served(out: Path, options: tuple[str, ...], sentence: str) -> None:
    refused(generate(TINY, out, *options), sentence)
    assert not out.exists()


def test_products_that_overflow_the_accumulators(checkpoint: Path, out: Path) -> None:
    """131,072 products of -128 x -128 are 2^31: one more than int32 holds."""
    from fastprefill import config, models

    edit(checkpoint, hidden_size=131072)
    shape = models.read_config(checkpoint / "config.json")
    with pytest.raises(Exception) as caught:
        config.resolve(shape, boards.load("kv260"), size={})
    assert str(caught.value) == (
        "hidden_size is 131072; the matrix unit's int32 accumulators hold at most 131071 products of int8"
    )


def test_larger_than_the_board(tmp_path: Path, out: Path) -> None:
    text = (Path(boards.__file__).parent / "kv260.toml").read_text()
    small = tmp_path / "small.toml"
    small.write_text(
        text.replace('"kv260"', '"small"')
        .replace("dsp = 1248", "dsp = 200")
        .replace("ff = 234240", "ff = 10000")
    )
    size = ("--rows", "16", "--dsp-columns", "16", "--lut-columns", "0", "--k-parallel", "2", "--drain-rows", "2")
    result = run("generate", "--model", TINY, "--board", small, "--out", out, *size)
    needed = matrix_unit(Size(16, 16, 0, 2, 2))
    refused(
        result,
        "a matrix unit of 16 x 16 (16 DSP columns) x 2 a cycle does not fit board 'small': it needs "
        f"{needed.ff:,} FF where there are 10,000 ({needed.ff - 10_000:,} too many), "
        "256 DSP where there are 200 (56 too many) (modelled); choose a smaller size or a larger board",
    )
    assert not out.exists()


def test_larger_than_every_region(out: Path) -> None:
    """Told for each region, since none is the reason alone."""
    size = ("--rows", "64", "--dsp-columns", "30", "--lut-columns", "0", "--drain-rows", "4")
    result = run("generate", "--model", TINY, "--board", "u280", "--out", out, *size)
    have = [slr.dsp for slr in boards.load("u280").slrs]
    parts = "; ".join(
        f"in SLR {n} it needs 7,680 DSP where there are {dsp:,} ({7680 - dsp:,} too many)"
        for n, dsp in enumerate(have)
    )
    refused(
        result,
        f"a design of 3 matrix units of 64 x 30 (30 DSP columns) x 8 a cycle does not fit board 'u280': {parts} "
        "(modelled); choose a smaller size or a larger board",
    )


def test_output_folder_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    refused(
        generate(TINY, tmp_path, "--force"),
        f"'{tmp_path}' exists and was not made by fastprefill (it has no manifest.json of ours); "
        "choose another --out or remove it",
    )
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, "the disk is full; make room or choose another --out"),
        (errno.EROFS, "the disk is read-only; choose another --out"),
        (errno.EACCES, "permission denied; choose another --out"),
    ],
)
def test_a_disk_that_refuses(
    tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch, number: int, reason: str
) -> None:
    real = Path.write_bytes

    def write_bytes(self: Path, data: bytes) -> int:
        if ".new" in str(self):
            raise OSError(number, os.strerror(number))
        return real(self, data)

    (checkpoint / "prompt.txt").write_text("short")
    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    refused(generate(checkpoint, tmp_path / "a" / "out"), f"cannot write '{tmp_path}/a/out': {reason}")
    assert [file.name for file in tmp_path.iterdir()] == ["model"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(tmp_path: Path, checkpoint: Path) -> None:
    (checkpoint / "prompt.txt").write_text("short")
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    refused(
        generate(checkpoint, locked / "out"),
        f"cannot write '{locked}/out': permission denied; choose another --out",
    )


def test_ctrl_c(tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (checkpoint / "prompt.txt").write_text("short")

    def digest(self: BuildPlan) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(BuildPlan, "digest", digest)
    result = generate(checkpoint, tmp_path / "out")
    assert result.exit_code == 130
    assert result.stderr.splitlines()[-1] == "fastprefill: interrupted; nothing was left half-written"
    assert [file.name for file in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("verb", ["csim", "cosim", "synth", "verify"])
def test_not_a_project(tmp_path: Path, verb: str) -> None:
    refused(
        run(verb, tmp_path),
        f"'{tmp_path}' is not a fastprefill project (it has no manifest.json of ours); "
        "make one with 'fastprefill generate'",
    )
    more = ", or name a kernel: " if verb == "synth" else ""
    result = run(verb, tmp_path / "x")
    sentence = f"there is no project folder '{tmp_path}/x'; make one with 'fastprefill generate'{more}"
    assert result.exit_code == 1 and f"fastprefill: {sentence}" in result.stderr


def test_missing_tools(tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (checkpoint / "prompt.txt").write_text("short")
    project = tmp_path / "project"
    assert generate(checkpoint, project).exit_code == 0
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    refused(
        run("csim", project),
        "g++ is not installed; it is needed for C-sim of the generated C++: apt-get install g++",
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("compile", "gpu"), f"unknown kernel 'gpu'; built-in kernels: {BUILT_IN}, or the path of a .py file"),
        (("compile", "x/y.py"), "kernel file 'x/y.py' does not exist; give the path of a Python file"),
        (("compile", "./"), "kernel file '.' is a folder; give the path of a Python file"),
        (
            ("compile", "mpu", "--emit", "rtl", "--after", "flatten"),
            "--after flatten shows the IR; it goes with --emit mlir, not with --emit rtl",
        ),
    ],
)
def test_compile(arguments: tuple[str, ...], sentence: str) -> None:
    refused(run(*arguments), sentence)


def test_an_unknown_option_is_json_too() -> None:
    result = run("csim", "--nosuch", "--json", "x")
    assert result.exit_code == 2
    assert json.loads(result.stdout) == {"ok": False, "error": "No such option '--nosuch'.", "place": None}


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_full_disk_behind_the_output(options: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "fastprefill", "boards", *options],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("fastprefill: the standard output, the folder for temporary files (")
    assert done.stderr.endswith("XDG_CACHE_HOME names another): No space left on device\n")


def test_parameters_of_a_kernel() -> None:
    result = run("compile", "mpu", "--param", "rows=4")
    assert result.exit_code == 1
    assert result.stderr.startswith("fastprefill: parameters of unit() in ")
    assert result.stderr.endswith(
        "missing a required argument: 'dsp_columns'; it takes: rows: int, dsp_columns: int, lut_columns: int = 0, "
        "k_parallel: int = 1, drain_rows: int = 2; give --param dsp_columns=NUMBER\n"
    )


def test_a_kernel_file_that_fails(tmp_path: Path) -> None:
    file = tmp_path / "kernel.py"
    file.write_text("x = 1\nimport nothing_of_that_name\n")
    refused(
        run("compile", file),
        f"{file}:2: ModuleNotFoundError in the kernel file: No module named 'nothing_of_that_name'",
    )


def test_usage_errors_have_status_2() -> None:
    result = run("compile", "mpu", "--param", "rows")
    assert result.exit_code == 2
    assert "'rows' is not NAME=VALUE with a whole number" in result.stderr
    assert run("generate").exit_code == 2
    assert run("frobnicate").exit_code == 2


def test_a_mistake_of_ours_is_a_sentence_too(monkeypatch: pytest.MonkeyPatch) -> None:
    from fastprefill import api

    def boards_that_fail() -> None:
        raise RuntimeError("oops")

    monkeypatch.setattr(api, "boards", boards_that_fail)
    monkeypatch.delenv("FASTPREFILL_DEBUG", raising=False)
    result = run("boards")
    assert result.exit_code == 70
    assert result.stderr == (
        "fastprefill: internal error (RuntimeError: oops); please report it with what is "
        "printed when FASTPREFILL_DEBUG=1 is set\n"
    )


def test_a_truncated_vector_file(tmp_path: Path, checkpoint: Path) -> None:
    (checkpoint / "prompt.txt").write_text("short")
    project = tmp_path / "project"
    assert generate(checkpoint, project).exit_code == 0
    (project / "vectors/layer0_q_proj/case.json").write_text("{")
    result = run("verify", project)
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    assert f"the test vectors in '{project}/vectors/layer0_q_proj' cannot be read" in result.stderr
