"""Files out of Debian's packages, fetched through the machine's own apt; nothing is installed.

Standard library only, and nothing that an old Python lacks: `make setup` runs this before anything is installed.

apt has state, cache and sources of its own here: nothing of the system changes, and root is not needed. It checks the
archive's signature against Debian's keyring and each package against the signed index. Proxies and whatever else the
machine's apt configuration says stay in force.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import urllib.request
from pathlib import Path
from typing import List, Sequence, Tuple

ARCHIVE = "http://deb.debian.org/debian"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


class DebianError(Exception):
    """A package could not be had; the message says why, and what to do when this machine lacks something."""


def need_tools(keyring: Path = KEYRING) -> None:
    """Returns when this machine can fetch from Debian; raises `DebianError` that says what is missing when not."""
    if platform.system() != "Linux" or shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise DebianError("this machine has no apt for Debian's packages")
    if not keyring.exists():
        raise DebianError(
            f"{keyring} is missing, which the archive's signature is checked with. Install the package\n"
            "`debian-archive-keyring` and run this again"
        )


def download(
    packages: Sequence[str], arch: str, suite: str, work: Path, *, archive: str = ARCHIVE, keyring: Path = KEYRING
) -> List[Path]:
    """The packages of that architecture, and nothing that they depend on, lie in `work`, which was empty, as .deb files
    that were checked; these are returned. Raises `DebianError` when the archive can't be reached or trusted."""
    configuration = _configure(work, arch, suite, archive, keyring)
    _apt(configuration, work, ["update"], f"read the package index of {archive}")
    _apt(configuration, work, ["download", *packages], f"download packages from {archive}")
    return sorted(work.glob("*.deb"))


def download_known(files: Sequence[Tuple[str, str]], work: Path, *, archive: str = ARCHIVE) -> List[Path]:
    """The files of the archive with those paths and SHA-256 lie in `work`; they are returned. For times when an archive
    and its signed index are not in step. Raises `DebianError` when one is not there, or is another."""
    found = []
    for path, sha256 in files:
        try:
            with urllib.request.urlopen(f"{archive}/{path}", timeout=60) as answer:
                data = answer.read()
        except OSError as error:
            raise DebianError(f"could not download {path} from {archive}: {error}") from error
        if hashlib.sha256(data).hexdigest() != sha256:
            raise DebianError(f"{path} of {archive} is not the file that was known")
        found.append(work / Path(path).name)
        found[-1].write_bytes(data)
    return found


def _configure(work: Path, arch: str, suite: str, archive: str, keyring: Path) -> Path:
    """`work` holds an apt configuration of its own, whose path is returned; it is read after the machine's."""
    for part in ("sources", "lists/partial", "cache/archives/partial", "state"):
        (work / part).mkdir(parents=True)
    (work / "status").touch()
    (work / "sources" / "debian.sources").write_text(
        f"Types: deb\nURIs: {archive}\nSuites: {suite}\nComponents: main\nSigned-By: {keyring}\n"
    )
    settings = {
        "Dir::Etc::sourcelist": "/dev/null",
        "Dir::Etc::sourceparts": f"{work}/sources",
        "Dir::State": f"{work}/state",
        "Dir::State::status": f"{work}/status",
        "Dir::State::lists": f"{work}/lists",
        "Dir::Cache": f"{work}/cache",
        "APT::Architecture": arch,
        "APT::Architectures::": arch,
        "Acquire::Languages": "none",
        "Acquire::AllowInsecureRepositories": "false",
        "Acquire::AllowWeakRepositories": "false",
        "Acquire::AllowDowngradeToInsecureRepositories": "false",
        "APT::Get::AllowUnauthenticated": "false",
        "APT::Update::Error-Mode": "any",
    }
    if os.geteuid() == 0:  # apt's unprivileged user could not write here, and it would warn about that
        settings["APT::Sandbox::User"] = "root"
    # The machine's hooks are for the system's own package lists.
    cleared = ("APT::Architectures", "APT::Update::Pre-Invoke", "APT::Update::Post-Invoke")
    lines = [f"#clear {name};" for name in (*cleared, "APT::Update::Post-Invoke-Success", "Acquire::Languages")]
    lines += [f'{name} "{value}";' for name, value in settings.items()]
    path = work / "apt.conf"
    path.write_text("\n".join(lines) + "\n")
    return path


def _apt(configuration: Path, work: Path, arguments: List[str], purpose: str) -> None:
    """apt-get did `purpose`; raises `DebianError` with apt's own words when it did not."""
    done = subprocess.run(
        ["apt-get", "-qq", "-c", str(configuration), *arguments],
        cwd=work,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
        check=False,
    )
    if done.returncode != 0:
        said = done.stdout.decode("utf-8", "replace").strip()
        raise DebianError(f"could not {purpose}:\n{said}\nIs this machine offline?")


def unpack(package: Path, folder: Path) -> None:
    """`folder` has the package's files; raises `DebianError` when it can't be unpacked, such as on a full disk."""
    done = subprocess.run(
        ["dpkg-deb", "-x", str(package), str(folder)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if done.returncode != 0:
        raise DebianError(f"could not unpack {package.name}:\n{done.stdout.decode('utf-8', 'replace').strip()}")
