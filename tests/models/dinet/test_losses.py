import torch

from limner.models.dinet.losses import VGG19Features, gan_loss, half_fake, perception_loss
from tests.golden import cases as golden


@golden.cases("dinet.vgg19")
def test_equals_the_published_losses(path):
    case = golden.read(path)
    vgg = golden.load(VGG19Features(), "dinet.vgg19", case.seed)
    real, fake, score = case.tensors()
    with torch.inference_mode():
        for number, feature in enumerate(vgg(real)):
            case.check(f"f{number}_mean", feature.mean((2, 3)))
        case.check("fake_half", half_fake(fake))
        case.check("perception_loss", perception_loss(vgg, fake, real).reshape(1))
        case.check("gan_true", gan_loss(score, True).reshape(1))
        case.check("gan_false", gan_loss(score, False).reshape(1))


def test_gradient_reaches_the_fake_but_not_the_features():
    torch.manual_seed(0)
    vgg = VGG19Features()
    fake = torch.rand(1, 3, 32, 32, requires_grad=True)
    perception_loss(vgg, fake, torch.rand(1, 3, 32, 32)).backward()
    assert fake.grad.abs().sum() > 0 and all(p.grad is None for p in vgg.parameters())


def test_gan_loss_of_a_perfect_score():
    assert gan_loss(torch.ones(2, 1, 3, 3), True) == 0 and gan_loss(torch.ones(2, 1, 3, 3), False) == 1
