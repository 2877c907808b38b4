"""One family of errors. Each says what is wrong, where, and what to do about it, in one line."""

from __future__ import annotations

import errno

from paddlex.utils.console import visible


class PaddleXError(Exception):
    """Base of every error that a user can meet and put right.

    Args:
        what: what is wrong, as a sentence without a full stop.
        where: the file, line, key or input it is about, if there is one.
        remedy: what the user can do, as a sentence or a question; a full stop is added.
    """

    def __init__(self, what: str, *, where: object = None, remedy: str | None = None) -> None:
        self.what = what
        self.where = None if where is None else str(where)
        self.remedy = remedy
        super().__init__(str(self))

    def __str__(self) -> str:
        text = self.what if self.where is None else f"{self.what} ({self.where})"
        if self.remedy is None:
            return visible(text)
        return visible(f"{text}. {self.remedy}" + ("" if self.remedy.endswith("?") else "."))

    def __reduce__(self) -> tuple[object, ...]:
        """Errors travel between processes, whatever arguments their class takes."""
        return _rebuild, (type(self), self.__dict__)


def _rebuild(kind: type[PaddleXError], state: dict[str, object]) -> PaddleXError:
    error = kind.__new__(kind)
    error.__dict__.update(state)
    error.args = (str(error),)
    return error


class ConfigError(PaddleXError):
    """A config file or an ``-o`` override cannot be used."""


class DatasetError(PaddleXError):
    """A data set is missing, malformed or unfit for training."""


class DatasetCheckError(DatasetError):
    """The check of a data set, or its conversion, found problems.

    Args:
        problems: the first of them, each with the keys severity, what, where and remedy.
        total: how many there are in all.
    """

    def __init__(self, problems: list[dict[str, str]], total: int) -> None:
        self.problems = problems
        self.total = total
        first = problems[0]
        found = "1 problem" if total == 1 else f"{total} problems, the first"
        super().__init__(f"the data set has {found}: {first['what']}", where=first["where"], remedy=first["remedy"])


class ImageReadError(PaddleXError):
    """An image cannot be found, read or decoded."""


class PhotoError(PaddleXError):
    """A photo is not such as the model is for, so it is not judged, and counts as not good."""


class PartNotFoundError(PhotoError):
    """The part is not in an image, or not where it may be: there is nothing to judge."""


class ResultFileError(PaddleXError):
    """A file of a result cannot be written."""


class ImageTooLargeError(ImageReadError):
    """An image has more pixels than are allowed."""


class WeightsError(PaddleXError):
    """A weight file is missing, damaged, unsafe or of another architecture."""


class DownloadError(PaddleXError):
    """A file could not be fetched, or is not the file that was expected."""


class ModelError(PaddleXError):
    """An inference folder is missing, incomplete or not understood."""


class NotFiniteError(ModelError):
    """The network's answer to an image has a value that is not finite: the image is not judged, and counts as not good."""


class UnknownProductError(PhotoError):
    """A photo shows no product that there is a model of, or may show two: it is not judged, and counts as not good."""


class DeviceError(PaddleXError):
    """The requested device does not exist or cannot be used."""


class TrainingError(PaddleXError):
    """Training cannot start, go on or be resumed."""


class BenchmarkError(PaddleXError):
    """Categories of a benchmark failed; the others have their figures."""


class Interrupted(PaddleXError):
    """A signal has stopped the work, and what was done until then is kept.

    Args:
        signal_number: the signal, for the exit status (128 + signal_number).
    """

    def __init__(self, what: str, *, signal_number: int, where: object = None, remedy: str | None = None) -> None:
        self.signal_number = signal_number
        super().__init__(what, where=where, remedy=remedy)


class TrainingInterrupted(Interrupted):
    """Training was stopped by a signal, after a checkpoint was saved."""


class RefitError(TrainingError):
    """A model cannot be fitted again, or not to these photos."""


class ProcessLost(TrainingError):
    """Another process of the same training run has ended: the cause is that one's error, not this."""


class WorkspaceError(PaddleXError):
    """A studio's workspace or its database cannot be used, or what is asked for does not go with what is in it."""


class MissingPackageError(PaddleXError):
    """What was asked for needs a package that is optional, and not installed."""


class LineError(PaddleXError):
    """A station on the line, or one of its ports, cannot do what it is for."""


class ScaleOutError(PaddleXError):
    """A cluster cannot do what it is asked to."""


def in_one_line(error: BaseException) -> str:
    """What is wrong, as a user is told it, for errors of any family: one line, with a remedy where one is known."""
    if isinstance(error, PaddleXError):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return "Interrupted."
    if isinstance(error, SystemExit):
        return f"a library has ended the program, with status {error.code}"
    # Paddle's errors begin with pages of C++; what is wrong comes after this line
    text = " ".join(str(error).rpartition("Error Message Summary:")[2].split()).lstrip("- ")
    if isinstance(error, MemoryError):
        found = f": {text}" if text else ""
        return f"the memory is not enough{found}. Lower batch_size or image_size, or end other programs."
    if isinstance(error, OSError) and error.strerror:
        where = "" if error.filename is None else f" ({error.filename})"
        remedy = _REMEDIES.get(error.errno or 0)
        return f"{error.strerror}{where}.{f' {remedy}.' if remedy else ''}"
    kind = type(error).__name__
    return f"{kind}: {text}" if text and not isinstance(error, OSError) else text or kind


def remedy_of(error: BaseException, otherwise: str) -> str:
    """What to do about an error of the operating system; ``otherwise`` for another one, or where that is not known."""
    return _REMEDIES.get(getattr(error, "errno", None) or 0, otherwise)


#: What to do about an error of the operating system.
_REMEDIES = {
    errno.ENOSPC: "Free some space on the disk, or choose a folder on another one",
    errno.EDQUOT: "Free some space on the disk, or choose a folder on another one",
    errno.EFBIG: "The system limits the size of files: raise the limit (ulimit -f), or choose another disk",
    errno.EACCES: "Check who owns it and may read and write it",
    errno.EPERM: "Check who owns it and may read and write it",
    errno.EROFS: "The disk is read-only: choose a folder on another one",
    errno.ENOENT: "Check the path",
    errno.EEXIST: "A file has the name of a folder that is to be written: choose another one",
    errno.ENOTDIR: "A part of the path is a file: choose another one",
    errno.EMFILE: "Raise the limit of open files (ulimit -n)",
    errno.ENAMETOOLONG: "Shorten the name",
}
