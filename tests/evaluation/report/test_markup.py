"""Elements of a page: what names of files hold is text, and seen."""

from __future__ import annotations

from pathlib import Path

from paddlex.evaluation.report.markup import tag
from paddlex.utils.files import write_text

NASTY = "<b>\x1b[31m\u202e\udce9\u2028.png"
SEEN = r"&lt;b&gt;\u001b[31m\u202e\udce9\u2028.png"


def test_text_and_attributes_hold_no_tag_and_nothing_hidden(tmp_path: Path) -> None:
    element = tag("p", NASTY, "two\nlines", title=NASTY)
    assert element == f'<p title="{SEEN}">{SEEN}two\nlines</p>'
    write_text(tmp_path / "page.html", element)
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == element
