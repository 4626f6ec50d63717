"""Attention engine: jobs of a query block and a key block on the matrix unit, softmax, merge, normalisation.

Bit for bit ``golden/attention.py`` and ``golden/partial.py``; ``docs/attention.md`` has its streams and figures.
"""
