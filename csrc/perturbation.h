// One signed step inside an L-infinity ball: what the kernels of every device are given.
//
// Shapes: n samples of d features each, all tensors contiguous. `Sum` is float, or double for double.
#pragma once

#include <cstdint>

#include "element.h"

namespace cotrain {

struct LinfStep {
  std::int64_t n_samples = 0;
  std::int64_t n_features = 0;
  const void* perturbed = nullptr;          // [n, d] Element
  const void* clean = nullptr;              // [n, d] Element
  const void* gradient = nullptr;           // [n, d] Element
  void* out = nullptr;                      // [n, d] Element; may be `perturbed` itself
  double step_size = 0;
  double epsilon = 0;                       // where epsilon_per_sample is null
  const void* epsilon_per_sample = nullptr;  // [n] Sum
  double lower = 0, upper = 0;              // where the per-feature bounds are null
  const void* lower_per_feature = nullptr;  // [d] Sum
  const void* upper_per_feature = nullptr;  // [d] Sum
};

void linf_step_cpu(Element element, const LinfStep& step);

}  // namespace cotrain
