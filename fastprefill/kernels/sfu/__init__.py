"""Special function unit: what is computed between two matrix products, a streaming unit for each operation.

Bit for bit ``golden/sfu.py``. All take a word of `lanes` elements in every cycle and give one in every cycle.
``docs/sfu.md`` has their streams, formats and figures.
"""
