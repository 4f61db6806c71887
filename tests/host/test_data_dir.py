"""A data directory that is lost in part, damaged, or not ours: the server refuses, and nothing in it is changed."""

import hashlib
import secrets
import shutil
import sqlite3
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from twinslot_host import tokens
from twinslot_host.errors import NotADataDir

from .clients import Server
from .samples import make_image

IMAGE = make_image(size=5000)


def files_of(data: Path) -> dict[str, bytes]:
    return {str(path.relative_to(data)): path.read_bytes() for path in data.rglob("*") if path.is_file()}


def refused(data: Path) -> str:
    """Why the server does not start; the directory is as it was, but for the lock."""
    before = files_of(data)
    with pytest.raises(AssertionError) as told:
        Server(data)
    assert {name: content for name, content in files_of(data).items() if name != "lock"} == {
        name: content for name, content in before.items() if name != "lock"
    }
    (line,) = (line for line in str(told.value).splitlines() if "NotADataDir: " in line)
    return line


@pytest.fixture(scope="module")
def ended(tmp_path_factory, server_pem) -> Path:
    """A directory in which a server has published a release, and ended."""
    folder = tmp_path_factory.mktemp("ended") / "data"
    folder.mkdir(mode=0o700)
    (folder / "signing.pem").write_bytes(server_pem)
    server = Server(folder)
    server.group()
    assert server.publish(IMAGE).status == 201
    server.stop()
    return folder


@pytest.fixture
def data(tmp_path, ended) -> Path:
    """A copy of it."""
    return shutil.copytree(ended, tmp_path / "data")


@pytest.mark.parametrize("left", ["nothing", "empty file"])
def test_lost_database_is_not_replaced_and_images_stay(data, left):
    (data / "twinslot.db").unlink()
    if left == "empty file":
        (data / "twinslot.db").touch()
    told = refused(data)
    assert "twinslot.db is missing or empty, and jwt.key is there from before" in told
    assert "restore the database from a backup, or start with an empty directory" in told
    sha256 = hashlib.sha256(IMAGE).hexdigest()
    assert (data / "artifacts" / sha256[:2] / sha256).read_bytes() == IMAGE


@pytest.mark.parametrize("kept", ["artifacts", "jwt.key", "nonce.key", "link.key"])
def test_whatever_is_left_of_a_server_refuses_a_new_database(data, kept):
    for path in data.iterdir():
        if path.name != kept:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert f"{kept} is there from before" in refused(data)
    assert not (data / "twinslot.db").exists()


def test_first_start_that_power_cut_short_is_done_again(data):
    for name in ("twinslot.db", "link.key"):
        (data / name).unlink()
    shutil.rmtree(data / "artifacts")
    (data / "first-start").touch()
    server = Server(data)
    assert server.publish(IMAGE).status == 201
    server.stop()
    assert not (data / "first-start").exists()


def test_images_under_a_mark_of_the_first_start_are_never_purged(data):
    (data / "twinslot.db").unlink()
    (data / "first-start").touch()
    assert "artifacts is there from before" in refused(data)


def test_key_that_the_owner_brings_is_taken(start, server_pem):
    server = start()
    server.stop()
    assert (server.data / "signing.pem").read_bytes() == server_pem


def test_folder_with_other_files_is_refused_and_keeps_its_mode(tmp_path):
    folder = tmp_path / "home"
    folder.mkdir(mode=0o755)
    (folder / "letter").write_text("x")
    assert "holds other files and no server's" in refused(folder)
    assert [path.name for path in folder.iterdir()] == ["letter"]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755


def test_directory_to_which_other_files_came_keeps_its_mode(data):
    data.chmod(0o755)
    (data / "letter").write_text("x")
    for _ in range(2):
        Server(data).stop()
    assert stat.S_IMODE(data.stat().st_mode) == 0o755
    assert (data / "letter").read_text() == "x"


def test_directory_that_is_all_ours_is_private_again(data):
    data.chmod(0o755)
    Server(data).stop()
    assert stat.S_IMODE(data.stat().st_mode) == 0o700


@pytest.mark.parametrize("content", ["garbage", "empty", "directory"])
@pytest.mark.parametrize("name", ["twinslot.db", "signing.pem", "jwt.key", "nonce.key", "link.key"])
def test_damaged_file_is_named_with_what_to_restore(data, name, content):
    (data / name).unlink()
    if content == "directory":
        (data / name).mkdir()
    else:
        (data / name).write_bytes(b"garbage" * 1000 if content == "garbage" else b"")
    told = refused(data)
    assert f"{data / name} " in told
    assert "restore" in told


@pytest.mark.parametrize("name", ["artifacts", "incoming"])
def test_file_in_place_of_a_folder_is_named(data, name):
    shutil.rmtree(data / name)
    (data / name).write_bytes(b"garbage")
    assert f"{data / name} can't be used" in refused(data)


def test_folder_among_the_unfinished_uploads_is_named(data):
    (data / "incoming" / "cut").mkdir()
    assert f"{data / 'incoming' / 'cut'} can't be used" in refused(data)


@pytest.mark.parametrize("content", ["0" * 63, "0" * 65, "g" * 64, "A" * 64, "0" * 64 + "\n", " " + "0" * 63])
def test_secret_that_is_not_64_hex_digits_is_refused_and_not_shown(data, content):
    (data / "jwt.key").write_text(content)
    told = refused(data)
    assert "64 hex digits" in told
    assert content not in told
    with pytest.raises(NotADataDir, match="64 hex digits"):
        tokens.issue(data, None, 60, 0)


def test_missing_signing_key_is_not_replaced(data):
    (data / "signing.pem").unlink()
    assert "signing.pem is missing; restore it" in refused(data)
    assert not (data / "signing.pem").exists()


def test_key_of_another_kind_is_refused(data):
    form, pem = serialization.PrivateFormat.PKCS8, serialization.Encoding.PEM
    password = serialization.BestAvailableEncryption(b"x")
    small, odd = rsa.generate_private_key(65537, 2048), rsa.generate_private_key(3, 3072)
    for key in (small, odd, ec.generate_private_key(ec.SECP256R1())):
        (data / "signing.pem").write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))
        assert "signing.pem is no RSA-3072 private key" in refused(data)
    (data / "signing.pem").write_bytes(small.private_bytes(pem, form, password))
    assert "signing.pem is no RSA-3072 private key" in refused(data)


def test_database_of_another_program_is_refused(data):
    (data / "twinslot.db").unlink()
    with sqlite3.connect(data / "twinslot.db") as db:
        db.execute("CREATE TABLE letters (text TEXT)")
    db.close()
    assert "another program's" in refused(data)


def test_database_whose_tail_is_lost_is_refused(data):
    path = data / "twinslot.db"
    path.write_bytes(path.read_bytes()[:100] + secrets.token_bytes(4000))
    assert f"{path} can't be used as the database" in refused(data)
