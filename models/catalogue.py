"""The published networks limner can run: how to recognise their files, whose they are, where their authors publish them.

None of these files is part of limner, and nothing fetches one unasked.
"""

from dataclasses import dataclass

UNSTATED = "none stated: all rights reserved by default"


@dataclass(frozen=True, slots=True)
class Published:
    """One network. `key` and `shape` name one tensor that no other network here has."""

    name: str
    kind: str                                # animator | interpolator | restorer | score | training | features
    title: str
    use: str                                 # how a user hands it over
    licence: str
    page: str                                # where its authors publish it
    file: str                                # the name it is published under
    key: str = ""
    shape: tuple[int, ...] = ()


_DINET = "https://github.com/MRzzm/DINet"
_WAV2LIP = "https://github.com/Rudrabha/Wav2Lip"
_AMT = "https://github.com/MCG-NKU/AMT"

PUBLISHED = (
    Published("dinet", "animator", "DINet generator", "--animator dinet --weights FILE", UNSTATED, _DINET,
              "clip_training_DINet_256mouth.pth", "adaAT.commn_linear.0.weight", (256, 256)),
    Published("deepspeech", "features", "Deep Speech 0.1.0 frozen graph", "--graph FILE", "MPL-2.0", _DINET,
              "output_graph.pb"),
    Published("bridge", "features", "distilled Deep Speech bridge", "--graph FILE", "your own",
              "made by `limner train bridge`", "bridge.pth", "stem.weight", (192, 80, 13)),
    Published("dinet.sync", "training", "DINet lip-sync network", "limner train dinet --sync FILE", UNSTATED, _DINET,
              "syncnet_256mouth.pth", "face_encoder.face_conv.0.conv.weight", (64, 15, 7, 7)),
    Published("dinet.disc_frame", "training", "DINet frame discriminator", "lies in the state of limner train dinet", UNSTATED, _DINET,
              "netG_model_epoch_N.pth", "down_blocks.0.conv.weight", (128, 3, 4, 4)),
    Published("dinet.disc_clip", "training", "DINet clip discriminator", "lies in the state of limner train dinet", UNSTATED, _DINET,
              "netG_model_epoch_N.pth", "down_blocks.0.conv.weight", (128, 15, 4, 4)),
    Published("vgg19", "training", "VGG-19 (ImageNet)", "limner train dinet --vgg FILE", "BSD-3-Clause (torchvision)",
              "https://pytorch.org/vision/stable/models/vgg.html", "vgg19-dcbb9e9d.pth", "features.28.weight", (512, 512, 3, 3)),
    Published("wav2lip", "animator", "Wav2Lip generator", "--animator wav2lip --weights FILE", "personal, research, non-commercial",
              _WAV2LIP, "wav2lip_gan.pth", "face_decoder_blocks.0.0.conv_block.0.weight", (512, 512, 1, 1)),
    Published("wav2lip.sync", "score", "Wav2Lip lip-sync network", "limner score --weights FILE", "personal, research, non-commercial",
              _WAV2LIP, "lipsync_expert.pth", "face_encoder.16.conv_block.0.weight", (512, 512, 1, 1)),
    Published("wav2lip.disc", "training", "Wav2Lip quality discriminator", "recognised; not used for drawing", "personal, research, non-commercial",
              _WAV2LIP, "visual_quality_disc.pth", "binary_pred.0.weight", (1, 512, 1, 1)),
    Published("syncnet_v2", "score", "SyncNet", "limner score --weights FILE", "MIT (code)",
              "https://github.com/joonson/syncnet_python", "syncnet_v2.model", "netcnnlip.0.weight", (96, 3, 5, 7, 7)),
    Published("pirender", "animator", "PIRenderer", "--animator pirender --weights FILE", "CC BY-NC 4.0",
              "https://github.com/RenYurui/PIRender", "epoch_00190_iteration_000400000_checkpoint.pt",
              "mapping_net.first.0.weight"),
    Published("amt_s", "interpolator", "AMT-S", "--interpolate amt --interpolate-weights FILE", "CC BY-NC 4.0", _AMT,
              "amt-s.pth", "encoder.pyramid1.0.0.weight", (20, 3, 3, 3)),
    Published("amt_l", "interpolator", "AMT-L", "--interpolate amt --interpolate-weights FILE", "CC BY-NC 4.0", _AMT,
              "amt-l.pth", "encoder.pyramid1.0.0.weight", (48, 3, 7, 7)),
    Published("amt_g", "interpolator", "AMT-G", "--interpolate amt --interpolate-weights FILE", "CC BY-NC 4.0", _AMT,
              "amt-g.pth", "encoder.pyramid1.0.0.weight", (84, 3, 7, 7)),
    Published("gfpgan", "restorer", "GFPGAN 1.4", "--restore gfpgan --restore-weights FILE", "Apache-2.0",
              "https://github.com/TencentARC/GFPGAN", "GFPGANv1.4.pth", "stylegan_decoder.constant_input.weight"),
    Published("gpen512", "restorer", "GPEN 512", "--restore gpen --restore-weights FILE", UNSTATED,
              "https://github.com/yangxy/GPEN", "GPEN-BFR-512.pth", "generator.input.input", (1, 512, 4, 4)),
    Published("gpen256", "restorer", "GPEN 256", "--restore gpen --restore-weights FILE", UNSTATED,
              "https://github.com/yangxy/GPEN", "GPEN-BFR-256.pth", "generator.input.input", (1, 256, 4, 4)),
    Published("codeformer", "restorer", "CodeFormer", "--restore codeformer --restore-weights FILE", "S-Lab 1.0, non-commercial",
              "https://github.com/sczhou/CodeFormer", "codeformer.pth", "idx_pred_layer.1.weight"),
    Published("restoreformer", "restorer", "RestoreFormer", "--restore restoreformer --restore-weights FILE", "Apache-2.0",
              "https://github.com/wzhouxiff/RestoreFormer", "RestoreFormer.pth", "decoder.mid.block_1.conv1.weight"),
)


def by_name(name: str) -> Published:
    return next(entry for entry in PUBLISHED if entry.name == name)


def recognise(shapes: dict[str, tuple[int, ...]]) -> Published | None:
    """The network a state dict belongs to, told by its keys and shapes, or None."""
    for entry in PUBLISHED:
        if entry.key and entry.key in shapes and entry.shape in ((), tuple(shapes[entry.key])):
            return entry
    return None
