import re

import pytest
import torch

from limner.clients import hearing
from limner.engine.errors import UsageError
from limner.models.bridge import Bridge
from tests.clients.test_train import wav
from tests.models import graphs
from tests.models.features.test_deepspeech import voice


def test_delay_and_difference_are_printed(tmp_path, capsys):
    graph, sound = graphs.write(tmp_path / "g.pb", graphs.deep_speech()), wav(tmp_path / "s.wav", voice(3))
    torch.manual_seed(0)
    torch.save({"state_dict": {"net": Bridge().state_dict()}}, tmp_path / "b.pth")
    assert hearing.run(sound, graph, tmp_path / "b.pth") == 0
    lines = capsys.readouterr().out.splitlines()
    found = [re.search(r"(\d+) ms of look-ahead, difference ([\d.]+)", line) for line in lines[1:]]
    assert [int(m[1]) for m in found] == [385, 78]
    assert 0 < float(found[0][2]) < 0.6 < float(found[1][2])             # the bridge is untrained
    with pytest.raises(UsageError, match="frozen graph"):
        hearing.run(sound, graph, graph)
