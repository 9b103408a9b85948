"""From members to samples: which ending is what, and what the ``.json`` of others says.

``.jpg .png .webp …`` are pictures, ``.wav .flac .ogg .mp3 …`` sounds, ``.txt`` is the text,
``.cls`` the class, ``.json`` an object with texts, a label, a language. Other endings are
passed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from interlingua.content import Content
from interlingua.data.endings import AUDIO_ENDINGS, IMAGE_ENDINGS
from interlingua.data.shards import sample_json
from interlingua.data.shards.sample_json import WrongDescriptionError
from interlingua.errors import MediaError
from interlingua.sample import Audio, AudioUse, Image, Label, Meta, OneOf, Part, Sample, Text

Role = Literal["image", "audio", "text", "label", "json", ""]

MAX_TEXT_BYTES = 1 << 20  # of a .txt, .cls or .json member

_ROLES: dict[str, Role] = {
    **{ending[1:]: "image" for ending in IMAGE_ENDINGS},
    **{ending[1:]: "audio" for ending in AUDIO_ENDINGS},
    **dict.fromkeys(("txt", "text", "transcript", "caption"), "text"),
    **dict.fromkeys(("cls", "class"), "label"),
    **dict.fromkeys(("json", "jsn"), "json"),
}
# What the JSON of others calls things; the first that is there counts.
_TEXT_LISTS = ("texts", "captions", "sentences")
_TEXTS = ("text", "caption", "title", "description", "alt")
_LABELS = ("label", "class", "category")
_LANGUAGES = ("language", "lang", "locale")
_TRANSCRIPTS = ("transcript", "transcription", "sentence")


def role_of(ending: str, members: Mapping[str, str] = {}) -> Role:
    """What a member with this ending is; empty = passed over.

    Args:
        ending: ``jpg``, or ``left.jpg``, which is what ``jpg`` is.
        members: by role, the ending that is meant where a sample has several.
    """
    plain = ending.lower()
    role = _ROLES.get(plain.rpartition(".")[2], "")
    for chosen, wanted in members.items():
        if wanted.lower() == plain:
            return chosen  # type: ignore[return-value]  # the source's Config checks it
    return "" if role in members else role


@dataclass(frozen=True, slots=True)
class Reading:
    """How the members of foreign shards are taken.

    Attributes:
        source: the name for ``Meta.source``.
        audio: what sounds are where the JSON doesn't say.
        language: of texts and speech where the JSON doesn't say.
        members: by role, the ending that is meant.
        classes: names of the classes that ``.cls`` numbers; empty = the number is the name.
    """

    source: str
    audio: AudioUse = "sound"
    language: str | None = None
    members: Mapping[str, str] = field(default_factory=dict)
    classes: Sequence[str] = ()

    def sample(self, key: str, contents: Mapping[str, Content]) -> Sample:
        """The sample; its texts are read now, its media when they are needed.

        Args:
            key: of its members.
            contents: by ending, in the order of the tar.

        Raises:
            MediaError: a text member is damaged, too large or no JSON; or nothing is usable.
        """
        by_role: dict[str, list[Content]] = {}
        for ending, content in contents.items():
            by_role.setdefault(role_of(ending, self.members), []).append(content)
        said: Mapping[str, Any] = {}
        for content in by_role.get("json", [])[:1]:
            said = sample_json.parse(_small(content), content.name)
            if sample_json.FORMAT in said:
                return self._described(said, contents, content.name)
        return self._foreign(key, by_role, said)

    def _described(
        self, said: Mapping[str, Any], contents: Mapping[str, Content], where: str
    ) -> Sample:
        try:
            return sample_json.rebuild(said, contents, self.source)
        except WrongDescriptionError as error:
            raise MediaError(
                f"The sample has a {error}.",
                reason="wrong_description",
                where=where,
                next_step="Write the shards again; a newer version needs a newer interlingua.",
            ) from error

    def _foreign(
        self, key: str, by_role: Mapping[str, list[Content]], said: Mapping[str, Any]
    ) -> Sample:
        language = _first(said, _LANGUAGES) or self.language
        texts = [Text(text, language) for text in self._texts(by_role, said)]
        label = self._label(by_role, said)
        parts: list[Part | OneOf] = [Image(one) for one in by_role.get("image", [])[:1]]
        for sound in by_role.get("audio", [])[:1]:
            parts.append(self._audio(sound, said, texts, language))
        if texts:
            parts.append(OneOf(tuple(texts)) if len(texts) > 1 else texts[0])
        if label:
            parts.append(Label(label))
        if not parts:
            raise MediaError(
                "The sample has no picture, sound or text.",
                reason="nothing",
                where=key,
                next_step="Leave it out.",
            )
        meta = Meta(
            source=self.source,
            group=_first(said, ("group",)) or label,
            licence=_first(said, ("licence", "license")),
            name=texts[0].text.lower() if texts else "",
        )
        return Sample(key, tuple(parts), meta=meta)

    def _audio(
        self, content: Content, said: Mapping[str, Any], texts: Sequence[Text], language: str | None
    ) -> Audio:
        stated = _first(said, ("audio", "use"))
        use: AudioUse = self.audio
        if stated in ("speech", "sound"):
            use = "speech" if stated == "speech" else "sound"
        if use == "sound":
            return Audio(content, "sound")
        transcript = _first(said, _TRANSCRIPTS) or (texts[0].text if texts else None)
        return Audio(content, "speech", language=language, transcript=transcript)

    def _texts(
        self, by_role: Mapping[str, list[Content]], said: Mapping[str, Any]
    ) -> Iterator[str]:
        """Every caption once: lists of the JSON, else the text member, else the JSON's own."""
        lists = next((said[name] for name in _TEXT_LISTS if said.get(name)), None)
        if isinstance(lists, list):
            found = [one for one in lists if isinstance(one, str)]
        elif by_role.get("text"):
            found = [_decoded(_small(by_role["text"][0]))]
        else:
            found = [_first(said, _TEXTS)]
        yield from dict.fromkeys(text for one in found if (text := " ".join(one.split())))

    def _label(self, by_role: Mapping[str, list[Content]], said: Mapping[str, Any]) -> str:
        found = ""
        for content in by_role.get("label", [])[:1]:
            found = _decoded(_small(content)).strip()
        found = found or _first(said, _LABELS)
        if self.classes and found.isascii() and found.isdigit() and len(found) < 9:
            number = int(found)
            return self.classes[number] if number < len(self.classes) else found
        return found


def _small(content: Content) -> bytes:
    if content.size() > MAX_TEXT_BYTES:
        raise MediaError(
            f"The text has {content.size():,} bytes; the limit is {MAX_TEXT_BYTES:,}.",
            reason="too_large",
            where=content.name,
            next_step="Leave it out: this is no caption.",
        )
    return content.read()


def _decoded(data: bytes) -> str:
    return data.decode("utf-8-sig", "replace")


def _first(said: Mapping[str, Any], names: Sequence[str]) -> str:
    """The first of these fields that holds a text or a number."""
    for name in names:
        value = said.get(name)
        if isinstance(value, str) and value.strip():
            return value.strip()
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
    return ""
