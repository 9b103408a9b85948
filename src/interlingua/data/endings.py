"""Which file endings are taken for pictures, sounds and texts when files are looked for.

What a file really is, the media gate decides from its bytes.
"""

from __future__ import annotations

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".svg")
AUDIO_ENDINGS = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au")
TEXT_ENDING = ".txt"


def describe() -> str:
    """One line for messages."""
    return f"pictures: {' '.join(IMAGE_ENDINGS)}; sounds: {' '.join(AUDIO_ENDINGS)}"
