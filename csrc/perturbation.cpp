// cotrain::linf_step and cotrain::linf_step_: tensors in, tensors out. Meaning: cotrain/ops/perturbation.py.

#include "perturbation.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tensors.h"

namespace cotrain {
namespace {

using OptionalTensor = std::optional<Tensor>;

bool same_shape(const Tensor& a, const Tensor& b) {
  if (a.dim() != b.dim()) return false;
  for (std::int64_t i = 0; i < a.dim(); ++i) {
    if (a.size(i) != b.size(i)) return false;
  }
  return true;
}

bool same_strides(const Tensor& a, const Tensor& b) {
  for (std::int64_t i = 0; i < a.dim(); ++i) {
    if (a.size(i) > 1 && a.stride(i) != b.stride(i)) return false;
  }
  return true;
}

// Whether the elements fill one block of memory in some order of the dimensions (channels-last does).
bool is_dense(const Tensor& tensor) {
  std::vector<std::int64_t> left;
  for (std::int64_t i = 0; i < tensor.dim(); ++i) {
    if (tensor.size(i) != 1) left.push_back(i);
  }
  std::int64_t expected = 1;
  while (!left.empty()) {
    auto next = left.begin();
    while (next != left.end() && tensor.stride(*next) != expected) ++next;
    if (next == left.end()) return false;
    expected *= tensor.size(*next);
    left.erase(next);
  }
  return true;
}

// Whether the two lie so that element i of one is element i of the other.
bool same_place(const Tensor& a, const Tensor& b) {
  return a.const_data_ptr() == b.const_data_ptr() && same_shape(a, b) && same_strides(a, b);
}

// Whether the spans of memory that the two reach over have anything in common. Says yes even where they only
// interlock.
bool spans_overlap(const Tensor& a, const Tensor& b) {
  if (a.numel() == 0 || b.numel() == 0) return false;
  const auto end_of = [](const Tensor& tensor) {
    std::int64_t last = 0;
    for (std::int64_t i = 0; i < tensor.dim(); ++i) last += (tensor.size(i) - 1) * tensor.stride(i);
    const auto bytes = (last + 1) * static_cast<std::int64_t>(tensor.element_size());
    return static_cast<const char*>(tensor.const_data_ptr()) + bytes;
  };
  // std::less, because `<` says nothing about pointers into different blocks.
  const std::less<const char*> before;
  return before(static_cast<const char*>(a.const_data_ptr()), end_of(b)) &&
         before(static_cast<const char*>(b.const_data_ptr()), end_of(a));
}

const void* data_of(const OptionalTensor& tensor, std::int64_t length, ScalarType type, const char* name) {
  if (!tensor) return nullptr;
  require_type(*tensor, type, name);
  COTRAIN_REQUIRE(tensor->is_contiguous() && tensor->numel() == length, std::string("`") + name + "` has the wrong length.");
  return tensor->const_data_ptr();
}

// Numbers where one value serves all, tensors where it differs; a tensor overrides its number.
struct Limits {
  double step_size, epsilon, lower, upper;
  const OptionalTensor& epsilon_per_sample;  // [n] sum type
  const OptionalTensor& lower_per_feature;   // [prod(...)] sum type
  const OptionalTensor& upper_per_feature;   // [prod(...)] sum type

