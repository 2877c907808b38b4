"""What the name of a folder says about the pictures in it, in the words that people use."""

from __future__ import annotations

import re
import unicodedata

from paddlex.inference.walk import SYSTEM_FOLDERS


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Names of folders of good parts, to be told to a user; `is_normal_folder` takes others as well.
ACCEPTED_NORMAL_NAMES = "good, normal, ok, pass, 正常, 良品, 合格"

_NORMAL = _words("""good normal ok okay pass passed fine healthy intact qualified
    gut io gutteil gutteile
    正常 良 良好 合格 好 正 无缺陷 无异常 无瑕疵 정상 양품""") | {
    "i o",
    "defect free",
    "defectfree",
    "no defect",
    "no defects",
    "non defective",
    "not defective",
    "anomaly free",
}

_DEFECTIVE = _words("""bad ng nok defect defects defective anomaly anomalies anomalous abnormal fail failed
    faulty reject rejected schlecht schlechtteil schlechtteile nio ausschuss fehler defekt
    不良 缺陷 异常 不合格 次 坏 废 불량""") | {
    "n i o",
    "ni o",
    "not good",
    "no good",
    "not ok",
}

_PARTITIONS = frozenset({"train", "training", "val", "valid", "validation", "test", "testing", "训练", "验证", "测试"})

#: Words that say nothing about the part.
_NEUTRAL = (
    _PARTITIONS
    | _words("""data dataset dir folder image images img imgs jpegimages part parts photo photos pic pics
    picture pictures png jpg product products raw sample samples set 图 图像 图片 照片 数据 数据集 文件夹 目录 样本 样品""")
)

_MASKS = _words("""mask masks ground_truth ground-truth groundtruth gt label labels annotation annotations annot
    seg segmentation segmentationclass 掩码 掩膜 标注 标签 标记""")

#: Names that may be a kind of defect, but more often are what the words on the right say.
_DOUBTFUL = {
    **dict.fromkeys(("thumbs", "thumb", "thumbnail", "thumbnails", "preview", "previews", "缩略图"), "thumbnails"),
    **dict.fromkeys(("trash", "recycle", "recycled", "recycler", "deleted", "回收站", "废片"), "deleted files"),
    **dict.fromkeys(("backup", "backups", "bak", "old", "archive", "备份", "旧"), "a backup"),
    **dict.fromkeys(
        (
            "unsorted",
            "unknown",
            "unlabeled",
            "unlabelled",
            "todo",
            "review",
            "pending",
            "待定",
            "未知",
            "未分类",
            "待检",
        ),
        "parts that nobody has sorted",
    ),
    **dict.fromkeys(("tmp", "temp", "cache", "临时"), "temporary files"),
    **dict.fromkeys(
        (
            "output",
            "outputs",
            "result",
            "results",
            "predict",
            "prediction",
            "predictions",
            "heatmap",
            "heatmaps",
            "结果",
        ),
        "results of a program",
    ),
}

_CHINESE_SUFFIX = re.compile("(?<=.)(图像|图片|照片|图|样本|样品|文件夹|目录|数据|产品|零件|件|品)+$")

_DATE = re.compile(
    r"(19|20)\d\d(0[1-9]|1[0-2])?([0-2]\d|3[01])?(\d{4}(\d\d)?)?"
)  # to the second, as recorders name folders

_MASK_WORDS = frozenset({"mask", "masks", "maske", "masken", "groundtruth", "掩码", "掩膜"})


def is_normal_folder(name: str) -> bool:
    """Whether a folder of this name holds good parts: ``good``, ``OK``, ``normal_dir``, ``02_Good-images``, ``良品图片`` …"""
    return _telling_words(name) in _NORMAL


def is_defective_folder(name: str) -> bool:
    """Whether its name says plainly, if only by one of its words, that the parts are bad; others may be kinds of defects."""
    words = _telling_words(name)
    return words not in _NORMAL and (words in _DEFECTIVE or not _DEFECTIVE.isdisjoint(words.split()))


def is_partition_folder(name: str) -> bool:
    """Whether it is a part of a data set, such as ``train`` or ``test``."""
    return name.lower() in _PARTITIONS


def is_neutral_folder(name: str) -> bool:
    """Whether its name says nothing about the parts, such as ``images``; so does no name. A bare number may be a kind."""
    return not name or (not _telling_words(name) and (not name.isdecimal() or _DATE.fullmatch(name) is not None))


def is_mask_folder(name: str) -> bool:
    """Whether it holds masks by its name."""
    return name.lower() in _MASKS


def system_folder(name: str) -> str | None:
    """What a folder that a system has made holds; None for any other."""
    lower = name.lower()
    is_made_by_one = lower.startswith(("@", "#", "$", "~", "__")) and not lower[1:2].isdecimal()  # "#2" is a machine
    return SYSTEM_FOLDERS.get(lower) or ("files of the system" if is_made_by_one else None)


def doubtful_folder(name: str) -> str | None:
    """What a folder probably holds in place of photos of parts; None for any other."""
    words = _words_of(name)
    return _DOUBTFUL.get(name.lower()) or (None if _MASK_WORDS.isdisjoint(words) or is_mask_folder(name) else "masks")


def _telling_words(name: str) -> str:
    """The words of a name that are not neutral, in lower case, without digits and signs."""
    words = (_CHINESE_SUFFIX.sub("", word) for word in _words_of(name) if word not in _NEUTRAL)
    return " ".join(words)


def _words_of(name: str) -> list[str]:
    """The words of a name in lower case; letters of full width, or taken apart as macOS stores them, are as any others."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", unicodedata.normalize("NFKC", name))
    return [word.casefold() for word in re.split(r"[\W\d_]+", name) if word]
