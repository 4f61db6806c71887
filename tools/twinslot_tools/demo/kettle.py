"""The demonstration's application as files: what a bundle is made of."""

import hashlib
from pathlib import Path

RECIPES = 12
CURVE_BYTES = 48_000  # measured values, which hardly compress
_APP = '''"""A kettle that heats to one temperature, and keeps itself up to date."""

import asyncio

import twinslot

BOIL_C = {boil_c}


async def heat():
    while True:
        await asyncio.sleep(1)


async def run():
    await asyncio.gather(heat(), twinslot.Agent().run())


def main():
    asyncio.run(run())
'''
_RECIPE = '"""Tea of kind {number}."""\n\nSTEEPS_S = {steeps_s}\nLEAVES_G = {leaves_g}\n'


def write(folder: Path, boil_c: int) -> None:
    """The folder has the application, whose kettle boils at `boil_c`, and nothing of it differs otherwise."""
    (folder / "recipes").mkdir(parents=True, exist_ok=True)
    (folder / "app.py").write_text(_APP.format(boil_c=boil_c))
    for number in range(RECIPES):
        text = _RECIPE.format(number=number, steeps_s=120 + 10 * number, leaves_g=8 + number)
        (folder / "recipes" / f"tea_{number}.py").write_text(text)
    (folder / "curve.bin").write_bytes(hashlib.shake_256(b"how a kettle cools").digest(CURVE_BYTES))
