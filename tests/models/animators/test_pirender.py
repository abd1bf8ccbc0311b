import torch
from limner.models.animators.pirender import build_network

from tests.golden import cases as golden


@golden.cases("pirender")
def test_equals_the_published_network(path):
    case = golden.read(path)
    network = golden.load(build_network(), case.name, case.seed)
    image, coefficients = case.tensors()
    with torch.inference_mode():
        rendered = network.render(network.prepare(image), coefficients)
        assert torch.equal(network(image, coefficients), rendered.image)
    case.check("y", rendered.image)
    case.check("warp_image", rendered.warped)
    case.check("flow_field", rendered.flow)
    case.check("descriptor", rendered.descriptor)
