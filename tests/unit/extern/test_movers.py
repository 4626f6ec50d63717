"""The AXI movers in RTL: bytes, order, errors, resets and throughput against memories in cocotb."""

import re
from pathlib import Path

import pytest

from fastprefill import resources, tools
from fastprefill.tools import testbench, tiers, verilator

from . import movers

HERE = Path(__file__).parent
