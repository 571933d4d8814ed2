"""A video, translated frame by frame, as another video: no more than one frame is in memory."""

import os
from collections.abc import Callable
from pathlib import Path

from gantool.data.decode import Corrupt
from gantool.images import table_of
from gantool.translator import Translator
from gantool.videos import Writer, look_at


def translate_video(
    translator: Translator, path: Path, out: Path, strip: Path | None, advance: Callable[[int], None]
) -> bool:
    """Write the translation of a video, of its frame rate and its moments, without sound.

    A generator with noise gets the same in every frame, so that noise does not flicker.

    Args:
        translator: of images.
        path: of the video.
        out: of its translation; it appears when it is complete.
        strip: of a video of both side by side; None = none.
        advance: told of each frame.

    Answers whether its frames are of quite another size than in training. Raises Corrupt for a file that is
    no video, or none to its end: what came before that is translated.
    """
    video = look_at(path)
    done, far, damage = 0, False, None
    files = [out] if strip is None else [out, strip]
    unfinished = [file.with_name(f".{file.name}.{os.getpid()}") for file in files]
    for file in unfinished:
        file.parent.mkdir(parents=True, exist_ok=True)
    try:
        writers = [Writer(file, video.rate) for file in unfinished]
        try:
            for frame in video:
                shown, made, picture = translator(frame.pixels, key=0)
                pictures = [picture] if strip is None else [picture, table_of([shown, made])]
                for writer, pixels in zip(writers, pictures, strict=True):
                    writer.add(pixels, frame)
                done, far = done + 1, far or translator.far(frame.pixels)
                advance(1)
        except Corrupt as error:
            damage = error
        finally:
            for writer in writers:
                writer.close()
        for before, after in zip(unfinished, files, strict=True):
            before.replace(after)
    finally:
        for file in unfinished:
            file.unlink(missing_ok=True)
    if damage is not None:
        raise Corrupt(f"only its first {done} frames: {damage}") from damage
    return far


def frames_of(path: Path) -> int | None:
    """Frames of a video, as far as the file knows them; None = it does not."""
    try:
        return look_at(path).count
    except Corrupt:
        return 1
