"""Writes fixtures/clip_tokens.json: what open_clip's own tokenizer makes of varied texts.

Run with a Python that has open_clip (3.3.0) and ftfy:
    python tests/data/make_clip_tokens.py
"""

from __future__ import annotations

import json
from pathlib import Path

import open_clip

# ruff: noqa: E501

SUBJECTS = [
    "a dog", "two cats", "an ostrich", "the Eiffel Tower", "a red Ferrari 458", "sushi", "a quilt",
    "a Brontosaurus skeleton", "grandma's teapot", "an old-fashioned typewriter", "WW2 aeroplanes",
    "H2O molecule", "Ångström", "a piñata", "Zürich", "naïve café", "smörgåsbord", "coöperation",
]  # fmt: skip
FRAMES = ["a photo of {}.", "{}", "A bad PHOTO of {}!", "itap of {} (close-up), 50% off",
          "there's {} in the scene", "{} & friends; #1", "a {}-shaped cake, isn't it?"]  # fmt: skip
ODD = [
    "", " ", "\t\n", "a", "!", "...", "?!?!", "a\tb\nc\r\nd", "  many   spaces  ", "\u00a0nbsp\u00a0",
    "don't won't I'll we've they're I'd it's I'm", "DON'T IT'S", "rock'n'roll", "'s 't 're", "o''clock",
    "“curly” ‘quotes’ it’s", "„low“ «guillemets» ‹single›", "ﬁne eﬀect ﬂow", "ｆｕｌｌ　ｗｉｄｔｈ １２３",
    "&lt;b&gt;bold&lt;/b&gt;", "Q&amp;A", "Q&amp;amp;A", "&eacute;t&eacute;", "&#39;quoted&#39;", "&copy; 2021",
    "&notanentity;", "AT&T", "<p>tag &amp; text</p>", "a < b > c", "100%", "3.14159", "1,234,567.89", "2021-03-04",
    "0x1F600", "3rd 22nd 101st", "½ cup ¾ spoon", "x² + y² = z²", "10°C", "€5 £6 ¥7 ₹8", "№5",
    "😀", "👩‍👩‍👧‍👦 family", "🇫🇷🇩🇪", "👍🏽", "❤️ love ♥", "🐕🐈🐁", "text😀text", "☀️☁️☂️",
    "日本語のテキスト", "北京 上海", "한국어 텍스트", "русский текст", "ΕΛΛΗΝΙΚΑ κείμενο", "ΟΔΥΣΣΕΥΣ", "עברית", "العربية",
    "ไทย", "हिन्दी", "தமிழ்", "ქართული", "İstanbul ISPARTA ıspanak", "Straße STRASSE ẞ", "ǅ Ǆ ǆ Ǌ ǳ Ĳ ŉ", "ﬀ ﬃ ﬄ", "ｶﾞｷﾞ ﾊﾝｶｸ ￠￡",
    "e\u0301 vs \u00e9", "a\u0308o\u0308u\u0308", "zero\u200bwidth", "soft\u00adhyphen", "word\u2060joiner",
    "en–dash em—dash", "ellipsis…", "bullet • point", "a_b_c snake_case", "CamelCaseWord", "path/to/file.jpg",
    "https://example.org/a?b=c&d=e#f", "me@example.org", "@user #hashtag", "C++ C# F#", "a*b**c", "[x](y)",
    "{a: 1, \"b\": [2]}", "back\\slash", "`code`", "~tilde~", "^caret^", "pipe|pipe", "$100.00", "aaaaaaaaaaaaaaaa",
    "antidisestablishmentarianism", "pneumonoultramicroscopicsilicovolcanoconiosis", "xkcdqwzx zzxxyy", "IMG_20210304_123456",
    "DSC01234.JPG", "the " * 100, "supercalifragilistic " * 30, "1234567890" * 12, "word, " * 60, "日" * 90, "😀" * 40,
    "x" * 300, "A dog. " * 11, " ".join(str(n) for n in range(74)), " ".join(str(n) for n in range(10, 30)),
]  # fmt: skip


def main() -> None:
    subjects = [frame.format(one) for number, one in enumerate(SUBJECTS)
                for frame in (FRAMES[number % len(FRAMES)], FRAMES[(number + 3) % len(FRAMES)])]  # fmt: skip
    texts = [*ODD, *subjects, *(frame.format("a blue whale") for frame in FRAMES)]
    texts += [f"clipart number {number}, colour {number * 37 % 256}" for number in range(60)]
    tokenize = open_clip.tokenizer.SimpleTokenizer()
    rows = []
    for text, ids in zip(texts, tokenize(texts).tolist(), strict=True):
        end = ids.index(tokenize.eot_token_id)
        rows.append({"text": text, "ids": ids[: end + 1]})
    path = Path(__file__).parent / "fixtures" / "clip_tokens.json"
    path.parent.mkdir(exist_ok=True)
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
