"""Releases that are signed without a server, and OpenSSL's command line beside ours."""

import shutil
import subprocess

import pytest

from twinslot_sim.applications import app_image

OPENSSL = shutil.which("openssl") or "openssl"
KETTLE = ("--app", "kettle", "--version", "1.1.0")


def openssl(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([OPENSSL, *map(str, arguments)], capture_output=True, text=True, check=False)


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "kettle.app-bin"
    path.write_bytes(app_image("kettle", "1.1.0"))
    return path


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    """A key that OpenSSL has made, with its public half beside it."""
    key = tmp_path_factory.mktemp("openssl") / "key.pem"
    assert openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072", "-out", key).returncode == 0
    assert openssl("pkey", "-in", key, "-pubout", "-out", f"{key}.pub").returncode == 0
    return key


@pytest.fixture(params=["ours", "theirs"])
def key(request, publisher, theirs):
    """One that either has made."""
    return publisher if request.param == "ours" else theirs


def test_openssl_verifies_what_was_signed_here(twinslot, tmp_path, image, key) -> None:
    out = tmp_path / "manifest"
    written = twinslot("sign", image, *KETTLE, "--key", key, "--out", out, "--json").document
    assert (written["manifest"], written["signature"], written["version"]) == (str(out), f"{out}.sig", "1.1.0")
    checked = openssl("dgst", "-sha256", "-verify", f"{key}.pub", "-signature", f"{out}.sig", out)
    assert (checked.returncode, checked.stdout) == (0, "Verified OK\n")


def test_what_openssl_signed_is_verified_here(twinslot, tmp_path, image, key) -> None:
    out, signature = tmp_path / "manifest", tmp_path / "signature"
    told = twinslot("sign", image, *KETTLE, "--out", out)
    assert (told.code, "openssl dgst -sha256 -sign" in told.out, list(tmp_path.glob("*.sig"))) == (0, True, [])
    assert openssl("dgst", "-sha256", "-sign", key, "-out", signature, out).returncode == 0
    verified = twinslot("verify", out, signature, "--key", f"{key}.pub", "--image", image, "--json")
    assert (verified.document["version"], verified.document["size"]) == ("1.1.0", image.stat().st_size)
    assert "1.1.0" in twinslot("verify", out, signature, "--key", f"{key}.pub").out


def test_what_does_not_hold_exits_3(twinslot, tmp_path, image, publisher, theirs) -> None:
    (tmp_path / "boil.json").write_text('{"boil": 90}')
    (tmp_path / "cool.json").write_text('{"boil": 20}')
    out, other = tmp_path / "manifest", tmp_path / "other"
    other.write_bytes(app_image("kettle", "1.2.0"))
    both = (image, "--specification", tmp_path / "boil.json")
    assert twinslot("sign", *both, *KETTLE, "--key", publisher, "--out", out).code == 0
    files, key = (out, f"{out}.sig"), ("--key", f"{publisher}.pub")
    assert twinslot("verify", *files, *key, "--image", image, "--specification", tmp_path / "boil.json").code == 0
    for arguments, reason in (
        ((*files, "--key", f"{theirs}.pub"), "is not a signature"),
        ((out, out, *key), "is not a signature"),
        ((*files, *key, "--image", other), "is not of"),
        ((*files, *key, "--specification", tmp_path / "cool.json"), "is not of"),
    ):
        result = twinslot("verify", *arguments, "--json")
        assert (result.code, result.out, reason in result.err) == (3, "", True)
    out.write_bytes(out.read_bytes().replace(b"1.1.0", b"1.1.1"))
    assert twinslot("verify", *files, *key).code == 3


@pytest.mark.parametrize("existing", ["manifest", "manifest.sig"])
def test_sign_never_overwrites(twinslot, tmp_path, image, publisher, existing) -> None:
    (tmp_path / existing).write_text("precious")
    arguments = (*KETTLE, "--key", publisher, "--out", tmp_path / "manifest")
    assert twinslot("sign", image, *arguments).code == 3
    assert [each.name for each in tmp_path.iterdir() if each != image] == [existing]
    assert (tmp_path / existing).read_text() == "precious"


def test_out_that_is_a_folder_is_told(twinslot, tmp_path, image, publisher) -> None:
    for out in (".", "", tmp_path):
        for refused in (
            twinslot("sign", image, *KETTLE, "--key", publisher, "--out", out),
            twinslot("keygen", "--out", out),
        ):
            assert (refused.code, "is a folder: --out is the name of a new file" in refused.err) == (2, True)
    assert [*tmp_path.iterdir()] == [image]


def test_sign_leaves_nothing_behind_when_the_signature_can_not_be_written(twinslot, tmp_path, image, publisher) -> None:
    longest = tmp_path / ("m" * 255)  # a name with `.sig` behind it is too long
    refused = twinslot("sign", image, *KETTLE, "--key", publisher, "--out", longest)
    assert (refused.code, "can't write" in refused.err) == (3, True)
    assert [*tmp_path.iterdir()] == [image]


def test_release_signed_elsewhere_changes_the_keys_and_the_new_one_publishes(
    twinslot, signed_in, tmp_path, image, publisher, theirs
) -> None:
    trust = ("--trust", "publisher", "--key", f"{publisher}.pub")
    group = twinslot("group", "create", "rotating", "--app", "kettle", *trust, "--json").document["id"]
    changes = ("--add-key", f"{theirs}.pub", "--retire-key", f"{publisher}.pub")
    out = tmp_path / "manifest"
    assert twinslot("sign", image, *KETTLE, "--key", publisher, "--out", out, *changes, "--sequence", 7).code == 0
    (told,) = (twinslot("verify", out, f"{out}.sig", "--key", f"{publisher}.pub", "--json").document,)
    signed = ("--manifest", out, "--signature", f"{out}.sig")
    published = twinslot("publish", image, *KETTLE, *signed, "--json").document
    assert (published["sequence"], [published["signed_by"]]) == (7, told["keys_retired"])
    assert twinslot("group", "show", group, "--json").document["keys"] == told["keys_added"]
    later = ("publish", image, "--app", "kettle", "--version", "1.2.0")
    assert twinslot(*later, "--key", publisher).code == 4
    back = twinslot(*later, "--key", theirs, "--add-key", f"{publisher}.pub", "--json").document
    assert [back["signed_by"]] == told["keys_added"]
    assert len(twinslot("group", "show", group, "--json").document["keys"]) == 2


def test_manifest_of_another_upload_is_refused(twinslot, signed_in, tmp_path, image, publisher) -> None:
    twinslot("group", "create", "other", "--app", "oven", "--trust", "publisher", "--key", f"{publisher}.pub")
    out = tmp_path / "manifest"
    assert twinslot("sign", image, *KETTLE, "--key", publisher, "--out", out).code == 0
    signed = ("--manifest", out, "--signature", f"{out}.sig")
    refused = twinslot("publish", image, "--app", "oven", "--version", "1.1.0", *signed)
    assert (refused.code, "application is kettle" in refused.err) == (4, True)


@pytest.mark.parametrize("option", ["--add-key", "--retire-key"])
def test_key_that_is_given_twice_is_refused(twinslot, tmp_path, image, publisher, theirs, option) -> None:
    (tmp_path / "copy.pub").write_bytes(publisher.with_name(publisher.name + ".pub").read_bytes())
    given = (option, f"{publisher}.pub", option, f"{theirs}.pub", option, tmp_path / "copy.pub")
    refused = twinslot("sign", image, *KETTLE, "--out", tmp_path / "manifest", *given)
    assert (refused.code, "give each key once" in refused.err) == (2, True)
    assert not (tmp_path / "manifest").exists()


@pytest.mark.parametrize("option", ["--add-key", "--retire-key"])
def test_more_keys_than_a_release_changes_are_refused(twinslot, tmp_path, image, publisher, option) -> None:
    four = (option, f"{publisher}.pub") * 4
    assert twinslot("sign", image, *KETTLE, "--out", tmp_path / "manifest", *four).code == 2
    both = ("--add-key", f"{publisher}.pub", "--retire-key", f"{publisher}.pub")
    assert twinslot("sign", image, *KETTLE, "--out", tmp_path / "manifest", *both).code == 2
    assert not (tmp_path / "manifest").exists()
