"""Around the views: who is signed in, what each may open; by keyboard, on a phone, in two languages."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

Open = Callable[..., Any]
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
VIEWS = ["Judge", "Teach", "History", "Models", "Drift", "Settings"]


def views_of(page: Any) -> list[str]:
    return page.browser.locator("#rail a").all_inner_texts()


def test_an_operator_has_no_way_to_teach(open_studio: Open) -> None:
    assert views_of(open_studio("ada")) == VIEWS
    page = open_studio("olga")
    assert views_of(page) == [view for view in VIEWS if view != "Teach"]
    page.browser.evaluate("location.hash = '#teach'")  # typed by hand
    page.browser.wait_for_selector("#judge:not([hidden])")
    assert page.browser.locator("main:visible").count() == 1


def test_a_wrong_password_is_said_and_nothing_opens(open_studio: Open, studio: Any) -> None:
    browser = open_studio("ada").browser.context.browser.new_context(locale="en-US").new_page()
    browser.goto(studio.url)
    browser.fill(".access input[type=text]", "ada")
    browser.fill(".access input[type=password]", "not this one")
    browser.keyboard.press("Enter")
    browser.get_by_text("Name or password is wrong.").wait_for()
    browser.keyboard.press("Escape")
    assert browser.is_visible(".access") and browser.locator("#rail a").count() == 0
    browser.context.close()


def test_a_session_that_ends_is_renewed_over_what_is_on_the_page(open_studio: Open, parts: Any) -> None:
    browser = open_studio("ada").browser
    browser.set_input_files("#files", str(parts[0]))
    browser.locator("#verdict-word", has_text=re.compile("OK|NG")).wait_for()
    browser.context.clear_cookies()
    browser.click("#rail a[href='#history']")
    browser.wait_for_selector(".access")
    assert browser.input_value(".access input[type=text]") == "ada"
    browser.fill(".access input[type=password]", "a line of many words")
    browser.keyboard.press("Enter")
    browser.wait_for_selector("main.view h2")  # what was asked for goes on
    browser.click("#rail a[href='#judge']")
    assert browser.inner_text("#verdict-word") in ("OK", "NG") and browser.inner_text("#count-all") == "1"


def test_signing_out_leaves_nothing_on_the_page(open_studio: Open, parts: Any) -> None:
    browser = open_studio("olga").browser
    browser.set_input_files("#files", str(parts[0]))
    browser.locator("#verdict-word", has_text=re.compile("OK|NG")).wait_for()
    browser.click("#user")
    browser.get_by_role("button", name="Sign out").click()
    browser.wait_for_selector(".access")
    assert browser.text_content("#count-all") == "0"
    assert browser.context.cookies() == [] or all(one["name"] != "studio_session" for one in browser.context.cookies())


def test_files_are_judged_only_where_the_judge_view_is_open(open_studio: Open) -> None:
    browser = open_studio("ada").browser
    browser.click("#rail a[href='#history']")
    browser.wait_for_selector("main.view")
    drop = """() => {
        const data = new DataTransfer();
        data.items.add(new File(["x"], "part.png", { type: "image/png" }));
        document.dispatchEvent(new DragEvent("dragenter", { dataTransfer: data, bubbles: true }));
        document.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
        return [document.querySelector("#drop-target").hidden, document.querySelector("#count-all").textContent];
    }"""
    assert browser.evaluate(drop) == [True, "0"]


def test_the_address_names_the_view_and_back_leads_back(open_studio: Open) -> None:
    browser = open_studio("ada").browser
    for view in ("teach", "drift"):
        browser.click(f"#rail a[href='#{view}']")
        browser.wait_for_selector(f"#rail a[href='#{view}'][aria-current=page]")
    assert browser.url.endswith("#drift") and browser.title().startswith("Drift")
    browser.go_back()
    browser.wait_for_selector("#rail a[href='#teach'][aria-current=page]")
    browser.reload()
    browser.wait_for_selector("#rail a[href='#teach'][aria-current=page]")
    assert browser.locator("main:visible").count() == 1


def test_views_are_reached_by_keyboard_and_each_takes_the_focus(open_studio: Open) -> None:
    browser = open_studio("ada").browser
    browser.focus("#rail a[href='#models']")
    browser.keyboard.press("Enter")
    browser.wait_for_selector("main.view:focus")
    browser.focus(".skip")
    browser.keyboard.press("Enter")
    assert browser.evaluate("document.activeElement.matches('main.view')") and browser.url.endswith("#models")


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_a_phone_has_the_views_at_its_foot_and_scrolls_sideways_nowhere(open_studio: Open, locale: str) -> None:
    browser = open_studio("ada", **PHONE, locale=locale).browser
    for view in ("judge", "teach", "history", "models", "drift", "settings"):
        browser.tap(f"#rail a[href='#{view}']")
        browser.wait_for_selector(f"#rail a[href='#{view}'][aria-current=page]")
        browser.wait_for_load_state("networkidle")
        assert browser.evaluate("[document.documentElement.scrollWidth, innerWidth]") == [390, 390], view
    links = browser.locator("#rail a").evaluate_all("all => all.map(link => link.getBoundingClientRect())")
    assert all(link["height"] >= 44 and link["bottom"] <= 844 for link in links)


def test_all_words_change_with_the_language(open_studio: Open) -> None:
    browser = open_studio("ada").browser
    browser.click("#language")
    assert browser.locator("#rail a").all_inner_texts() == ["检测", "示教", "记录", "模型", "漂移", "设置"]
    assert browser.inner_text("label[for=model]") == "产品"


def test_no_words_stand_in_the_place_of_others_and_each_is_in_both_languages(open_studio: Open) -> None:
    browser = open_studio("ada").browser
    keys = browser.evaluate("""async () => {
        const files = ["page/strings", "page/studio/strings.shell", "page/studio/strings.teach", "page/studio/strings.review"];
        const of = async (file, language) => Object.keys((await import(`/${file}.${language}.js?as-it-stands`)).default).sort();
        return Promise.all(files.map((file) => Promise.all([of(file, "en"), of(file, "zh")])));
    }""")
    assert all(english == chinese for english, chinese in keys)
    page, shell, teach, review = (set(english) for english, _ in keys)
    assert shell & page == {"title", "skip", "model", "model.default", "threshold.moved"}  # meant to
    assert review & page <= {"model.replaced"}  # likewise
    assert not (teach & page or teach & review or teach & shell or review & shell)
