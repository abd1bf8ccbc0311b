"""Where parts become a face: options in, a ready extractor, animator, stages and session out.

Everything slow happens here, once: rigging the portrait, loading weights, the animator's `sit`. Everything that can be
wrong with what the user asked is found here too, not at frame 500.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType

from limner.engine.clock import Clock, MonotonicClock
from limner.engine.config import Settings
from limner.engine.errors import UsageError
from limner.engine.protocols import Animator, AudioSource, AVSink, FeatureExtractor, FrameStage
from limner.engine.session import Session
from limner.models.avatar import Avatar, default_avatar, load_avatar
from limner.models.backdrop import Backdrop, cut_out, parse
from limner.models.face.colour import to_picture
from limner.models.options import FaceOptions

from . import loader
from .options import Options

EMBEDDED = "morphable"             # the animator that needs nothing and stands in for the others

MakeAnimator = Callable[[FaceOptions], Animator]
MakeStages = Callable[[Options], list[FrameStage]]


@dataclass(slots=True)
class Face:
    """A seated animator with the extractor it listens to and the stages its frames pass."""

    avatar: Avatar
    extractor: FeatureExtractor
    animator: Animator
    stages: list[FrameStage] = field(default_factory=list)


def choose_avatar(options: Options) -> Avatar:
    """The avatar asked for: a pack, a bundled name, a picture rigged on the fly, or the default."""
    if options.portrait and not options.face_options().clip:
        from limner.models.portrait import make_avatar, read_image

        image = read_image(options.portrait)
        size = 512 if options.size <= 512 else 1024
        return make_avatar(image, size=size, face=options.face, force=options.force, name=options.portrait.stem)
    return load_avatar(options.avatar) if options.avatar else default_avatar()


def animators(options: Options) -> MakeAnimator:
    """What makes animators for many sessions: around one network where the animator can share it."""
    module = loader.load("animators", options.animator)
    return module.share(options.face_options()) if hasattr(module, "share") else module.create


def face(options: Options, avatar: Avatar | None = None, make_animator: MakeAnimator | None = None,
         make_stages: MakeStages | None = None) -> Face:
    """Build and seat the face. Many sessions give their `avatar`, already loaded, `animators(options)` and `chains(options)`."""
    backdrop = parse(options.background)
    avatar = avatar or choose_avatar(options)
    module = loader.load("animators", options.animator)
    asked = options.face_options()
    kind, name = module.EXTRACTOR.split("/")
    extractor = loader.load(kind, name).create(asked)
    animator = (make_animator or module.create)(asked)
    seat(animator, avatar, backdrop, options)
    chain = (make_stages or stages)(options)
    if asked.clip is None:
        tell_where(chain, avatar)
    return Face(avatar, extractor, animator, chain)


def tell_where(chain: list[FrameStage], avatar: Avatar) -> None:
    """Spare the restorers looking for a face whose place in the picture is known."""
    for stage in chain:
        if hasattr(stage, "seat"):
            stage.seat(avatar.portrait.landmarks, avatar.portrait.image.shape[:2])


def seat(animator: Animator, avatar: Avatar, backdrop: Backdrop, options: Options) -> None:
    """The animator's `sit`, before the backdrop asked for. Raises UsageError where that cannot be had."""
    if backdrop.kind == "keep":
        animator.sit_avatar(avatar)
        return
    if options.face_options().clip:
        raise UsageError(f"--background {options.background}: an idle clip keeps its own background; give a still picture")
    if getattr(animator, "layered", False):
        animator.sit_avatar(cut_out(avatar), backdrop.behind(avatar, options.size))
    else:
        animator.sit_avatar(backdrop.replace(avatar))


def stages(options: Options) -> list[FrameStage]:
    """Restorer and interpolator as asked; an empty list for the plain chain."""
    return chains(options)(options)


def chains(options: Options) -> MakeStages:
    """`stages` for many sessions: around one network each where the stage can share it. Their rate may differ."""
    name, _, budget = options.restore.partition(":")
    milliseconds = budget_ms(budget)
    restorer = interpolator = None
    if name != "off":
        restorer = _maker(loader.load("restorers", name), "budget_ms", weights=options.restore_weights, device=options.device)
    if options.interpolate != "off":
        module = loader.load("interpolators", options.interpolate)
        interpolator = _maker(module, "fps", weights=options.interpolate_weights, device=options.device)

    def make(asked: Options) -> list[FrameStage]:
        chain = [] if restorer is None else [restorer(milliseconds)]
        return chain if interpolator is None else [*chain, interpolator(asked.fps)]

    return make


def _maker(module: ModuleType, name: str, **about: object) -> Callable[[object], FrameStage]:
    """What makes a stage of the value called `name` in `create`."""
    if hasattr(module, "share"):
        return module.share(**about)
    return lambda value: module.create(**{name: value}, **about)


def budget_ms(text: str) -> float | None:
    """'8ms' or '8' as milliseconds, None for nothing. UsageError otherwise."""
    if not text:
        return None
    try:
        value = float(text.removesuffix("ms"))
    except ValueError:
        value = 0.0
    if not 0.5 <= value <= 1000:
        raise UsageError(f"--restore budget {text!r}: expected milliseconds from 0.5 to 1000, for example gfpgan:8ms")
    return value


def session(options: Options, *, sinks: list[AVSink], source: AudioSource | None = None,
            clock: Clock | None = None, prepared: Face | None = None) -> Session:
    """A session ready to run: `prepared` (or a freshly built face) between `source` and `sinks`."""
    it = prepared or face(options)
    settings = Settings(fps=options.fps, size=options.size, cap_ms=options.cap_ms, seed=options.seed)
    return Session(extractor=it.extractor, animator=it.animator, stages=it.stages, sinks=sinks, source=source,
                   clock=clock or MonotonicClock(), settings=settings, colour=to_picture, fallback=standby(options, it))


def standby(options: Options, it: Face) -> tuple[FeatureExtractor, Animator] | None:
    """The embedded face of the same person, seated, for when a network fails in mid-session.

    None where there is nobody to seat: the embedded face itself, an idle clip, or pictures that are not square.
    """
    height, width = it.animator.size
    if options.animator == EMBEDDED or options.face_options().clip or height != width:
        return None
    plain = dataclasses.replace(options, animator=EMBEDDED, size=height, weights=None, graph=None, basis=None,
                                restore="off", interpolate="off")
    spare = face(plain, it.avatar)
    return spare.extractor, spare.animator
