"""The command line. Each verb calls one function of `fastprefill.api` and prints what it returns."""

import gc
import signal

import click

from fastprefill.cli import build, measure
from fastprefill.cli.common import Group


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="fastprefill")
def main() -> None:
    """Generate and check FPGA hardware for long-context LLM attention."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stopped like Ctrl-C: with the programs it runs
    # What a verb makes lives until its end: looking for garbage after every 700 objects takes 7 % of a large design.
    gc.set_threshold(1_000_000)


for verb in (
    build.doctor,
    build.boards,
    build.compile_kernel,
    build.check,
    build.generate,
    build.csim,
    build.cosim,
    build.synth,
    build.verify,
    build.bitstream,
    measure.accuracy,
    measure.cache,
):
    main.add_command(verb)
