"""An unmodified mpremote at the simulated board's serial port, while it runs and when it has stopped."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from .conftest import Site
from .lab import Bench, app_image, own_image

MPREMOTE = Path(sys.executable).with_name("mpremote")
ENDS = "def main():\n    print('application ends')\n    raise KeyboardInterrupt  # as by Ctrl-C\n"


async def mpremote(bench: Bench, *words: str) -> str:
    """What `mpremote connect PORT …` printed; it has ended well."""
    process = await asyncio.create_subprocess_exec(
        *(str(MPREMOTE), "connect", bench.board.port, *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        out, _ = await asyncio.wait_for(process.communicate(), 60)
    except TimeoutError:
        process.kill()  # it would keep the port, whose name the next board may get
        raise
    assert process.returncode == 0, out.decode()
    return out.decode().replace("\r\n", "\n")


async def test_exec_interrupts_a_running_agent_and_sees_the_board(site: Site) -> None:
    async with Bench(site.flash()) as bench:
        await bench.says("settled")
        said = await mpremote(bench, "exec", "import os, sys; print(sorted(os.listdir('/lib/twinslot'))[0], sys.path)")
    assert said == "__init__.mpy ['', '/.frozen', '.frozen', '/lib']\n"


async def test_exec_works_on_a_board_at_its_prompt(site: Site) -> None:
    async with Bench(site.flash(start=own_image("1.0.0", ENDS))) as bench:
        await bench.says("application ends")
        await bench.says(">>> ")
        assert await mpremote(bench, "exec", "print(6 * 7)") == "42\n"
        assert await mpremote(bench, "eval", "6 * 7") == "42\n"


async def test_error_on_the_board_fails_the_command_and_shows_where(site: Site) -> None:
    async with Bench(site.flash()) as bench:
        await bench.says("settled")
        process = await asyncio.create_subprocess_exec(
            str(MPREMOTE), "connect", bench.board.port, "exec", "1/0", stdout=asyncio.subprocess.PIPE
        )
        error, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 1
    assert 'File "<stdin>", line 1' in error.decode()
    assert "ZeroDivisionError" in error.decode()


async def test_files_are_copied_listed_and_still_there_after_a_reset(site: Site, tmp_path: Path) -> None:
    content = bytes(range(256)) * 40
    (tmp_path / "data.bin").write_bytes(content)
    async with Bench(site.flash()) as bench:
        await bench.says("settled")
        await mpremote(bench, "mkdir", ":data", "+", "cp", str(tmp_path / "data.bin"), ":data/copy.bin")
        await mpremote(bench, "reset")
        await bench.until(lambda: bench.board.boots == 2 and bench.log.count("settled") == 2)
        assert "copy.bin" in await mpremote(bench, "ls", ":data")
        await mpremote(bench, "cp", ":data/copy.bin", str(tmp_path / "back.bin"))
    assert (tmp_path / "back.bin").read_bytes() == content


async def test_mounted_folder_is_read_and_imported_from(site: Site, tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("ANSWER = 'from the host'\n")
    async with Bench(site.flash()) as bench:
        await bench.says("settled")
        said = await mpremote(bench, "mount", str(tmp_path), "exec", "import helper; print(helper.ANSWER)")
    assert "from the host" in said


async def test_reset_starts_the_application_again(site: Site) -> None:
    async with Bench(site.flash()) as bench:
        await bench.says("settled")
        await mpremote(bench, "exec", "print(1)")
        await mpremote(bench, "reset")
        await bench.until(lambda: bench.log.count("settled") == 2)
    assert bench.board.boots == 2


async def test_update_goes_on_after_mpremote_has_been_there(site: Site) -> None:
    async with Bench(site.flash()) as bench:
        await bench.says("settled")
        await mpremote(bench, "exec", "print(1)")
        site.publish(app_image("1.1.0"), "1.1.0")
        await mpremote(bench, "reset")
        await bench.confirmed("1.1.0")
