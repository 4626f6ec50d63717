"""fastprefill: FPGA hardware for long-context LLM attention, generated from Python kernels and checked."""

__version__ = "0.1.0"
