"""The model of a gallery, and the picture that is searched for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from iics.arrays import FloatArray
from iics.cli.model_file import load_model_or_run
from iics.config import Centre
from iics.errors import DataError, GalleryError, WeightsError
from iics.home_folder import expanded
from iics.regular_file import MOST_PICTURE_BYTES, read_regular
from iics.subjects import SUBJECTS, Subject

if TYPE_CHECKING:
    from iics.gallery.gallery import Gallery
    from iics.models.centre_choice import CentreChoice
    from iics.models.reid_model import ReidModel


def model_of_gallery(gallery: Gallery, path: Path | None, *, device: str) -> ReidModel:
    """Return the model in `path`, or in the file that the gallery was indexed with.

    Raises:
        GalleryError: If it is another one than the gallery's, or the file is gone.
        WeightsError: If the file cannot be read.
    """
    if path is None:
        path = gallery.model_file
        if path is None or not path.is_file():
            where = "where it is was not kept" if path is None else f"there is none at {path} any more"
            raise GalleryError(
                f"The gallery {gallery.uri} needs its model {gallery.model_fingerprint}, and {where}; name it by "
                "--model."
            )
    from iics.models.extraction_memory import check_extraction_fits

    model = load_model_or_run(path, device=device)
    gallery.check_model(model)
    check_extraction_fits(model, 1, batch_size=1)
    return model


def subject_of(gallery: Gallery) -> Subject:
    """Return what the crops of a gallery show, as its model's file says; people where that is gone or unreadable."""
    from iics.models.model_file import read_header

    file = gallery.model_file
    try:
        return SUBJECTS["person" if file is None or not file.is_file() else read_header(file).subject]
    except (WeightsError, OSError):
        return SUBJECTS["person"]


def centring_of(gallery: Gallery, model: ReidModel, centre: Centre | None) -> CentreChoice:
    """Return whether searches compare centred features; log why, and which cameras training saw too little of.

    Raises:
        WeightsError: If they are to be centred and the model has no camera means.
    """
    from iics.gallery.centred_gallery import gallery_choice

    choice = gallery_choice(gallery, model.camera_means, centre)
    choice.log()
    return choice


def embed_picture(model: ReidModel, path: Path) -> FloatArray:
    """Return the feature of a picture. Shape (1, d).

    Raises:
        DataError: If there is none, or it cannot be decoded.
    """
    from iics.pixels.crop_images import decode_image

    try:
        data = read_regular(expanded(path), most_bytes=MOST_PICTURE_BYTES)
    except OSError as error:
        raise DataError(f"Cannot read the query {path}: {error.strerror}.") from error
    try:
        picture = decode_image(data)
    except DataError as error:
        raise DataError(f"The query {path} cannot be decoded: {error}.") from error
    return model.embed([picture])
