"""Prompt templates: the sentences that class names are put into, as data.

Source: Radford et al. 2021 (CLIP, arXiv:2103.00020), section 3.1.4. The lists for ImageNet (80,
and the seven found by forward selection that come near them) and for CIFAR are those
that the paper's authors published with the model.
"""

from __future__ import annotations

from collections.abc import Sequence

from interlingua.config import nearest
from interlingua.errors import ConfigError

TEMPLATES: dict[str, tuple[str, ...]] = {
    "plain": ("{}",),
    "simple": ("a photo of a {}.",),
    "imagenet": (
        "a bad photo of a {}.",
        "a photo of many {}.",
        "a sculpture of a {}.",
        "a photo of the hard to see {}.",
        "a low resolution photo of the {}.",
        "a rendering of a {}.",
        "graffiti of a {}.",
        "a bad photo of the {}.",
        "a cropped photo of the {}.",
        "a tattoo of a {}.",
        "the embroidered {}.",
        "a photo of a hard to see {}.",
        "a bright photo of a {}.",
        "a photo of a clean {}.",
        "a photo of a dirty {}.",
        "a dark photo of the {}.",
        "a drawing of a {}.",
        "a photo of my {}.",
        "the plastic {}.",
        "a photo of the cool {}.",
        "a close-up photo of a {}.",
        "a black and white photo of the {}.",
        "a painting of the {}.",
        "a painting of a {}.",
        "a pixelated photo of the {}.",
        "a sculpture of the {}.",
        "a bright photo of the {}.",
        "a cropped photo of a {}.",
        "a plastic {}.",
        "a photo of the dirty {}.",
        "a jpeg corrupted photo of a {}.",
        "a blurry photo of the {}.",
        "a photo of the {}.",
        "a good photo of the {}.",
        "a rendering of the {}.",
        "a {} in a video game.",
        "a photo of one {}.",
        "a doodle of a {}.",
        "a close-up photo of the {}.",
        "a photo of a {}.",
        "the origami {}.",
        "the {} in a video game.",
        "a sketch of a {}.",
        "a doodle of the {}.",
        "a origami {}.",
        "a low resolution photo of a {}.",
        "the toy {}.",
        "a rendition of the {}.",
        "a photo of the clean {}.",
        "a photo of a large {}.",
        "a rendition of a {}.",
        "a photo of a nice {}.",
        "a photo of a weird {}.",
        "a blurry photo of a {}.",
        "a cartoon {}.",
        "art of a {}.",
        "a sketch of the {}.",
        "a embroidered {}.",
        "a pixelated photo of a {}.",
        "itap of the {}.",
        "a jpeg corrupted photo of the {}.",
        "a good photo of a {}.",
        "a plushie {}.",
        "a photo of the nice {}.",
        "a photo of the small {}.",
        "a photo of the weird {}.",
        "the cartoon {}.",
        "art of the {}.",
        "a drawing of the {}.",
        "a photo of the large {}.",
        "a black and white photo of a {}.",
        "the plushie {}.",
        "a dark photo of a {}.",
        "itap of a {}.",
        "graffiti of the {}.",
        "a toy {}.",
        "itap of my {}.",
        "a photo of a cool {}.",
        "a photo of a small {}.",
        "a tattoo of the {}.",
    ),
    "imagenet7": (
        "itap of a {}.",
        "a bad photo of the {}.",
        "a origami {}.",
        "a photo of the large {}.",
        "a {} in a video game.",
        "art of the {}.",
        "a photo of the small {}.",
    ),
    "cifar": (
        "a photo of a {}.",
        "a blurry photo of a {}.",
        "a black and white photo of a {}.",
        "a low contrast photo of a {}.",
        "a high contrast photo of a {}.",
        "a bad photo of a {}.",
        "a good photo of a {}.",
        "a photo of a small {}.",
        "a photo of a big {}.",
        "a photo of the {}.",
        "a blurry photo of the {}.",
        "a black and white photo of the {}.",
        "a low contrast photo of the {}.",
        "a high contrast photo of the {}.",
        "a bad photo of the {}.",
        "a good photo of the {}.",
        "a photo of the small {}.",
        "a photo of the big {}.",
    ),
    "drawing": (
        "a drawing of a {}.",
        "an icon of a {}.",
        "a clip art picture of a {}.",
        "a cartoon of a {}.",
        "an illustration of a {}.",
        "a picture of the {}.",
        "{}",
    ),
    # "animals", "food", "the town": kinds that things belong to, as sources group them
    "group": (
        "{}",
        "a picture of {}.",
        "something to do with {}.",
        "a thing from the group {}.",
        "a drawing of {}.",
        "one of the {}.",
    ),
}


def find_templates(wanted: str | Sequence[str]) -> tuple[str, ...]:
    """The templates of a name, or templates of one's own, each with ``{}`` for the class.

    Args:
        wanted: a name in ``TEMPLATES``; one template; or several.

    Raises:
        ConfigError: an unknown name (the nearest is named), or a template without ``{}``.
    """
    if isinstance(wanted, str):
        if wanted in TEMPLATES:
            return TEMPLATES[wanted]
        if "{}" not in wanted:
            raise ConfigError(
                f"There are no templates called {wanted!r}{nearest(wanted, TEMPLATES)}.",
                next_step=f"Known: {', '.join(TEMPLATES)}; or write one, 'a photo of a {{}}.'.",
            )
        wanted = (wanted,)
    lacking = [template for template in wanted if "{}" not in template]
    if lacking or not wanted:
        raise ConfigError(
            f"The template {lacking[0]!r} has no place for the class."
            if lacking
            else "There is no template.",
            next_step="Write {} where the name of the class goes.",
        )
    return tuple(dict.fromkeys(wanted))


def prompts(names: Sequence[str], templates: Sequence[str]) -> list[str]:
    """Every name in every template; braces in a name stay what they are."""
    return [template.replace("{}", name) for name in names for template in templates]
