"""The stamps of Tux Paint: named color pictures in groups, from Debian's tuxpaint-stamps-default.

- The labels are the groups, which are the top folders: animals, food, vehicles, ... Groups of fewer
  than 20 pictures are left out, and so are drawings in SVG. Photographs and cartoons both occur.
- Everything else is as for `folder:`. In particular, transparent pixels become white.
- About one in four pictures is for testing; a hash of the picture's subject decides which. The
  subject is the first word of the file's name that is not a color, a number or a single letter:
  `apple.png`, `red_apple.png` and `apple_2_mirror.png`, in any folders, are on the same side.
- `data.holdout` keeps the pictures of a subject together too.

The package is under the GNU GPL, version 2 or later.
"""

import hashlib
import re
from collections import Counter
from pathlib import Path

from ssl_jax.data.dataset import Dataset
from ssl_jax.data.files import Unreadable
from ssl_jax.data.folder import from_pictures, pictures_below
from ssl_jax.data.options import Options
from ssl_jax.data.splits import Picture
from ssl_jax.data.tree import printable
from ssl_jax.errors import InputError

FOLDER = Path("/usr/share/tuxpaint/stamps")
_MIN_PICTURES = 20
_TEST_SHARE = 4
_COLORS = r"(?:and|black|blue|filled|golden|green|outline|pink|red|white|yellow)"


def open_stamps(options: Options) -> Dataset:
    """Opens the installed stamps, by the rules at the top of this file.

    Raises:
      InputError: the package is not installed, or more than `max_unreadable` files cannot be read.
    """
    if not FOLDER.is_dir():
        raise InputError(
            f"data.name: {options.name!r} needs the pictures in {FOLDER}, which is missing; "
            "expected Debian's package: `apt install tuxpaint-stamps-default`"
        )
    unreadable = Unreadable(options.name, options.max_unreadable)
    pictures = pictures_below(FOLDER, unreadable)
    sizes = Counter(picture.label for picture in pictures)
    small = sorted(label for label, size in sizes.items() if label and size < _MIN_PICTURES)
    pictures = [picture for picture in pictures if sizes[picture.label] >= _MIN_PICTURES]
    train = [picture for picture in pictures if not _is_test(picture)]
    test = [picture for picture in pictures if _is_test(picture)]
    if not (train and test):
        raise InputError(
            f"data.name: {options.name!r} found too few pictures in {FOLDER}; "
            f"expected groups of {_MIN_PICTURES} or more"
        )
    notes = [f"stamps: {len(train)} pictures to train on, {len(test)} of other subjects to test on"]
    if small:
        left_out = ", ".join(map(printable, small))
        notes.append(f"groups of fewer than {_MIN_PICTURES} pictures are left out: {left_out}")
    return from_pictures(options, train, test, notes, unreadable, original=_subject_of)


def subject(name: str) -> str:
    """Returns what a picture shows, from the name of its file without the ending."""
    words = re.findall(r"[a-z]+|[0-9]+", name.lower())
    plain = [re.sub(f"^{_COLORS}+(?=[a-z])", "", word) for word in words]
    telling = [
        word
        for word in plain
        if len(word) > 1 and word.isalpha() and not re.fullmatch(_COLORS, word)
    ]
    return (telling or plain or [name])[0]


def _subject_of(picture: Picture) -> str:
    return subject(picture.path.stem)


def _is_test(picture: Picture) -> bool:
    digest = hashlib.sha256(printable(_subject_of(picture)).encode()).digest()
    return int.from_bytes(digest[:8], "big") % _TEST_SHARE == 0
