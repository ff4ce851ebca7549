"""Renews the hashed locks in `locks/` from `pyproject.toml`.

The locks hold for every supported Python and name no package index: whoever
installs decides where packages come from, the hashes decide what they are.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST = "3.11.2"
"""`requires-python`; uv refuses to lock for an older one."""
UV = Path(sys.executable).with_name("uv")
COMMON = [
    "--universal",
    "--python-version",
    OLDEST,
    "--generate-hashes",
    "--no-annotate",
    "--no-header",
    "--quiet",
]


def main() -> int:
    """Write the locks of what is installed together, and pylock.toml for scanners."""
    project = ROOT / "pyproject.toml"
    compile_lock(project, "runtime.txt", "--extra", "tracing")  # the image's, which has an option for it
    compile_lock(project, "dev.txt", "--group", "dev", "--extra", "tracing")
    compile_lock(project, "bench.txt", "--group", "dev", "--extra", "tracing", "--group", "bench")
    compile_lock(project, "docs.txt", "--group", "dev", "--extra", "tracing", "--group", "docs")
    read = tomllib.loads(project.read_text(encoding="utf-8"))
    compile_list(read["build-system"]["requires"], "build.txt")
    for name in ("go", "zipapp", "audit", "openbao-file"):
        compile_list(read["dependency-groups"][name], f"{name}.txt")
    export_pylock(project)
    subprocess.run([sys.executable, "-m", "tools.notices"], cwd=ROOT, check=True)
    return 0


def export_pylock(project: Path) -> None:
    """Write the runtime's lock as a pylock.toml (PEP 751), whose files lie in wheels/.

    Scanners read it. The addresses that uv writes are left out: no lock names an index.
    """
    with tempfile.TemporaryDirectory() as folder:
        exported = Path(folder) / "pylock.toml"
        words = [
            str(UV),
            "pip",
            "compile",
            "--universal",
            "--python-version",
            OLDEST,
            "--no-header",
            "--quiet",
        ]
        words += [
            "--extra",
            "tracing",
            "--format",
            "pylock.toml",
            "--constraints",
            str(ROOT / "locks" / "runtime.txt"),
        ]
        subprocess.run([*words, str(project), "-o", str(exported)], check=True)
        text = exported.read_text(encoding="utf-8")
    (ROOT / "locks" / "pylock.toml").write_text(without_addresses(text), encoding="utf-8")
    print("locks/pylock.toml")


def without_addresses(text: str) -> str:
    """Return a pylock.toml with paths of files instead of their addresses, and no index."""
    text = re.sub(r'\burl = "[^"]*/([^"/]+)"', r'path = "../wheels/\1"', text)
    return re.sub(r'^index = ".*"\n', "", text, flags=re.MULTILINE)


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
