"""A sheet of images made by formulas: `python -m weiss.learn.formula FILE.png`."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont

from weiss.atomic import atomic_write
from weiss.learn.formula import KINDS, chance, kind_of_images

CATEGORIES, EACH, WINDOW, GAP = 10, 7, 64, 4
SEED = 5


def sheet() -> bytes:
    """Draw `EACH` images of the first `CATEGORIES` categories of every kind, a category in a row, as a PNG."""
    font, pitch = ImageFont.load_default(size=13), WINDOW + GAP
    margin, top, apart = 92, 26, 40
    width = margin + EACH * pitch
    picture = Image.new("L", (len(KINDS) * width + (len(KINDS) - 1) * apart, top + CATEGORIES * pitch), 255)
    text = ImageDraw.Draw(picture)
    for number, name in enumerate(KINDS):
        left = number * (width + apart)
        text.text((left + margin, 4), f"{name}: {EACH} images of each category", fill=0, font=font)
        kind = kind_of_images(name)
        table = kind.categories(SEED, CATEGORIES).repeat_interleave(EACH, dim=0)
        images = kind.render(kind.vary(table, chance("sheet", name)), WINDOW)
        grey = (images * 95 + 140).to(torch.uint8).view(CATEGORIES, EACH, WINDOW, WINDOW)
        for row in range(CATEGORIES):
            place = top + row * pitch
            text.text((left, place + WINDOW // 2 - 8), f"category {row + 1}", fill=0, font=font)
            for column in range(EACH):
                picture.paste(Image.fromarray(grey[row, column].numpy()), (left + margin + column * pitch, place))
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m weiss.learn.formula FILE.png")
    atomic_write(Path(sys.argv[1]), sheet())
