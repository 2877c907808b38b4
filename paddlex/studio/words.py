"""What is found about pictures, in English and Chinese."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

BLURRED, DARK, BRIGHT, FLAT, DUPLICATE, SUSPECT = "blurred", "dark", "bright", "flat", "duplicate", "suspect"
UNLIKE, IN_BOTH, DATA_SET = "unlike", "inBoth", "dataSet"

_WORDS = {
    BLURRED: ("Less sharp than the others.", "比其他图片模糊。"),
    DARK: ("Darker than the others, or nearly black.", "比其他图片暗，或几乎全黑。"),
    BRIGHT: ("Brighter than the others, or nearly white.", "比其他图片亮，或几乎全白。"),
    FLAT: ("All of one grey: hardly anything is to be seen.", "灰度几乎一致，看不出内容。"),
    DUPLICATE: ("Shows a part that is there already.", "该工件已有一张图片。"),
    SUSPECT: ("May show a defect: far from what is usual among good parts.", "可能有缺陷：与其他良品差异很大。"),
    UNLIKE: ("Unlike all others: perhaps another product.", "与其他图片都不同：可能是其他产品。"),
    IN_BOTH: (
        "A bad part that looks like a good one: the same part, perhaps.",
        "不良品图片与良品图片非常相似：可能是同一工件。",
    ),
}


def finding(kind: str, digests: Sequence[str]) -> dict[str, Any]:
    """What is found about some pictures, as the page has it."""
    english, chinese = _WORDS[kind]
    return {"kind": kind, "words": {"en": english, "zh": chinese}, "digests": list(digests)}


def remark(english: str, chinese: str, digests: Sequence[str] = ()) -> dict[str, Any]:
    """What else is to be said, of some pictures or of all together."""
    return {"kind": DATA_SET, "words": {"en": english, "zh": chinese}, "digests": list(digests)}


def is_known(kind: str) -> bool:
    """Whether there are words for a kind."""
    return kind in _WORDS
