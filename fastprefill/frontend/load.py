"""Runs a user's kernel file."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import linecache
import sys
import traceback
from pathlib import Path
from types import CodeType, ModuleType

from fastprefill import standin
from fastprefill.errors import FastprefillError
from fastprefill.frontend.source import Source
from fastprefill.frontend.suggest import advice


class _Fresh(importlib.machinery.SourceFileLoader):
    """Compiles the file each time: Python's cache takes one of the same size and second for the one it knows."""

    def get_code(self, fullname: str) -> CodeType | None:
        return self.source_to_code(self.get_data(self.path), self.path)


def load_module(path: Path | str) -> ModuleType:
    """Execute a kernel file with Allo, or its stand-ins, importable.

    Raises:
        FastprefillError: the file does not exist or Python fails in it.
    """
    path = Path(path)
    if path.is_dir():
        raise FastprefillError(f"kernel file '{path}' is a folder; give the path of a Python file")
    if not path.is_file():
        raise FastprefillError(f"kernel file '{path}' does not exist; give the path of a Python file")
    standin.install()
    linecache.checkcache(str(path))
    name = f"fastprefill_kernel_file_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path, loader=_Fresh(name, str(path)))
    if spec is None or spec.loader is None:
        raise FastprefillError(f"kernel file '{path}' is not a Python file; its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except FastprefillError:
        raise
    except SyntaxError as error:
        where = f"{Source(str(error.filename)).shown}:{error.lineno}:{error.offset or 1}"
        raise FastprefillError(f"{where}: Python cannot read the file: {error.msg}") from error
    except SystemExit as error:
        raise FastprefillError(
            f"{place(error, path)}: the kernel file ends Python (SystemExit: {error}); it must only define things"
        ) from None
    except Exception as error:  # any failure of the user's own code
        near = advice(str(error.name), vars(module)) if isinstance(error, NameError) else ""
        raise FastprefillError(
            f"{place(error, path)}: {type(error).__name__} in the kernel file: {error}{near}"
        ) from error
    finally:
        sys.modules.pop(name, None)
    return module


def place(error: BaseException, path: Path) -> str:
    """The innermost line of the user's file that the error passed through."""
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if Path(f.filename) == path]
    return f"{path}:{lines[-1]}" if lines else str(path)
