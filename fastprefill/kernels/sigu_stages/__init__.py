"""Stages of streaming index generation, each a unit of its own; `kernels/sigu.py` joins them."""