  bool are_uniform() const { return !epsilon_per_sample && !lower_per_feature && !upper_per_feature; }
};

// Whether writing over `perturbed`, element by element, would change what has yet to be read.
bool would_change_under_the_step(const Tensor& perturbed, const Tensor& clean, const Tensor& gradient,
                                 const Limits& limits) {
  for (const Tensor* other : {&clean, &gradient}) {
    if (!same_place(perturbed, *other) && spans_overlap(perturbed, *other)) return true;
  }
  // Of these each element is read many times, so being in the same place does not help them.
  for (const OptionalTensor* other :
       {&limits.epsilon_per_sample, &limits.lower_per_feature, &limits.upper_per_feature}) {
    if (*other && spans_overlap(perturbed, **other)) return true;
  }
  return false;
}

// out may be `perturbed`.
void step_into(Tensor out, Tensor perturbed, Tensor clean, Tensor gradient, const Limits& limits) {
  const Element element = element_of(perturbed, "perturbed");
  const ScalarType sum = sum_type(element);
  COTRAIN_REQUIRE(perturbed.dim() >= 1 && same_shape(perturbed, clean) && same_shape(perturbed, gradient),
                  "`perturbed`, `clean` and `gradient` must have one shape [rows, ...].");
  require_type(clean, perturbed.scalar_type(), "clean");
  require_type(gradient, perturbed.scalar_type(), "gradient");
  if (perturbed.numel() == 0) return;

  LinfStep step;
  step.n_samples = perturbed.size(0);
  step.n_features = perturbed.numel() / step.n_samples;
  step.step_size = limits.step_size;
  step.epsilon = limits.epsilon;
  step.lower = limits.lower;
  step.upper = limits.upper;
  step.epsilon_per_sample = data_of(limits.epsilon_per_sample, step.n_samples, sum, "epsilon");
  step.lower_per_feature = data_of(limits.lower_per_feature, step.n_features, sum, "lower");
  step.upper_per_feature = data_of(limits.upper_per_feature, step.n_features, sum, "upper");

  // Where all four lie alike in memory the order of the elements does not matter; otherwise rows must be whole.
  const bool as_they_lie = limits.are_uniform() && is_dense(perturbed) && same_strides(perturbed, clean) &&
                           same_strides(perturbed, gradient) && same_strides(perturbed, out);
  Tensor result = out;
  if (!as_they_lie) {
    perturbed = torch::stable::contiguous(perturbed);
    clean = torch::stable::contiguous(clean);
    gradient = torch::stable::contiguous(gradient);
    if (!out.is_contiguous()) result = torch::stable::empty_like(perturbed);
  }
  step.perturbed = perturbed.const_data_ptr();
  step.clean = clean.const_data_ptr();
  step.gradient = gradient.const_data_ptr();
  step.out = result.mutable_data_ptr();
  linf_step_cpu(element, step);
  if (result.get() != out.get()) torch::stable::copy_(out, result);
}

}  // namespace

Tensor linf_step(Tensor perturbed, Tensor clean, Tensor gradient,  // [n, ...]
                 double step_size, double epsilon, OptionalTensor epsilon_per_sample, double lower, double upper,
                 OptionalTensor lower_per_feature, OptionalTensor upper_per_feature) {
  Tensor result = torch::stable::empty_like(perturbed);
  step_into(result, perturbed, clean, gradient,
            {step_size, epsilon, lower, upper, epsilon_per_sample, lower_per_feature, upper_per_feature});
  return result;
}

void linf_step_(Tensor perturbed, Tensor clean, Tensor gradient,  // [n, ...], the first changed in place
                double step_size, double epsilon, OptionalTensor epsilon_per_sample, double lower, double upper,
                OptionalTensor lower_per_feature, OptionalTensor upper_per_feature) {
  const Limits limits{step_size, epsilon, lower, upper, epsilon_per_sample, lower_per_feature, upper_per_feature};
  if (!would_change_under_the_step(perturbed, clean, gradient, limits)) {
    step_into(perturbed, perturbed, clean, gradient, limits);
    return;
  }
  Tensor result = torch::stable::empty_like(perturbed);
  step_into(result, perturbed, clean, gradient, limits);
  torch::stable::copy_(perturbed, result);
}

STABLE_TORCH_LIBRARY_IMPL(cotrain, CPU, m) {
  m.impl("linf_step", TORCH_BOX(&linf_step));
  m.impl("linf_step_", TORCH_BOX(&linf_step_));
}

}  // namespace cotrain
