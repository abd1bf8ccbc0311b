"""The published file pipeline replayed from our parts: sound to windows, crops, drawing and its hard paste."""

import cv2
import numpy as np
import torch

from limner.models.animators.dinet import build_network
from limner.models.dinet import crop
from limner.models.features.deepspeech import file_inputs
from tests.golden import cases as golden

MARGIN = 3                                   # the script's reference numbers run so far ahead of its padded list


def order(case) -> list[int]:
    """Frames as the script pads them: the first twice, then back and forth with both ends doubled."""
    count = len(case.inputs["frames"])
    return [0, 0] + [*range(count), *reversed(range(count))] * 50


def network_picture(frame, box, mouth):
    height, width = crop.picture_size(mouth)
    return cv2.resize(box.cut(frame)[..., ::-1], (width, height))


def check_radii(case, frames):
    landmarks = case.inputs["landmarks"]
    count = len(case.outputs["y"])
    own = [crop.radius(landmarks[frames[i:i + 5]]) for i in range(count)]
    assert own == list(case.outputs["radius"][5:])
    for index, published in zip(case.outputs["ref_index"], case.outputs["radius"][:5], strict=True):
        window = landmarks[frames[index - MARGIN - 2:index - MARGIN + 3]]
        low, high = (crop.radius(window, margin) for margin in crop.REFERENCE_MARGIN)
        assert low <= published <= high


@golden.cases("dinet.e2e")
def test_replay(path):
    case = golden.read(path)
    mouth = case.meta["mouth_region_size"]
    video, landmarks, radii = case.inputs["frames"], case.inputs["landmarks"], case.outputs["radius"]
    frames, count = order(case), len(case.outputs["y"])
    check_radii(case, frames)

    logits = (file_inputs(case.inputs["wav"] / 32768.0) @ case.inputs["ds_proj"])[::2]
    padded = np.pad(logits, ((2, 2), (0, 0)), "edge")
    audio = np.stack([padded[i:i + 5].T for i in range(count)])
    assert np.abs(audio - case.outputs["audio"]).max() < 1e-5

    references = []
    for index, size in zip(case.outputs["ref_index"], radii[:5], strict=True):
        j = frames[index - MARGIN]
        references.append(crop.to_network(network_picture(video[j], crop.crop_box(landmarks[j], int(size)), mouth)))
    references = np.concatenate(references)
    assert np.array_equal(references, case.outputs["ref"])

    network = golden.load(build_network(), "dinet", case.seed)
    for i in range(count):
        j = frames[i + 2]
        box = crop.crop_box(landmarks[j], int(radii[5 + i]))
        source = crop.to_network(crop.hide_mouth(network_picture(video[j], box, mouth), mouth))
        assert np.array_equal(source, case.outputs["source"][i])
        with torch.inference_mode():
            y = network(*(torch.from_numpy(a[None]) for a in (source, references, case.outputs["audio"][i])))[0].numpy()
        assert np.abs(y - case.outputs["y"][i]).max() < 5e-5         # ten times the float32 noise of the network
        check_paste(video[j], box, int(radii[5 + i]), y, case.outputs["frames"][i])


def check_paste(frame, box, size, y, published):
    """The published paste: crop size by bilinear, without the bottom quarter radius, cut to whole numbers."""
    face = cv2.resize(y.transpose(1, 2, 0)[..., ::-1] * 255, (box.right - box.left, box.bottom - box.top))
    pasted = frame.copy()
    box.cut(pasted)[:3 * size] = face[:3 * size].astype(np.uint8)
    assert np.abs(pasted.astype(int) - published).max() <= 1         # a value on a whole number may be cut either way


def test_sizes_of_the_three_stages():
    assert [crop.picture_size(m) for m in (64, 128, 256)] == [(104, 80), (208, 160), (416, 320)]
    assert crop.mouth_box(256) == crop.Box(128, 384, 32, 288)
