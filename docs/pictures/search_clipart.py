"""Draw ``search.png``: words asked, the five nearest pictures of Open Clip Art (public domain).

Command: ``python docs/pictures/search_clipart.py runs/demo indexes/clipart``, after
``interlingua index build clipart --run runs/demo --out indexes/clipart --in image``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from interlingua.content import FileContent
from interlingua.data.image import open_image, trimmed
from interlingua.index import Index
from interlingua.space import load

ASKED = ("a bird of prey", "it flies and stings", "music for a party", "a hot drink")
SIDE, GAP, LEFT = 150, 18, 250


def main() -> None:
    """Write the picture beside this file."""
    run, folder = sys.argv[1:3]
    space = load(run)
    index = Index.open(folder, space_id=space.id)
    height = len(ASKED) * (SIDE + GAP) + GAP
    page = Image.new("RGB", (LEFT + 5 * (SIDE + GAP) + GAP, height), "white")
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(22)
    for row, words in enumerate(ASKED):
        top = GAP + row * (SIDE + GAP)
        for line, text in enumerate(lines(words)):
            draw.text((GAP, top + SIDE / 2 - 28 + 28 * line), text, "#1b2530", font)
        seen: set[str] = set()
        for hit in index.search(space.query(text=words), k=30, kinds=["image"]):
            if hit.text in seen or len(seen) == 5:
                continue
            picture = trimmed(open_image(FileContent(Path(hit.path)), near_size=2 * SIDE))
            picture.thumbnail((SIDE, SIDE))
            left = LEFT + len(seen) * (SIDE + GAP)
            at = (left + (SIDE - picture.width) // 2, top + (SIDE - picture.height) // 2)
            page.paste(picture, at)
            seen.add(hit.text)
    page.quantize(128).save(Path(__file__).parent / "search.png", optimize=True)


def lines(words: str) -> list[str]:
    """Two lines at most, broken at the middle space."""
    if len(words) < 20:
        return [words]
    cut = min((i for i, c in enumerate(words) if c == " "), key=lambda i: abs(i - len(words) / 2))
    return [words[:cut], words[cut + 1 :]]


if __name__ == "__main__":
    main()
