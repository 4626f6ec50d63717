"""What the KV cache saves: job lists replayed under several policies, and compute time against memory time."""

from fastprefill.caching.policies import Comparison, compare
from fastprefill.caching.times import Balance, balance
from fastprefill.caching.traces import Trace, load

__all__ = ["Balance", "Comparison", "Trace", "balance", "compare", "load"]
