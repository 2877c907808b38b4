"""What a user gives for a path: whether it is a URL, and what to say of one that leads nowhere."""

from __future__ import annotations

import difflib
import os
from itertools import islice

#: Of a larger folder not every name is compared.
_MOST_NAMES = 5000

#: Ends of the names of archives that data sets and models are sent in.
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".7z", ".rar")


def is_url(source: object) -> bool:
    """Whether ``source`` is a string that starts with http:// or https://."""
    return isinstance(source, str) and source.lower().startswith(("http://", "https://"))


def advice_for_missing(path: str | os.PathLike[str]) -> str:
    """A sentence, without its full stop, on why there may be nothing at a path: a remedy of an error."""
    text = os.fspath(path)
    if "$" in text:
        return (
            "No shell has put a value in the place of what begins with $: write it out, or leave out the single quotes"
        )
    if text.startswith("~"):
        return "Here ~ is not the home folder: write the path out"
    if os.sep == "/" and "\\" in text:
        return "Folders are divided by / on this system, not by \\"
    folder, name = os.path.split(os.path.abspath(text))
    while not os.path.isdir(folder):
        folder, name = os.path.split(folder)
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in islice(entries, _MOST_NAMES)]
    except OSError:
        names = []
    near = [other for other in names if other.casefold() == name.casefold()]
    near = near or difflib.get_close_matches(name, names, n=1, cutoff=0.75)
    if near:
        return f"Did you mean {os.path.join(folder, near[0])}?"
    return f"There is no {name!r} in {folder}"


def advice_for_file(path: str | os.PathLike[str], folder: str) -> str:
    """The same where a file stands and ``folder``, such as "the folder of images", is wanted."""
    if os.fspath(path).lower().endswith(ARCHIVES):
        return f"Unpack the archive, and give {folder}"
    return f"Give {folder}"
