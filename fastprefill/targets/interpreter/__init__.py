"""The interpreter: runs a module as compiled Python, processes as coroutines on FIFOs of the declared depth.

    outputs = run(module, case)

How integers are held is described in ``values.py``, how unrolled loops become vectors in ``nests.py``.
"""

from fastprefill.targets.interpreter.program import Program, Statistics, run

__all__ = ["Program", "Statistics", "run"]
