// cotrain::perturb, perturb_ and random_start: tensors in, tensors out, for the kernels of any one device. Meaning:
// cotrain/ops/perturbation.py and random_start.py.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "layout.h"
#include "perturbation.h"

namespace cotrain {

using OptionalTensor = std::optional<Tensor>;
using PerturbKernel = void (*)(Element, const Perturbation&);
using RandomStartKernel = void (*)(Element, const RandomStart&);

// The ball as the operators are given it: numbers where one value serves all, tensors where it differs; a tensor
// overrides its number.
struct BallArguments {
  std::string norm;
  double epsilon;
  OptionalTensor epsilon_per_sample;  // [n] sum type
  double lower, upper;
  OptionalTensor lower_per_feature;   // [...] sum type
  OptionalTensor upper_per_feature;   // [...] sum type
  OptionalTensor scale_per_feature;   // [...] sum type

  bool are_alike() const {
    return !epsilon_per_sample && !lower_per_feature && !upper_per_feature && !scale_per_feature;
  }
};

inline Norm norm_of(const std::string& name) {
  if (name == "linf") return Norm::linf;
  if (name == "l2") return Norm::l2;
  COTRAIN_REQUIRE(name == "l1", "`norm` must be linf, l2 or l1; got " + name + ".");
  return Norm::l1;
}

inline std::int32_t device_of(const Tensor& tensor) { return tensor.is_cuda() ? tensor.get_device_index() : -1; }

inline void require_beside(const Tensor& tensor, const Tensor& other, const char* name) {
  COTRAIN_REQUIRE(device_of(tensor) == device_of(other) && tensor.is_cpu() == other.is_cpu(),
                  std::string("`") + name + "` lies on another device.");
}

// Fills in `ball`; `clean` is in memory order already. The tensors in `given` are put in it too: they must outlive the
// kernel.
inline void fill_ball(Ball& ball, BallArguments& given, const Tensor& clean, const MemoryOrder& order) {
  const ScalarType sum = sum_type(element_of(clean, "clean"));
  ball.norm = norm_of(given.norm);
  ball.clean = clean.const_data_ptr();
  ball.device = device_of(clean);
  ball.n_samples = clean.size(0);
  ball.n_features = clean.numel() / ball.n_samples;
  ball.epsilon = given.epsilon;
  ball.lower = given.lower;
  ball.upper = given.upper;
  if (given.epsilon_per_sample) {
    Tensor& epsilon = *given.epsilon_per_sample;
    require_type(epsilon, sum, "epsilon");
    require_beside(epsilon, clean, "epsilon");
    COTRAIN_REQUIRE(epsilon.dim() == 1 && epsilon.size(0) == ball.n_samples, "`epsilon` must be [rows].");
    epsilon = torch::stable::contiguous(epsilon);
    ball.epsilon_per_sample = epsilon.const_data_ptr();
  }
  const auto per_feature = [&](OptionalTensor& limit, const char* name) -> const void* {
    if (!limit) return nullptr;
    require_type(*limit, sum, name);
    require_beside(*limit, clean, name);
    bool fits = limit->dim() == clean.dim() - 1;
    if (fits) limit = torch::stable::contiguous(order.of(*limit, 1));
    for (std::int64_t i = 0; fits && i < limit->dim(); ++i) fits = limit->size(i) == clean.size(i + 1);
    COTRAIN_REQUIRE(fits, std::string("`") + name + "` must have the shape of a row.");
    return limit->const_data_ptr();
  };
  ball.lower_per_feature = per_feature(given.lower_per_feature, "lower");
  ball.upper_per_feature = per_feature(given.upper_per_feature, "upper");
  ball.scale_per_feature = per_feature(given.scale_per_feature, "scale");
}

// Whether writing over `perturbed`, element by element, would change what has yet to be read.
inline bool would_change_under_the_step(const Tensor& perturbed, const Tensor& clean, const Tensor& gradient,
                                        const BallArguments& ball) {
  for (const Tensor* other : {&clean, &gradient}) {
    if (!same_place(perturbed, *other) && spans_overlap(perturbed, *other)) return true;
  }
  // Of these each element is read many times, so being in the same place does not help them.
  for (const OptionalTensor* other : {&ball.epsilon_per_sample, &ball.lower_per_feature, &ball.upper_per_feature,
                                      &ball.scale_per_feature}) {
    if (*other && spans_overlap(perturbed, **other)) return true;
  }
  return false;
}

// out may be `perturbed`.
inline void perturb_into(PerturbKernel kernel, Tensor out, Tensor perturbed, Tensor clean, Tensor gradient,
                         double step_size, double top_share, BallArguments given) {
  const Element element = element_of(perturbed, "perturbed");
  COTRAIN_REQUIRE(perturbed.dim() >= 1 && same_shape(perturbed, clean) && same_shape(perturbed, gradient),
                  "`perturbed`, `clean` and `gradient` must have one shape [rows, ...].");
  for (const auto& [other, name] : {std::pair(&clean, "clean"), std::pair(&gradient, "gradient")}) {
    require_type(*other, perturbed.scalar_type(), name);
    require_beside(*other, perturbed, name);
  }
  if (perturbed.numel() == 0) return;

  // Where a row is nothing but its elements, rows need not be outermost.
  const bool rows_matter = given.norm != "linf" || !given.are_alike();
  const MemoryOrder order(perturbed, rows_matter ? 1 : 0);
  const Tensor in_order = order.of(out);
  perturbed = torch::stable::contiguous(order.of(perturbed));
  clean = torch::stable::contiguous(order.of(clean));
  gradient = torch::stable::contiguous(order.of(gradient));
  const Tensor result = in_order.is_contiguous() ? in_order : torch::stable::empty_like(perturbed);

  Perturbation step;
  fill_ball(step, given, clean, order);
  step.perturbed = perturbed.const_data_ptr();
  step.gradient = gradient.const_data_ptr();
  step.out = result.mutable_data_ptr();
  step.step_size = step_size;
  step.n_top = std::max<std::int64_t>(1, static_cast<std::int64_t>(top_share * static_cast<double>(step.n_features)));
  kernel(element, step);
  if (result.get() != in_order.get()) {
    Tensor target = in_order;
    torch::stable::copy_(target, result);
  }
}

template <PerturbKernel kernel>
Tensor perturb(Tensor perturbed, Tensor clean, Tensor gradient,  // [n, ...]
               std::string norm, double step_size, double top_share, double epsilon, OptionalTensor epsilon_per_sample,
               double lower, double upper, OptionalTensor lower_per_feature, OptionalTensor upper_per_feature,
               OptionalTensor scale_per_feature) {
  Tensor result = torch::stable::empty_like(perturbed);
  perturb_into(kernel, result, perturbed, clean, gradient, step_size, top_share,
               {norm, epsilon, epsilon_per_sample, lower, upper, lower_per_feature, upper_per_feature,
                scale_per_feature});
  return result;
}

template <PerturbKernel kernel>
void perturb_(Tensor perturbed, Tensor clean, Tensor gradient,  // [n, ...], the first changed in place
              std::string norm, double step_size, double top_share, double epsilon, OptionalTensor epsilon_per_sample,
              double lower, double upper, OptionalTensor lower_per_feature, OptionalTensor upper_per_feature,
              OptionalTensor scale_per_feature) {
  const BallArguments ball{norm,  epsilon,           epsilon_per_sample, lower,
                           upper, lower_per_feature, upper_per_feature,  scale_per_feature};
  if (!would_change_under_the_step(perturbed, clean, gradient, ball)) {
    perturb_into(kernel, perturbed, perturbed, clean, gradient, step_size, top_share, ball);
    return;
  }
  Tensor result = torch::stable::empty_like(perturbed);
  perturb_into(kernel, result, perturbed, clean, gradient, step_size, top_share, ball);
  torch::stable::copy_(perturbed, result);
}

template <RandomStartKernel kernel>
Tensor random_start(Tensor clean,      // [n, ...]
                    Tensor direction,  // [n, ...] sum type
                    std::string norm, double epsilon, OptionalTensor epsilon_per_sample, double lower, double upper,
                    OptionalTensor lower_per_feature, OptionalTensor upper_per_feature,
                    OptionalTensor scale_per_feature) {
  const Element element = element_of(clean, "clean");
  COTRAIN_REQUIRE(clean.dim() >= 1 && same_shape(clean, direction),
                  "`clean` and `direction` must have one shape [rows, ...].");
  require_type(direction, sum_type(element), "direction");
  require_beside(direction, clean, "direction");
  Tensor result = torch::stable::empty_like(clean);
  if (clean.numel() == 0) return result;

  const MemoryOrder order(clean, 1);
  BallArguments given{norm,  epsilon,           epsilon_per_sample, lower,
                      upper, lower_per_feature, upper_per_feature,  scale_per_feature};
  clean = torch::stable::contiguous(order.of(clean));
  direction = torch::stable::contiguous(order.of(direction));
  Tensor in_order = order.of(result);
  const Tensor out = in_order.is_contiguous() ? in_order : torch::stable::empty_like(clean);
  RandomStart start;
  fill_ball(start, given, clean, order);
  start.direction = direction.const_data_ptr();
  start.out = out.mutable_data_ptr();
  kernel(element, start);
  if (out.get() != in_order.get()) torch::stable::copy_(in_order, out);
  return result;
}

}  // namespace cotrain
