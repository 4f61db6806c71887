"""`twinslot keygen`, `sign` and `verify`: a publisher's keys, on a machine that may have no network."""

import hashlib
import time
from pathlib import Path
from typing import Annotated

import typer

from twinslot_tools import manifests, publishing, signing
from twinslot_tools.errors import BadFile, UsageError
from twinslot_tools.manifests import KEYS_LIMIT, KeyChange
from twinslot_tools.new_files import NewFile, beside, write_new
from twinslot_tools.options import Json, checked_app, checked_version, content, readable
from twinslot_tools.output import print_facts, print_json, say

FILE_HELP = "The app image, such as a build's `.app-bin`, or the bundle that `twinslot bundle` has made."
AddKeys = Annotated[
    list[Path] | None,
    typer.Option(
        "--add-key",
        metavar="FILE.pub",
        help="Devices that confirm the release trust this key too; up to three times.",
    ),
]
RetireKeys = Annotated[
    list[Path] | None,
    typer.Option(
        "--retire-key",
        metavar="FILE.pub",
        help="Devices that confirm the release trust this key no more; up to three times.",
    ),
]
Specification = Annotated[
    Path | None,
    typer.Option(metavar="JSONFILE", help="A specification for the application: any JSON, with FILE or alone."),
]


def keygen(
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="Where the private key goes; FILE.pub is the public one.")
    ],
    json: Json = False,
) -> None:
    """Make a publisher's key pair: the private half stays with you, devices are given the public one.

    The private key is PEM (PKCS#8) that only you can read. Keep a copy in a safe place: devices that trust this key
    alone can never be updated without it.
    """
    public = signing.make_key(out)
    if json:
        print_json({"private": str(out), "public": str(public)})
    else:
        say(f"{out}: private key, keep it to yourself\n{public}: public key, for `twinslot group create --key`")


def sign(
    application: Annotated[str, typer.Option("--app", help="The application that this is a release of.")],
    version: Annotated[str, typer.Option(help="Its version, such as 1.2.3.")],
    out: Annotated[
        Path, typer.Option("--out", metavar="MANIFEST", help="Where the manifest goes; MANIFEST.sig is its signature.")
    ],
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help=FILE_HELP)] = None,
    specification: Specification = None,
    key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Sign with this private key. [default: write the manifest alone]"),
    ] = None,
    sequence: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=0xFFFFFFFF,
            metavar="N",
            help="Higher than that of every release before. [default: the time in Unix seconds]",
        ),
    ] = None,
    add_key: AddKeys = None,
    retire_key: RetireKeys = None,
    json: Json = False,
) -> None:
    """Sign a release without a server: writes its manifest, and with --key the signature of that.

    `twinslot publish` takes both files with the same FILE, on whichever machine. Where a key is not in a file, as in an
    HSM, leave out --key and sign the manifest with RSA PKCS#1 v1.5 and SHA-256, for example with

    `openssl dgst -sha256 -sign key.pem -out MANIFEST.sig MANIFEST`
    """
    signature = beside(out, ".sig", "kettle-1.2.3.manifest")
    release = release_of(file, specification, application, version, key_change(add_key, retire_key))
    facts = None if file is None else publishing.checked(file)
    private_key = None if key is None else signing.load_key(key)
    data = publishing.manifest(release, facts, sequence or int(time.time()))
    signed = [] if private_key is None else [NewFile(signature, signing.sign(private_key, data))]
    write_new(NewFile(out, data), *signed)
    written = {
        "manifest": str(out),
        "signature": None if private_key is None else str(signature),
        **manifests.told(data),
    }
    if json:
        print_json(written)
        return
    print_facts(f"{application} {version}", manifests.in_words(written))
    if private_key is None:
        say(f"Not signed yet; one way is `openssl dgst -sha256 -sign KEY -out {signature} {out}`.")


def verify(
    manifest: Annotated[Path, typer.Argument(metavar="MANIFEST", help="The manifest, as `twinslot sign` writes it.")],
    signature: Annotated[Path, typer.Argument(metavar="SIGNATURE", help="Its signature.")],
    key: Annotated[Path, typer.Option(metavar="FILE.pub", help="The publisher's public key.")],
    image: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Whether it is of this very image, or bundle.")
    ] = None,
    specification: Annotated[
        Path | None, typer.Option(metavar="JSONFILE", help="Whether it is of this very specification.")
    ] = None,
    json: Json = False,
) -> None:
    """Check a signature as devices do, and show what is signed. Exit code 3: it does not hold."""
    data = content(manifest)
    if not signing.holds(signing.load_public(key), data, content(signature)):
        raise BadFile(f"{signature} is not a signature of {manifest} by {key}")
    facts = manifests.told(data)
    digests = (facts.get("sha256"), facts.get("list_sha256"))
    if image is not None and publishing.checked(image).sha256.hex() not in digests:
        raise BadFile(f"the signature holds, and {manifest} is not of {image}")
    if specification is not None:
        digest = hashlib.sha256(signing.load_specification(specification)).hexdigest()
        if facts.get("specification_sha256") != digest:
            raise BadFile(f"the signature holds, and {manifest} is not of {specification}")
    if json:
        print_json(facts)
    else:
        print_facts(f"signed by {key}", manifests.in_words(facts))


def release_of(
    file: Path | None, specification: Path | None, application: str, version: str, keys: KeyChange
) -> publishing.Release:
    """What the options make of a release; raises `UsageError` or `BadFile`."""
    if file is None and specification is None:
        raise UsageError("there is nothing in it: give FILE, --specification JSONFILE, or both")
    return publishing.Release(
        path=readable(file) if file else None,
        specification=signing.load_specification(specification) if specification else None,
        app=checked_app(application),
        version=checked_version(version),
        keys=keys,
    )


def key_change(added: list[Path] | None, retired: list[Path] | None) -> KeyChange:
    """What the options make of a change of keys; raises `UsageError` or `BadFile`."""
    added, retired = added or [], retired or []
    if max(len(added), len(retired)) > KEYS_LIMIT:
        raise UsageError(f"one release adds {KEYS_LIMIT} keys and retires {KEYS_LIMIT} at most")
    one, other = _moduli("--add-key", added), _moduli("--retire-key", retired)
    if set(one) & set(other):
        raise UsageError("a key can't be added and retired by the same release")
    return KeyChange(one, other)


def _moduli(option: str, paths: list[Path]) -> tuple[bytes, ...]:
    """The keys in those files; raises `UsageError` when two have the same one, and `BadFile`."""
    found: dict[bytes, Path] = {}
    for path in paths:
        modulus = signing.modulus(signing.load_public(path))
        if modulus in found:
            raise UsageError(f"{option} {path}: it is the key of {found[modulus]}; give each key once")
        found[modulus] = path
    return tuple(found)
