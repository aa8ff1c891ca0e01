// What the operators call on a GPU. Nothing here waits for it.
#pragma once

#include <vector>

#include "multi_head_loss.h"
#include "perturbation.h"
#include "tensors.h"

namespace cotrain {

void perturb_cuda(Element element, const Perturbation& step);
void random_start_cuda(Element element, const RandomStart& start);

void losses_on_cuda(Element element, const std::vector<LossHead>& heads, const Incoming& incoming,
                    const std::vector<double>& head_weights, Tensor& total, Tensor& per_head);

}  // namespace cotrain
