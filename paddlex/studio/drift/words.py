"""What the rule says, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paddlex.studio.drift.rule import FOCUS, LIGHT, PARTS, POSITION, State

_USUAL = {
    LIGHT: ("the light is as usual", "光照与平时一样"),
    FOCUS: ("the pictures are as sharp as usual", "图像清晰度与平时一样"),
    POSITION: ("the parts lie where they usually do", "工件位置与平时一样"),
    PARTS: ("the parts are judged as usual", "工件的得分与平时一样"),
}
_UNWATCHED = {
    LIGHT: ("no brightness was measured", "没有测量亮度"),
    FOCUS: ("no sharpness was measured", "没有测量清晰度"),
    POSITION: ("the model does not look where the part lies", "该模型不定位工件"),
    PARTS: ("the model has too few calibration scores", "该模型的校准得分太少"),
}
_CHANGED = {
    "brightness": (
        "the pictures are {}: the mean grey value is {now:.0f}, it was {before:.0f}. Look at lamp, exposure and cover",
        "图像变{}：平均灰度为 {now:.0f}，以前为 {before:.0f}。请检查光源、曝光和遮光罩",
        ("darker", "暗"), ("brighter", "亮"),
    ),
    "sharpness": (
        "the pictures are {}: details are {ratio:.2f} times as coarse as before. Look at lens, focus and distance",
        "图像变得{}：细节的粗细是以前的 {ratio:.2f} 倍。请检查镜头、对焦和距离",
        ("less sharp", "更模糊"), ("sharper", "更清晰"),
    ),
    "offset_x": (
        "the parts lie further {}: {now:+.1f} pixels across, it was {before:+.1f}. Look at the fixture and the camera",
        "工件偏{}：水平偏移 {now:+.1f} 像素，以前为 {before:+.1f}。请检查夹具和相机",
        ("left", "左"), ("right", "右"),
    ),
    "offset_y": (
        "the parts lie further {}: {now:+.1f} pixels down, it was {before:+.1f}. Look at the fixture and the camera",
        "工件偏{}：垂直偏移 {now:+.1f} 像素，以前为 {before:+.1f}。请检查夹具和相机",
        ("up", "上"), ("down", "下"),
    ),
    "angle": (
        "the parts are turned {}: {now:+.1f} degrees, it was {before:+.1f}. Look at the fixture and the camera",
        "工件向{}转动：{now:+.1f} 度，以前为 {before:+.1f}。请检查夹具和相机",
        ("anticlockwise", "逆时针"), ("clockwise", "顺时针"),
    ),
}  # fmt: skip
_SCORES = {
    PARTS: (
        "the parts look {} than they did, and light, focus and position have not changed. Look at material and process",
        "工件看起来比以前更{}，而光照、对焦和位置没有变化。请检查材料和工艺",
    ),
    LIGHT: (
        "the parts look {} than they did, and the light has changed. Look at the lamp, the exposure and the cover",
        "工件看起来比以前更{}，同时光照发生了变化。请检查光源、曝光和遮光罩",
    ),
    FOCUS: (
        "the parts look {} than they did, and the pictures are not as sharp as they were. Look at the lens and the focus",
        "工件看起来比以前更{}，同时图像清晰度发生了变化。请检查镜头和对焦",
    ),
    POSITION: (
        "the parts look {} than they did, and do not lie where they did. Look at the fixture and the camera",
        "工件看起来比以前更{}，同时位置发生了变化。请检查夹具和相机",
    ),
}
_UNUSUAL = (("more usual", "正常"), ("more unusual", "异常"))


def of_alarm(cause: str, details: Mapping[str, Any]) -> dict[str, str]:
    """What an alarm says, in English and Chinese.

    Args:
        cause: of the alarm.
        details: its ``quantity``, and that ``before`` and ``now``.
    """
    before, now = details["before"], details["now"]
    if details["quantity"] == "score":
        return _both(*(text.format(way) for text, way in zip(_SCORES[cause], _UNUSUAL[now > before], strict=True)))
    english, chinese, lower, higher = _CHANGED[details["quantity"]]
    figures = {"before": before, "now": now, "ratio": 2 ** (before - now)}
    ways = higher if now > before else lower
    return _both(english.format(ways[0], **figures), chinese.format(ways[1], **figures))


def of_state(cause: str, state: State) -> dict[str, str]:
    """How it stands with a cause that is not alarming, in English and Chinese."""
    if not state.is_watched:
        return _both(*_UNWATCHED[cause])
    if state.learnt < state.to_learn:
        return _both(
            f"what is usual is being learnt: {state.learnt} of {state.to_learn} shifts",
            f"正在学习正常情况：{state.learnt} / {state.to_learn} 个班次",
        )
    return _both(*_USUAL[cause])


def of_start(now: float, low: float, high: float) -> dict[str, str]:
    """That pictures of good parts were in another light than what is judged."""
    darker = now < low
    return _both(
        f"what is judged is {'darker' if darker else 'brighter'} than all pictures that the model learnt from: "
        f"a mean grey value of {now:.0f}, theirs were {low:.0f} to {high:.0f}",
        f"当前图像比模型学习过的图像更{'暗' if darker else '亮'}：平均灰度为 {now:.0f}，学习图像为 {low:.0f} 到 {high:.0f}",
    )


def _both(english: str, chinese: str) -> dict[str, str]:
    return {"en": english[0].upper() + english[1:] + ".", "zh": chinese + "。"}
