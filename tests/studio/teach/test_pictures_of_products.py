"""Products, and pictures as they come in."""

from __future__ import annotations

from typing import Any

import cv2
import httpx
import numpy as np
import pytest

from tests.studio.teach.conftest import StudioProcess, picture, png_of


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["errorMsg"]


def test_a_product_begins_with_the_recommended_model_and_all_steps_open(studio: StudioProcess) -> None:
    made = studio.call("POST", "/products", json={"name": "Gehäuse 7"})
    everything = studio.call("GET", "/products")

    assert everything["products"][0]["name"] == made["name"] == "Gehäuse 7"
    assert made["settings"]["model"] == everything["template"]
    assert everything["template"] in everything["templates"]
    assert made["steps"] == dict.fromkeys(("pictures", "check", "regions", "fit", "threshold", "live"), "open")
    assert made["counts"] == {"good": 0, "challenge": 0, "aside": 0}
    assert made["live"] is made["shadow"] is made["job"] is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "../up",
        "a/b",
        "a\\b",
        ".hidden",
        "ends.",
        "auto",
        "CON",
        "con.txt",
        "a\nb",
        "x" * 65,
        "件" * 60,
    ],
)
def test_a_name_that_no_folder_or_model_can_have_is_refused(studio: StudioProcess, name: str) -> None:
    status, message = problem(studio.client.post("/studio/products", json={"name": name}))
    assert status == 422
    assert "Choose another name" in message


def test_two_names_that_some_systems_take_for_one_are_one(studio: StudioProcess) -> None:
    studio.call("POST", "/products", json={"name": "Plate"})
    assert problem(studio.client.post("/studio/products", json={"name": "plate"}))[0] == 409


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"settings": {"model": "Nothing"}}, "there is no model"),
        ({"settings": {"model": "../../pipelines/anomaly_detection"}}, "there is no model"),
        ({"settings": {"imageSize": 7}}, "Train.image_size"),
        ({"settings": {"imageSize": "auto\nTrain: {}"}}, "imageSize"),
        ({"settings": {"robust": "perhaps"}}, "robust"),
        ({"settings": {"colour": "red"}}, "colour"),
        ({"settings": {"regions": {}}}, "PUT the regions"),
        ({"targetFpr": 0}, "targetFpr"),
        ({"targetFpr": 1.5}, "targetFpr"),
    ],
)
def test_settings_that_no_training_could_begin_with_are_refused(
    studio: StudioProcess, changes: dict[str, Any], said: str
) -> None:
    if not any(one["name"] == "settings" for one in studio.call("GET", "/products")["products"]):
        studio.call("POST", "/products", json={"name": "settings"})
    status, message = problem(studio.client.patch("/studio/products/settings", json=changes))
    assert status == 422
    assert said in message


def test_settings_are_kept_and_audited(studio: StudioProcess) -> None:
    studio.call("POST", "/products", json={"name": "audited"})
    changed = studio.call("PATCH", "/products/audited", json={"targetFpr": 0.01, "settings": {"imageSize": 96}})

    assert changed["targetFpr"] == 0.01
    assert changed["settings"]["imageSize"] == 96
    entries = [entry for entry in studio.call("GET", "/audit")["entries"] if entry["product"] == "audited"]
    assert [entry["action"] for entry in entries] == ["product.change", "product.add"]
    assert entries[0]["details"]["target_fpr"] == {"from": 0.05, "to": 0.01}


def test_pictures_are_kept_with_their_names_and_shown(studio: StudioProcess) -> None:
    studio.add_product("kept", [picture(number) for number in range(3)])
    found = studio.call("GET", "/products/kept/pictures", params={"limit": 2})

    assert [one["name"] for one in found["pictures"]] == ["part 0.png", "part 1.png"]
    assert found["total"] == 3
    rest = studio.call("GET", "/products/kept/pictures", params={"limit": 2, "after": found["next"]})
    assert [one["name"] for one in rest["pictures"]] == ["part 2.png"]
    assert rest["next"] is None
    one = found["pictures"][0]
    assert (one["role"], one["source"], one["width"], one["height"], one["addedBy"]) == (
        "good",
        "import",
        96,
        96,
        "anna",
    )
    answer = studio.client.get(f"/studio/pictures/{one['digest']}")
    assert answer.content == png_of(picture(0))
    assert answer.headers["content-type"] == "image/png"
    thumbnail = studio.client.get(f"/studio/pictures/{one['digest']}/thumbnail")
    assert cv2.imdecode(np.frombuffer(thumbnail.content, np.uint8), cv2.IMREAD_COLOR).shape == (96, 96, 3)


def test_a_broken_file_does_not_spoil_the_others(studio: StudioProcess) -> None:
    studio.call("POST", "/products", json={"name": "broken"})
    files = [
        ("files", ("good.png", png_of(picture(1)))),
        ("files", ("notes.txt", b"no picture")),
        ("files", ("cut.png", png_of(picture(2))[:-400])),
        ("files", ("again.png", png_of(picture(1)))),
    ]
    told = studio.call("POST", "/products/broken/pictures", files=files)["pictures"]

    assert [one.get("errorCode") for one in told] == [None, 415, 415, 409]
    assert "good.png" in told[3]["errorMsg"]
    assert studio.call("GET", "/products/broken")["counts"]["good"] == 1


