"""Why a file cannot be used, in a word for programs and a sentence for people."""

from __future__ import annotations

from typing import Final

EMPTY: Final = "empty"
UNSUPPORTED: Final = "unsupported"
TRUNCATED: Final = "truncated"
DAMAGED: Final = "damaged"
TOO_MANY_PIXELS: Final = "too_many_pixels"
TOO_LARGE: Final = "too_large"
BOMB: Final = "bomb"
NO_PIXELS: Final = "no_pixels"
NO_DECODER: Final = "no_decoder"
BAD_FRAME: Final = "bad_frame"
BAD_WINDOW: Final = "bad_window"


class MediaError(Exception):
    """This file, or what was asked of it, is refused.

    `code` is one of the constants of this module and stays stable; `sentence` is plain English and names no value
    that was read from the file other than sizes, counts and format names.
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
