"""However outputs lie in memory, and whatever their shape, the loss is the same."""

import pytest
import torch

from cotrain.ops import BinaryCrossEntropy, CrossEntropy, Focal, Huber


def test_strides_do_not_matter(kernels):
    wide = torch.randn(30, 24)
    soft = torch.rand(12, 30).t()
    weight = torch.rand(30, 2)[:, 1]
    for logits in (wide[:, ::2], wide[:, 3:15], torch.randn(12, 30).t(), wide[:1, :12].expand(30, 12)):
        strided = kernels.one_head(logits, soft, weight)
        packed = kernels.one_head(logits.contiguous(), soft.contiguous(), weight.contiguous())
        assert all(map(kernels.same, strided, packed))


# Images whose memory lies in every way that PyTorch gives it; strides of dimensions of size 1 mean nothing.
LAYOUTS = {
    "a last dimension of one": lambda image: image[..., :1].contiguous().transpose(2, 3),
    "one between two others": lambda image: image[:, :, :, None, :5],
    "turned": lambda image: image.transpose(2, 3),
    "classes turned": lambda image: image.permute(0, 2, 1, 3),
    "channels last": lambda image: image.to(memory_format=torch.channels_last),
    "every other line": lambda image: image[:, :, ::2],
    "expanded": lambda image: image[:, :, :1, :1].expand(3, 4, 5, 6),
    "expanded samples": lambda image: image[:1].permute(0, 3, 1, 2).expand(2, 7, 4, 6),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", [CrossEntropy(), BinaryCrossEntropy()], ids=["classes", "elements"])
def test_how_an_image_lies_in_memory_does_not_matter(kernels, layout, kind):
    generator = torch.Generator().manual_seed(0)
    image, soft = (LAYOUTS[layout](torch.rand(3, 4, 6, 7, generator=generator)) for _ in range(2))
    mask = LAYOUTS[layout](torch.rand(3, 4, 6, 7, generator=generator) > 0.3)
    mask = mask if isinstance(kind, BinaryCrossEntropy) else mask[:, 0]
    packed = [torch.empty(one.shape, dtype=one.dtype).copy_(one) for one in (image, soft, mask)]
    got = kernels.one_head(image, soft, kind=kind, mask=mask)
    expected = kernels.one_head(packed[0], packed[1], kind=kind, mask=packed[2])
    for one, other in zip(got, expected, strict=True):
        assert torch.allclose(one, other, rtol=1e-5, atol=1e-8)
    assert got[3].stride() == torch.empty_like(image).stride()


def test_an_image_is_the_mean_of_its_pixels(kernels):
    for n_classes in (6, 70):
        image, codes = torch.randn(2, n_classes, 5, 7), torch.randint(0, n_classes, (2, 5, 7))
        codes[1, 0, :4] = -100
        rows = image.movedim(1, -1).reshape(-1, n_classes)
        whole, pixels = kernels.one_head(image, codes), kernels.one_head(rows, codes.flatten())
        assert torch.allclose(whole[1], pixels[1])
        assert torch.allclose(whole[2][1], pixels[2][35:].sum() / 31)
        assert torch.allclose(whole[3].movedim(1, -1).reshape(-1, n_classes), pixels[3])
        assert torch.allclose(kernels.one_head(image.to(memory_format=torch.channels_last), codes)[3], whole[3])


@pytest.mark.parametrize("kind", [None, Focal(), CrossEntropy(0.1), BinaryCrossEntropy(), Huber()], ids=str)
@pytest.mark.parametrize("shape", [(2, 3, 0), (0, 3, 4), (0, 90), (2, 90, 4, 0)], ids=str)
def test_nothing_at_all_costs_nothing(kernels, kind, shape):
    is_element = isinstance(kind, BinaryCrossEntropy | Huber)
    target = torch.zeros(shape) if is_element else torch.zeros(shape[0], *shape[2:], dtype=torch.int64)
    total, _, per_sample, gradient = kernels.one_head(torch.zeros(shape), target, kind=kind)
    assert total == 0.0
    assert per_sample.tolist() == [0.0] * shape[0]
    assert gradient.shape == shape


def test_a_wrong_code_in_an_image_is_named_with_its_position(waiting_kernels):
    codes = torch.zeros(2, 3, 4, dtype=torch.int64)
    codes[1, 2, 1] = 5
    with pytest.raises(IndexError, match=r"got 5 in row 1, position 9\."):
        waiting_kernels.one_head(torch.zeros(2, 5, 3, 4), codes)
