// The elements of a perturbation over the threads.

#include "perturbation.h"

#include <torch/csrc/stable/ops.h>

#include <cstdint>
#include <cstring>

#include "cpu/elements.h"
#include "cpu/isa.h"
#include "formulas.h"

#define COTRAIN_KERNEL "cpu/perturbation.inl"
#include "cpu/for_each_isa.h"

namespace cotrain {

void linf_step_cpu(Element element, const LinfStep& given) {
  LinfStep step = given;
  // One epsilon and one box: the samples' borders mean nothing, so the whole is one long run.
  if (step.epsilon_per_sample == nullptr && step.lower_per_feature == nullptr && step.upper_per_feature == nullptr) {
    step.n_features *= step.n_samples;
    step.n_samples = 1;
  }
  constexpr std::int64_t grain = 32768;  // ATen's grain for element-wise work
  torch::stable::parallel_for(0, step.n_samples * step.n_features, grain, [&](std::int64_t begin, std::int64_t end) {
    COTRAIN_ON_CHOSEN_ISA(linf_range, element, step, begin, end);
  });
}

}  // namespace cotrain
