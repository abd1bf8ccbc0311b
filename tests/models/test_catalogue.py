import pytest

from limner.models.catalogue import PUBLISHED, recognise
from tests.golden import cases as golden

FOLDERS = {"dinet": "dinet", "dinet.syncnet": "dinet.sync", "dinet.disc_frame": "dinet.disc_frame", "dinet.disc_clip": "dinet.disc_clip",
           "wav2lip": "wav2lip", "wav2lip.syncnet": "wav2lip.sync", "wav2lip.disc": "wav2lip.disc", "syncnet_v2": "syncnet_v2",
           "amt_s": "amt_s", "amt_l": "amt_l", "amt_g": "amt_g", "gfpgan": "gfpgan", "gpen512": "gpen512", "gpen256": "gpen256",
           "codeformer": "codeformer", "restoreformer": "restoreformer", "pirender": "pirender"}


@pytest.mark.parametrize("folder", FOLDERS)
def test_published_keys_are_recognised(shared, folder):
    shapes = {key: tuple(entry["shape"]) for key, entry in golden.keys(folder).items()}
    assert recognise(shapes).name == FOLDERS[folder]


def test_unknown_keys_are_not():
    assert recognise({"fc.weight": (10, 10), "": (1,)}) is None


def test_entries_are_complete():
    assert len({entry.name for entry in PUBLISHED}) == len(PUBLISHED)
    assert all(entry.title and entry.use and entry.licence and entry.page and entry.file for entry in PUBLISHED)
