"""What a template prints is text, and seen, whatever it prints and however it is written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jinja2 import TemplateSyntaxError, UndefinedError
from markupsafe import Markup

import paddlex
from paddlex.evaluation.report import rendering
from paddlex.evaluation.report.rendering import render
from paddlex.evaluation.report.svg import element
from paddlex.utils.files import write_text

NASTY = "<b>\x1b[31m\u202e\udce9\u2028.png"
SEEN = r"&lt;b&gt;\u001b[31m\u202e\udce9\u2028.png"
PACKAGE = Path(paddlex.__file__).parent


@pytest.fixture
def rendered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Renders what a new template would, written today by somebody who thought of nothing."""

    def of(source: str, **values: object) -> Markup:
        (tmp_path / "new.html").write_text(source, encoding="utf-8")
        folders = (tmp_path, *rendering._FOLDERS)
        monkeypatch.setattr(rendering, "_FOLDERS", folders)
        monkeypatch.setattr(rendering, "_ENVIRONMENT", rendering._environment())
        return render("new.html", **values)

    return of


def test_text_and_attributes_hold_no_tag_and_nothing_hidden(tmp_path: Path, rendered) -> None:
    page = rendered('<p title="{{ name }}">{{ name }}{{ lines }}</p>', name=NASTY, lines="two\nlines")
    assert page == f'<p title="{SEEN}">{SEEN}two\nlines</p>'
    write_text(tmp_path / "page.html", page)
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == page


@pytest.mark.parametrize(
    "source",
    [
        "{{ name }}",
        "{{ name ~ name }}",
        "{{ chart ~ name }}",
        "{{ [chart, name]|join }}",
        "{{ [name, name]|join(', ') }}",
        "{{ names }}",
        "{{ name|e }}",
        "{{ name|upper|lower|replace('a', 'b')|trim }}",
        "{{ '%s' % name }}{{ '{}'.format(name) }}",
        "{% set held %}{{ name }}{% endset %}{{ held }}",
        "{% macro of(it) %}{{ it }}{% endmacro %}{{ of(name) }}",
        "{% macro around() %}{{ caller() }}{% endmacro %}{% call around() %}{{ name }}{% endcall %}",
        "{% filter upper|lower %}{{ name }}{% endfilter %}",
        "{% autoescape false %}{{ name }}{% endautoescape %}",
        "{% from 'macros.html' import table, notes %}{{ notes(names) }}{{ table(name, names, [names]) }}",
    ],
)
def test_a_new_template_cannot_print_a_tag_nor_what_hides(rendered, source: str) -> None:
    page = rendered(source, name=NASTY, names=[NASTY, NASTY], chart=Markup("<svg/>"))
    parser, found = HTMLParser(), []
    parser.handle_starttag = lambda tag, attributes: found.append(tag)  # type: ignore[method-assign]
    parser.feed(page)
    assert "b" not in found
    assert not re.search("[\x1b\u202e\udce9\u2028]", page)
    assert "u202e" in page


@pytest.mark.parametrize("source", ["{{ name|safe }}", "{{ name|urlize }}", "{{ name|tojson }}", "{{ {}|xmlattr }}"])
def test_no_filter_of_a_template_makes_text_count_as_markup(rendered, source: str) -> None:
    with pytest.raises(TemplateSyntaxError, match="No filter named"):
        rendered(source, name=NASTY)


def test_what_was_not_given_is_an_error_and_not_a_gap_in_the_page(rendered) -> None:
    with pytest.raises(UndefinedError, match="'score' is undefined"):
        rendered("{{ score }}")


def test_what_there_is_nothing_of_prints_nothing(rendered) -> None:
    assert rendered("<p>{{ nothing }}</p>", nothing=None) == "<p></p>"


def templates() -> Iterator[Path]:
    return (path for room in ("evaluation", "modules") for path in sorted((PACKAGE / room).rglob("*.html")))


def test_every_value_in_an_attribute_of_a_template_is_quoted() -> None:
    """Escaping protects a value between quotes only."""
    assert len(list(templates())) > 5
    assert [path.name for path in templates() if re.search(r"=\s*\{[{%]", path.read_text(encoding="utf-8"))] == []


def test_elements_of_a_drawing_hold_names_as_text() -> None:
    drawn = element("text", NASTY, element("tspan", "a & b"), None, x=3, class_='"name"', text_anchor=None)
    assert (
        drawn
        == f'<text x="3" class="&#34;name&#34;">{NASTY.replace("<b>", "&lt;b&gt;")}<tspan>a &amp; b</tspan></text>'
    )
