"""Names of files and folders for whatever a patient or a slide is called."""

import hashlib
import os
import re

from prognoscope.core.errors import InputError

LONGEST = 80  # characters that are kept of a text
PLAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?")
RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")  # names that Windows keeps for itself


def safe_name(text: str) -> str:
    """A name that any disk takes, stays in its folder and is not hidden; another one for each text.

    A plain text is its own name. Of any other, what is not a letter, a digit or one of `._-` becomes `_`, and digits
    that stand for the whole text follow, so that `a/b` and `a_b` do not meet.
    """
    is_plain = PLAIN.fullmatch(text) and len(text) <= LONGEST and not RESERVED.fullmatch(text) and "~" not in text
    if is_plain:
        return text
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", text)[:LONGEST].strip("._-")
    plain = f"id_{plain}" if RESERVED.fullmatch(plain) or not plain else plain
    return f"{plain}~{hashlib.sha256(text.encode()).hexdigest()[:10]}"


def need_utf8(path: str) -> None:
    """Refuse a path that is no text, such as one of a system with other letters: nothing could be written of it.

    Raises:
        InputError: It is none; shows its bytes.
    """
    try:
        path.encode()
    except UnicodeEncodeError as cause:
        raise InputError(
            f"The path {str(os.fsencode(path))[1:]} is not UTF-8 text. Rename it; if it is, start with LC_ALL=C.UTF-8."
        ) from cause
