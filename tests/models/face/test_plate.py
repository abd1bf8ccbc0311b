import numpy as np

from limner.models.avatar import load_avatar
from limner.models.face.fit import fit_mesh
from limner.models.face.lipline import settle_lips
from limner.models.face.mouth import to_rest
from limner.models.face.plate import find_teeth, lay_in
from limner.models.face.teeth import ABOVE, DENSITY, palette, row_of_teeth


def _smile():
    portrait = load_avatar("astronaut").portrait
    mesh = fit_mesh(settle_lips(portrait.image, portrait.landmarks), portrait.image.shape[0])
    return portrait.image, mesh, find_teeth(portrait.image, mesh)


def test_a_smile_shows_its_teeth():
    image, mesh, smile = _smile()
    assert smile is not None
    skin = image[int(mesh.rest[50, 1]), int(mesh.rest[50, 0])].mean()
    assert smile.colour.mean() > 0.9 * skin
    assert mesh.shape[14, 1] - 0.3 < smile.edge < mesh.shape[13, 1]


def test_closed_lips_show_none():
    portrait = load_avatar("otto").portrait
    mesh = fit_mesh(settle_lips(portrait.image, portrait.landmarks), portrait.image.shape[0])
    assert find_teeth(portrait.image, mesh) is None


def test_own_teeth_are_laid_where_they_are_seen():
    _, mesh, smile = _smile()
    row = row_of_teeth(palette(np.ones(3), 200), upper=True)
    depth = float(mesh.shape[13, 2]) - 0.9
    out = lay_in(row, smile, smile.edge, to_rest(mesh, depth))
    middle, edge = row.shape[1] // 2, round(ABOVE * DENSITY)
    near, far = np.s_[edge - 25:edge - 5, middle - 30:middle + 30], np.s_[:10]
    assert np.abs(out[near] - row[near])[..., :3].mean() > 3
    assert np.abs(out[far] - row[far]).max() < 1
    assert out[..., 3].max() <= 1 and np.isfinite(out).all()
