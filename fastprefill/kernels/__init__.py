"""Allo programs of the accelerator's units; each module has a function ``unit(...) -> Unit``."""

from fastprefill import standin

standin.install()
