"""Settings: users, one's own password, what is kept, and the audit trail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

Open = Callable[..., Any]


def signs_in(studio: Any, name: str, password: str) -> bool:
    return httpx.post(f"{studio.url}/studio/session", json={"name": name, "password": password}).status_code == 200


def test_an_engineer_adds_a_user_and_takes_the_right_to_sign_in_away(open_studio: Open, studio: Any) -> None:
    page = open_studio().open("settings/users")
    browser = page.browser
    name = "王 Öztürk-3"
    browser.fill(".form-card input[type=text]", name)
    browser.fill(".form-card input[type=password]", "the first password")
    browser.click(".form-card .primary")
    page.toast("may sign in now")
    row = browser.locator("main.view tbody tr", has_text=name)
    assert row.count() == 1 and signs_in(studio, name, "the first password")

    row.locator("select").select_option("engineer")
    page.toast("is engineer now")
    row.locator("text=New password").click()
    browser.fill("dialog.asking input", "another password")
    browser.click("dialog.asking .primary")
    page.toast("has a new password")
    assert not signs_in(studio, name, "the first password") and signs_in(studio, name, "another password")

    row.locator("text=Switch off").click()
    browser.click("dialog.asking .danger")
    page.toast("is switched off")
    assert not signs_in(studio, name, "another password")
    assert "switched off" in row.inner_text()


def test_a_password_that_is_too_short_is_not_taken(open_studio: Open, studio: Any) -> None:
    page = open_studio().open("settings/users")
    page.browser.locator("main.view tbody tr", has_text="olga").locator("text=New password").click()
    page.browser.fill("dialog.asking input", "short")
    page.browser.click("dialog.asking .primary")
    assert page.browser.locator("dialog.asking input:invalid").count() == 1
    assert signs_in(studio, "olga", "a line of many words")


def test_everybody_changes_their_own_password(open_studio: Open, studio: Any) -> None:
    studio.client.post("/studio/users", json={"name": "carl", "role": "operator", "password": "a line of many words"})
    page = open_studio("carl").open("settings")
    page.browser.fill("input[autocomplete=current-password] >> visible=true", "not this one")
    page.browser.fill("input[autocomplete=new-password]", "words of my own")
    page.browser.click(".form-card .primary")
    page.browser.wait_for_selector(".form-card .wrong")
    page.browser.fill("input[autocomplete=current-password] >> visible=true", "a line of many words")
    page.browser.click(".form-card .primary")
    page.toast("password is changed")
    assert signs_in(studio, "carl", "words of my own")


def test_what_is_kept_and_when_shifts_begin_is_set(open_studio: Open, studio: Any) -> None:
    page = open_studio().open("settings/limits")
    browser = page.browser
    browser.fill("form:has-text('What is kept') input >> nth=0", "90")
    browser.click("form:has-text('What is kept') .primary")
    page.toast("Saved")
    browser.fill("input[list]", "Europe/Berlin")
    browser.fill("input[type=time] >> nth=0", "05:30")
    browser.click("form:has-text('Shifts') .primary")
    page.toast("Saved")
    assert studio.client.get("/studio/settings/retention").json()["days"] == 90
    shifts = studio.client.get("/studio/settings/shifts").json()
    assert (shifts["starts"][0], shifts["timeZone"]) == ("05:30", "Europe/Berlin")


def test_the_audit_trail_is_read_and_verified(open_studio: Open, studio: Any) -> None:
    page = open_studio().open("settings/audit")
    browser = page.browser
    browser.wait_for_selector("main.view tbody tr")
    entries = studio.client.get("/studio/audit").json()["entries"]
    assert browser.locator("main.view td.count").all_inner_texts() == [str(entry["number"]) for entry in entries]
    browser.click("main.view >> text=Verify")
    browser.wait_for_selector(".verification .good")
    assert browser.inner_text(".verification code") == entries[0]["hash"]
    browser.select_option(".heading select", "grid")
    of_product = [str(entry["number"]) for entry in entries if entry["product"] == "grid"]
    assert browser.locator("main.view td.count").all_inner_texts() == of_product
