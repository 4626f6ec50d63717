"""Check the documentation: relative links lead to files, and the fastprefill commands it shows exist.

Usage: python docs/check.py FILE_OR_FOLDER ...
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from fastprefill.cli import main as command_line

LINK = re.compile(r"\[[^\]]+\]\(([^)#\s]+)(?:#[^)]*)?\)")
COMMAND = re.compile(r"(?:^ {4}|`)fastprefill ([a-z][a-z-]*)", re.MULTILINE)
TARGET = re.compile(r"(?:^ {4}|`)make ([a-z][a-z-]*)", re.MULTILINE)


def problems(file: Path, targets: set[str]) -> list[str]:
    """One sentence for each link, command or make target in `file` that does not exist."""
    text = file.read_text()
    found = []
    for link in LINK.findall(text):
        if "://" not in link and not (file.parent / link).exists():
            found.append(f"{file}: link to {link}, which does not exist")
    for verb in COMMAND.findall(text):
        if verb not in command_line.commands:
            found.append(f"{file}: `fastprefill {verb}`, but there is no such command")
    for target in TARGET.findall(text):
        if target not in targets:
            found.append(f"{file}: `make {target}`, but there is no such target")
    return found


def main(arguments: list[str]) -> int:
    root = Path(__file__).resolve().parent.parent
    targets = set(re.findall(r"^([a-z-]+):", (root / "Makefile").read_text(), re.MULTILINE))
    files: list[Path] = []
    for argument in map(Path, arguments):
        files += sorted(argument.rglob("*.md")) if argument.is_dir() else [argument]
    found = [problem for file in files for problem in problems(file, targets)]
    print("\n".join(found) or f"{len(files)} documents: links, commands and targets exist")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
