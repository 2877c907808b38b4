"""Whatever is shown beside the Judge view is for all: in both languages, on a phone, with a name for every control."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Open = Callable[..., Any]

VIEWS = (
    "history", "models", "models/challenge", "models/qualify", "drift", "settings", "settings/users", "settings/limits",
    "settings/audit",
)  # fmt: skip

NAMELESS = """() => [...document.querySelectorAll("main.view :is(button, input, select, a, summary)")]
    .filter(element => element.offsetParent !== null)
    .filter(({labels, textContent, title, placeholder, ariaLabel}) =>
        !(labels?.length || textContent.trim() || title || placeholder || ariaLabel))
    .map(element => element.outerHTML)"""


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_a_phone_shows_every_view_without_scrolling_sideways(open_studio: Open, locale: str) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True, "color_scheme": "dark"}
    page = open_studio("ada", locale=locale, **phone)
    for view in VIEWS:
        page.open(view)
        page.browser.wait_for_load_state("networkidle")
        assert page.browser.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, view
        assert page.browser.evaluate(NAMELESS) == [], view
        text = page.browser.inner_text("main.view")
        assert ("版本" in text or "设置" in text or "记录" in text or "漂移" in text or "判定" in text) == (
            locale == "zh-CN"
        ), view


def test_both_languages_say_the_same_things(chromium: Any, studio: Any) -> None:
    page = chromium.new_page()
    page.goto(studio.url)
    strings = page.evaluate("""async () => {
        const address = (name, language) => `${location.origin}/page/studio/strings.${name}.${language}.js`;
        const read = async (name, language) => (await import(address(name, language))).default;
        const names = ["review", "shell", "teach"];
        return Promise.all(names.map(async name => [await read(name, "en"), await read(name, "zh")]));
    }""")
    page.close()
    for english, chinese in strings:
        assert english.keys() == chinese.keys()
