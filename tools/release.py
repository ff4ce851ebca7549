"""Makes what a version consists of, and checksums of it, in dist/: `make release`.

python -m tools.release [--output dist] [--registry HOST[:PORT]] [--dpkg FOLDER] [--uncommitted]

Wheel and sdist; the chart as Helm's package and as an OCI layout; manifests and CRDs for kubectl; schemas of
pki.yaml for editors; a bill of materials. The same commit gives the same bytes. The address of the repository
(`tools.repository`), where it is known, becomes the chart's home and the beginning of its links, and
wheel and sdist name it; where it is not, a warning says so. With
--helm-key the chart is signed, with --cosign-key the checksums, which name all else (`tools.signing`).
docs/verify.md tells how to check it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from hashlib import sha256
from importlib.metadata import distributions
from pathlib import Path
from typing import Final

import yaml

from issuer import __version__
from issuer.pki.file.schema import FILE, OVERLAY
from issuer.pki.plan.editors import editor_schema
from testbed.chart import ChartError, run_helm
from tools import oci
from tools.archives import read_tar, tar, tar_gz
from tools.image import PROGRAMS, ImageBuild, builder, built_archive, committed, revision
from tools.repository import VARIABLE, repository
from tools.sbom import base_packages, bill_of_materials, locked_hashes
from tools.signing import Signing
from tools.sources import ROOT, build, copy, level, packaged, uncommitted
from tools.zipapp import wheel

CHART: Final = "charts/vault-issuer"
CHECKSUMS: Final = "SHA256SUMS"
NO_ADDRESS: Final = f"""\
WARNING: this clone's `origin` has no address on the web, so nobody who gets these files learns where they
come from: the chart has no home and no sources, its README no links, its alerts a runbook_url that leads
nowhere, the wheel no source. Make them again: make release {VARIABLE}=https://HOST/PATH ..."""
NO_REGISTRY: Final = """\
WARNING: without a registry vault-issuer.yaml asks for docker.io/library/vault-issuer, which isn't yours, and
the chart refuses to be rendered until it has one. Make them again: make release REGISTRY=HOST[:PORT] ..."""
_MADE: Final = ("vault-issuer*", "vault_issuer-*", FILE, OVERLAY, f"{CHECKSUMS}*")
_LINK = re.compile(r"\[([^\[\]]+)\]\((?:\.\./)+([^)\s]+)\)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 when all is made; 1 when the clone has what no commit has, or the address is none."""
    parser = argparse.ArgumentParser(description="Make what a version consists of.")
    parser.add_argument("--output", type=Path, default=ROOT / "dist")
    parser.add_argument("--registry", default="", help="registry of the image, for chart and manifests")
    parser.add_argument(
        "--dpkg", type=Path, help="dpkg's folder of the base image, for the bill of materials"
    )
    parser.add_argument(
        "--python-image", default="", help="base of the image, which is built for this machine"
    )
    parser.add_argument("--runtime-image", default="", help="another base of it, which may lack a shell")
    parser.add_argument("--uncommitted", action="store_true", help="of a clone with changes, too")
    parser.add_argument("--helm-key", default="", help="name of a GnuPG key that signs the chart")
    parser.add_argument("--helm-keyring", default="", help="file of the secret keys")
    parser.add_argument("--helm-passphrase-file", default="")
    parser.add_argument("--cosign-key", default="", help="key of cosign's that signs the checksums")
    parser.add_argument("--cosign-offline", default="", help="1: without Sigstore's public log")
    options = parser.parse_args(arguments)
    signing = Signing(
        options.helm_key,
        options.helm_keyring,
        options.helm_passphrase_file,
        options.cosign_key,
        bool(options.cosign_offline),
    )
    refused = refusal([] if options.uncommitted else uncommitted(), signing) or unusable(options)
    if refused:
        print(refused, file=sys.stderr)
        return 1
    shutil.rmtree(options.output, ignore_errors=True)
    options.output.mkdir(parents=True)
    try:
        _make(options, signing)
    except (ChartError, subprocess.CalledProcessError) as error:
        shutil.rmtree(options.output)
        print(f"nothing is left in {options.output.name}/, as a part failed: {error}", file=sys.stderr)
        return 1
    for path in sorted(options.output.iterdir()):
        print(f"{path.name} ({path.stat().st_size / 1e3:,.0f} kB)")
    if repository() is None:
        print(NO_ADDRESS, file=sys.stderr)
    if not options.registry:
        print(NO_REGISTRY, file=sys.stderr)
    return 0


def _make(options: argparse.Namespace, signing: Signing) -> None:
    """Write every file, the checksums last."""
    ours = wheel(options.output, repository())
    sdist(options.output)
    requirements(options.output)
    chart(options.output, options.registry, signing.of_chart())
    schemas(options.output)
    manifests(options.output, options.registry)
    materials(options.output, ours, options.dpkg)
    if options.python_image:
        image(options.output, options.registry, options.python_image, options.runtime_image)
    signing.sign(checksums(options.output))


def refusal(changed: Sequence[str], signing: Signing) -> str:
    """Say why nothing is made, or "".

    Reasons: changes that no commit has (`changed`, the lines of git), something that a signature needs, or no
    address where one was meant.
    """
    if changed:
        return "\n  ".join(["what is released has to be committed first:", *changed])
    if wanting := signing.wanting():
        return "\n".join(wanting)
    if os.environ.get(VARIABLE) and repository() is None:
        return f"{VARIABLE} is no address on the web: give it as https://HOST/PATH"
    return ""


def unusable(options: argparse.Namespace) -> str:
    """Say which option can't be used, and what to give instead, or ""."""
    schema = json.loads((ROOT / CHART / "values.schema.json").read_text(encoding="utf-8"))
    if not re.compile(schema["definitions"]["registry"]["pattern"]).fullmatch(options.registry):
        return (
            f"REGISTRY is no registry: {options.registry!r}; give it as host[:port], without https:// and /"
        )
    if options.python_image and builder() is None:
        return f"PYTHON_IMAGE needs one of {', '.join(PROGRAMS)}, and none is on PATH: install one of them"
    if options.dpkg and _os_release(options.dpkg) is None:
        return f"BASE_DPKG is no var/lib/dpkg of a system with usr/lib/os-release: {options.dpkg}"
    output = options.output
    if output.is_symlink() or (output.exists() and not output.is_dir()):
        return f"--output is no folder: {output}"
    found = output.iterdir() if output.is_dir() else ()
    others = sorted(path.name for path in found if not any(path.match(pattern) for pattern in _MADE))
    if others:
        return (
            f"{output} has what no release wrote ({', '.join(others[:3])}): move it, or name another folder"
        )
    return ""


def sdist(output: Path) -> Path:
    """Build the source distribution; setuptools writes times into it, so it is packed again."""
    with tempfile.TemporaryDirectory() as folder:
        source = packaged(Path(folder) / "source", repository())
        build("sdist", source, Path(folder))
        (built,) = Path(folder).glob("*.tar.gz")
        return tar_gz(output / built.name, read_tar(built))


def requirements(output: Path) -> Path:
    """Write the lock of what the wheel needs, as pip reads it: every file by its hash, from no index."""
    return Path(shutil.copyfile(ROOT / "locks" / "runtime.txt", output / "vault-issuer.requirements.txt"))


def image(output: Path, registry: str, python_image: str, runtime_image: str) -> Path:
    """Write the image under the name that the chart asks for; wheels/ has to be there (`make wheels`)."""
    name = f"{registry}/vault-issuer" if registry else "vault-issuer"
    build = ImageBuild(
        f"{name}:{__version__}",
        python_image,
        runtime_image,
        commit=revision(),
        seconds=committed(),
        source=repository() or "",
    )
    return built_archive(build, output / f"vault-issuer-{__version__}.image.tar")


def chart(output: Path, registry: str, signing: Sequence[str] = ()) -> list[Path]:
    """Package the chart for Helm, and for registries; `signing` are Helm's words for it."""
    with tempfile.TemporaryDirectory() as folder:
        there = copy((CHART,), Path(folder)) / CHART
        settle(there, registry, repository())
        run_helm(["package", str(there), f"--destination={output}", *signing])
        metadata = yaml.safe_load((there / "Chart.yaml").read_text(encoding="utf-8"))
    package = output / f"vault-issuer-{__version__}.tgz"
    provenance = package.with_name(f"{package.name}.prov")
    signed = provenance.read_bytes() if provenance.is_file() else None
    layout = package.with_suffix(".oci.tar")
    layout.write_bytes(tar(oci.layout(metadata, package.read_bytes(), signed)))
    return [package, layout]


def settle(chart: Path, registry: str, address: str | None) -> None:
    """Write into a copy of the chart what the repository leaves open: registry, home, and its links."""
    values = chart / "values.yaml"
    text = values.read_text(encoding="utf-8")
    if registry:
        text = re.sub(
            r'(\nimage:\n(?:  .*\n)*?  registry: )""', lambda found: f'{found[1]}"{registry}"', text, count=1
        )
    pages = f"{address}/blob/v{__version__}" if address else ""
    if pages:
        text = text.replace('runbookURL: "docs/', f'runbookURL: "{pages}/docs/')
        description = chart / "Chart.yaml"
        about = f"home: {address}\nsources: [{address}]\n"
        description.write_text(description.read_text(encoding="utf-8") + about, encoding="utf-8")
    values.write_text(text, encoding="utf-8")
    readme = chart / "README.md"
    linked = rf"[\1]({pages}/\2)" if pages else r"`\2`"
    readme.write_text(_LINK.sub(linked, readme.read_text(encoding="utf-8")), encoding="utf-8")
    level(chart)


def schemas(output: Path) -> None:
    """Write the schemas of pki.yaml and of its overlays, for editors."""
    for name, overlay in ((FILE, False), (OVERLAY, True)):
        text = json.dumps(editor_schema(overlay=overlay), indent=2) + "\n"
        (output / name).write_text(text, encoding="utf-8")


def manifests(output: Path, registry: str) -> None:
    """Write config/default and the CRDs, each as one file for `kubectl apply`."""
    kubectl = Path(sys.executable).with_name("kubectl")
    words = [str(kubectl), "kustomize", str(ROOT / "config" / "default")]
    text = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    if registry:
        text = text.replace("image: vault-issuer:", f"image: {registry}/vault-issuer:")
    (output / "vault-issuer.yaml").write_text(text, encoding="utf-8")
    crds = sorted((ROOT / CHART / "crds").glob("vault-issuer.io_*.yaml"))
    text = "---\n".join(one.read_text(encoding="utf-8") for one in crds)
    (output / "vault-issuer.crds.yaml").write_text(text, encoding="utf-8")


def materials(output: Path, ours: Path, dpkg: Path | None) -> None:
    """Write the bill of materials: our wheel, the locked packages that are installed here, and the base's."""
    hashes = locked_hashes((ROOT / "locks" / "runtime.txt").read_text(encoding="utf-8"))
    installed = [one for one in distributions() if _normal(one.metadata["Name"]) in hashes]
    release = _os_release(dpkg) if dpkg else None
    base = base_packages(dpkg, release) if dpkg and release else ()
    bill = bill_of_materials([*distributions(path=[str(ours)]), *installed], hashes, base)
    text = json.dumps(bill, indent=1, sort_keys=True) + "\n"
    (output / "vault-issuer.cdx.json").write_text(text, encoding="utf-8")


def _os_release(dpkg: Path) -> Path | None:
    """The file of the system whose `var/lib/dpkg` that is, or None."""
    file = dpkg.resolve() / "../../../usr/lib/os-release"
    return file if file.is_file() else None


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def checksums(output: Path) -> Path:
    """Write the sha256 of every file, as sha256sum reads them."""
    files = sorted(path for path in output.iterdir() if path.name != CHECKSUMS)
    lines = [f"{sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    written = output / CHECKSUMS
    written.write_text("".join(lines), encoding="utf-8")
    return written


if __name__ == "__main__":
    sys.exit(main())