def test_what_looks_wrong_is_flagged_and_stays_until_a_person_takes_it_out(studio: StudioProcess) -> None:
    studio.add_product("flagged", [picture(number) for number in range(12)])
    good = picture(50)
    again = np.clip(picture(3) + np.random.default_rng(9).normal(0, 3, good.shape), 0, 255).astype(np.uint8)
    odd = {
        "blurred": cv2.GaussianBlur(picture(51), (0, 0), 3),
        "dark": (picture(52) * 0.5).astype(np.uint8),
        "bright": np.clip(picture(53).astype(float) + 70, 0, 255).astype(np.uint8),
        "duplicate": again,
        "": good,
    }
    told = studio.send("flagged", list(odd.values()), first=12)

    assert [one["problem"] for one in told] == list(odd)
    by_name = {one["digest"]: one["name"] for one in studio.call("GET", "/products/flagged/pictures")["pictures"]}
    assert by_name[told[3]["duplicateOf"]] == "part 3.png"
    wrong = studio.call("GET", "/products/flagged/pictures", params={"problem": "any"})
    assert wrong["total"] == 4
    body = {"digests": [one["digest"] for one in wrong["pictures"]], "role": "aside"}
    assert studio.call("PATCH", "/products/flagged/pictures", json=body)["counts"] == {
        "good": 13,
        "challenge": 0,
        "aside": 4,
    }


def test_a_live_picture_is_judged_by_the_products_good_ones_and_not_kept(studio: StudioProcess) -> None:
    studio.add_product("live", [picture(number) for number in range(8)])

    def frame(image: np.ndarray) -> dict[str, Any]:
        return studio.call("POST", "/products/live/frame", files={"file": ("frame.png", png_of(image))})

    hints = ("isBlurred", "isDark", "isBright", "isDuplicate")
    assert [frame(picture(60))[hint] for hint in hints] == [False] * 4
    assert [frame(cv2.GaussianBlur(picture(60), (0, 0), 3))[hint] for hint in hints] == [True, False, False, False]
    assert [frame((picture(60) * 0.5).astype(np.uint8))[hint] for hint in hints] == [False, True, False, False]
    assert [frame(picture(5))[hint] for hint in hints] == [False, False, False, True]
    assert studio.call("GET", "/products/live/pictures")["total"] == 8


def test_before_there_are_good_pictures_only_what_no_photo_should_be_is_told(studio: StudioProcess) -> None:
    studio.call("POST", "/products", json={"name": "first"})

    def frame(image: np.ndarray) -> dict[str, Any]:
        return studio.call("POST", "/products/first/frame", files={"file": ("frame.png", png_of(image))})

    assert not any(frame(picture(1))[hint] for hint in ("isBlurred", "isDark", "isBright", "isDuplicate"))
    assert frame(np.full((96, 96, 3), 3, np.uint8))["isDark"]
    assert frame(np.full((96, 96, 3), 252, np.uint8))["isBright"]
    assert frame(cv2.GaussianBlur(picture(1, 512), (0, 0), 5))["isBlurred"]


def test_regions_are_kept_in_shares_and_audited_and_nonsense_is_refused(studio: StudioProcess) -> None:
    studio.add_product("regions", [picture(number) for number in range(2)])
    corner = [[0, 0], [0.25, 0], [0.25, 0.25], [0, 0.25]]
    everything = [[0, 0], [1, 0], [1, 1], [0, 1]]

    kept = studio.call("PUT", "/products/regions/regions", json={"ignore": [corner]})
    assert kept["ignore"] == [corner]
    assert kept["picture"] == studio.call("GET", "/products/regions/pictures")["pictures"][0]["digest"]
    assert studio.call("GET", "/products/regions")["steps"]["regions"] == "done"
    refused = [
        {"ignore": [everything]},
        {"ignore": [[[0, 0], [2, 0], [2, 2]]]},
        {"inspect": [[[0, 0], [1, 1]]]},
        {"zones": [{"name": "a", "polygon": corner}, {"name": "b", "polygon": corner}]},
    ]
    assert [studio.client.put("/studio/products/regions/regions", json=body).status_code for body in refused] == [
        422
    ] * 4
    assert studio.call("GET", "/products/regions/regions")["ignore"] == [corner]
    actions = [entry["action"] for entry in studio.call("GET", "/audit")["entries"] if entry["product"] == "regions"]
    assert actions.count("regions.change") == 1


def test_regions_need_pictures_of_one_size(studio: StudioProcess) -> None:
    studio.add_product("sizes", [picture(1), picture(2), picture(3, 64)])
    body = {"ignore": [[[0, 0], [0.5, 0], [0.5, 0.5]]]}
    status, message = problem(studio.client.put("/studio/products/sizes/regions", json=body))
    assert status == 409
    assert "2 sizes, 1 of 64 x 64 pixels" in message


def test_each_bad_part_that_is_brought_is_in_the_audit_trail(studio: StudioProcess) -> None:
    studio.call("POST", "/products", json={"name": "brought"})
    added = studio.send("brought", [picture(70), picture(71)], role="challenge")
    entries = studio.call("GET", "/audit?limit=20")["entries"]
    told = [one["details"]["picture"] for one in entries if one["action"] == "challenge.add"]
    assert told == [one["digest"] for one in reversed(added)]
