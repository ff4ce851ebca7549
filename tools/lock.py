"""Renews the hashed locks in ``locks/`` from ``pyproject.toml``.

The locks hold for every supported Python and name no package index: whoever
installs decides where packages come from, the hashes decide what they are.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV = Path(sys.executable).with_name("uv")
COMMON = [
    "--universal",
    "--python-version",
    "3.11",
    "--generate-hashes",
    "--no-annotate",
    "--no-header",
    "--quiet",
]


def main() -> int:
    """Write runtime.txt, dev.txt, bench.txt, docs.txt, build.txt, go.txt and zipapp.txt."""
    project = ROOT / "pyproject.toml"
    compile_lock(project, "runtime.txt", "--extra", "tracing")  # the image's, which has an option for it
    compile_lock(project, "dev.txt", "--extra", "dev", "--extra", "tracing")
    compile_lock(project, "bench.txt", "--extra", "dev", "--extra", "tracing", "--extra", "bench")
    compile_lock(project, "docs.txt", "--extra", "dev", "--extra", "tracing", "--extra", "docs")
    read = tomllib.loads(project.read_text(encoding="utf-8"))
    compile_list(read["build-system"]["requires"], "build.txt")
    compile_list(read["project"]["optional-dependencies"]["go"], "go.txt")
    compile_list(read["project"]["optional-dependencies"]["zipapp"], "zipapp.txt")
    return 0


def compile_list(wanted: list[str], name: str) -> None:
    """Resolve a few requirements into one lock."""
    with tempfile.NamedTemporaryFile("w", suffix=".in") as source:
        source.write("\n".join(wanted))
        source.flush()
        compile_lock(Path(source.name), name)


def compile_lock(source: Path, name: str, *extra: str) -> None:
    """Resolve one input into one lock."""
    target = ROOT / "locks" / name
    subprocess.run([UV, "pip", "compile", *COMMON, *extra, str(source), "-o", str(target)], check=True)
    print(f"locks/{name}")


if __name__ == "__main__":
    sys.exit(main())
