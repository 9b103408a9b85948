from __future__ import annotations

import pytest

from interlingua.data.text_cleaning import CLEANERS


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("  A\tDog\n", "a dog"),
        ("Q&amp;amp;A &lt;b&gt;", "q&a <b>"),
        ("it’s “so”…", 'it\'s "so"…'),
        ("ﬁne　ｆｕｌｌ", "fine full"),
        ("e\u0301", "é"),
        ("ΟΔΥΣΣΕΥΣ", "οδυσσευς"),
        ("bell\x07 gone", "bell gone"),
    ],
)
def test_as_clips_code_does(text: str, cleaned: str) -> None:
    assert CLEANERS["clip"](text) == cleaned


def test_as_big_vision_does() -> None:
    assert CLEANERS["siglip"]("A photo_of: the 'Dog', (old)!  ") == "a photo of the dog old"
    assert CLEANERS["lower"]("A Dog! ") == "a dog! "
    assert CLEANERS["none"]("A Dog! ") == "A Dog! "
