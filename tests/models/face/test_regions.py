from limner.models.face.canonical import subdivided
from limner.models.face.regions import regions, smoothstep


def test_smoothstep_runs_either_way():
    assert smoothstep(0, 2, [-1, 0, 1, 2, 3]).tolist() == [0, 0, 0.5, 1, 1]
    assert smoothstep(2, 0, [-1, 1, 3]).tolist() == [1, 0.5, 0]


def test_regions_know_upper_from_lower_lip_and_left_from_right():
    template = subdivided()
    r = regions(template.vertices)
    middle = len(template.inner_upper) // 2
    upper, lower = template.inner_upper[middle], template.inner_lower[middle]
    assert r.jaw[upper] < 0.05 < 0.95 < r.jaw[lower]
    assert 0.3 < r.jaw[template.inner_upper[0]] < 0.7
    assert r.left[template.inner_upper[-1]] == 1 and r.left[template.inner_upper[0]] == 0
    for field in (r.left, r.below, r.jaw, r.upper, r.lower, r.corner, r.mouth):
        assert field.min() >= 0 and field.max() <= 1
