"""What the command line does, as functions: one for each verb. Imports are made when a verb needs them."""

from fastprefill.api.bitstreams import bitstream
from fastprefill.api.levels import check, cosim, csim, verify
from fastprefill.api.measure import accuracy, cache_balance, cache_policies
from fastprefill.api.progress import Show, quiet, tier_line
from fastprefill.api.projects import EMITS, FRONTENDS, Generated, compile_kernel, compile_project, generate
from fastprefill.api.setup import boards, doctor
from fastprefill.api.synthesis import synth

__all__ = [
    "EMITS",
    "FRONTENDS",
    "Generated",
    "Show",
    "accuracy",
    "bitstream",
    "boards",
    "cache_balance",
    "cache_policies",
    "check",
    "compile_kernel",
    "compile_project",
    "cosim",
    "csim",
    "doctor",
    "generate",
    "quiet",
    "synth",
    "tier_line",
    "verify",
]
