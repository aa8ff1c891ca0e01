// One step of projected gradient ascent inside a ball, and a random point of that ball: what the kernels of every
// device are given.
//
// Shapes: n samples of d features each, all tensors contiguous. `Sum` is float, or double for double.
#pragma once

#include <cstdint>

#include "element.h"

namespace cotrain {

enum class Norm { linf, l2, l1 };

// Where a sample may be: ||(x - clean) / scale|| <= epsilon, and lower <= x <= upper.
struct Ball {
  Norm norm = Norm::linf;
  std::int32_t device = -1;                  // index of the GPU; -1 on the CPU
  std::int64_t n_samples = 0;
  std::int64_t n_features = 0;
  const void* clean = nullptr;               // [n, d] Element
  double epsilon = 0;                        // where epsilon_per_sample is null
  const void* epsilon_per_sample = nullptr;  // [n] Sum
  double lower = 0, upper = 0;               // where the per-feature bounds are null
  const void* lower_per_feature = nullptr;   // [d] Sum
  const void* upper_per_feature = nullptr;   // [d] Sum
  const void* scale_per_feature = nullptr;   // [d] Sum, null = 1; what is not above 0 does not move

  bool features_are_alike() const {
    return lower_per_feature == nullptr && upper_per_feature == nullptr && scale_per_feature == nullptr;
  }
};

struct Perturbation : Ball {
  const void* perturbed = nullptr;  // [n, d] Element
  const void* gradient = nullptr;   // [n, d] Element
  void* out = nullptr;              // [n, d] Element; may be `perturbed` itself
  double step_size = 0;
  std::int64_t n_top = 1;           // how many features an l1 step moves
};

struct RandomStart : Ball {
  const void* direction = nullptr;  // [n, d] Sum; epsilon is how far to go in it
  void* out = nullptr;              // [n, d] Element
};

void perturb_cpu(Element element, const Perturbation& step);
void random_start_cpu(Element element, const RandomStart& start);

}  // namespace cotrain
