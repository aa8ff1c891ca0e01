// cotrain::multi_head_cross_entropy: tensors in, tensors out. Schema and meaning: cotrain/ops/cross_entropy.py.

#include "cross_entropy.h"

#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "tensors.h"

namespace cotrain {
namespace {

using Tensors = std::vector<Tensor>;
using OptionalTensors = std::vector<std::optional<Tensor>>;

std::string item(const char* name, std::size_t index) {
  return "`" + std::string(name) + "[" + std::to_string(index) + "]`";
}

// The same tensor, or a copy of it in which the last dimension's elements are adjacent.
Tensor with_adjacent_items(const Tensor& tensor) {
  const std::int64_t last = tensor.dim() - 1;
  return tensor.size(last) <= 1 || tensor.stride(last) == 1 ? tensor : torch::stable::contiguous(tensor);
}

void check_shapes(const Tensor& logits, const Tensor& targets, const std::optional<Tensor>& weights, std::size_t h) {
  COTRAIN_REQUIRE(logits.dim() == 2 && logits.size(1) >= 1,
                  item("logits", h) + " must have shape [rows, classes], with one class at least.");
  const bool has_codes = targets.scalar_type() == ScalarType::Long;
  const bool fits = targets.dim() >= 1 && targets.size(0) == logits.size(0) &&
                    (has_codes ? targets.dim() == 1 : targets.dim() == 2 && targets.size(1) == logits.size(1));
  COTRAIN_REQUIRE(fits, item("targets", h) + " must be [rows] class codes or [rows, classes] probabilities.");
  COTRAIN_REQUIRE(!weights || (weights->dim() == 1 && weights->size(0) == logits.size(0)),
                  item("sample_weights", h) + " must have one weight per row.");
}

[[noreturn]] void report(const CrossEntropyFault& fault, const std::vector<CrossEntropyHead>& heads) {
  const CrossEntropyHead& head = heads[fault.head];
  if (fault.kind == CrossEntropyFault::Kind::code) {
    throw std::out_of_range(item("targets", fault.head) + " must hold class codes from 0 to " +
                            std::to_string(head.n_classes - 1) + ", or -100 for a row without one; got " +
                            std::to_string(head.codes[fault.row]) + " in row " + std::to_string(fault.row) + ".");
  }
  throw std::invalid_argument(item("sample_weights", fault.head) +
                              " must be finite and 0 or more; it is not in row " + std::to_string(fault.row) + ".");
}

template <typename Sum>
void store_losses(const std::vector<double>& losses, const std::vector<double>& head_weights, Tensor& total,
                  Tensor& per_head) {
  double sum = 0;
  auto* out = static_cast<Sum*>(per_head.mutable_data_ptr());
  for (std::size_t h = 0; h < losses.size(); ++h) {
    out[h] = static_cast<Sum>(losses[h]);
    sum += head_weights[h] * losses[h];
  }
  *static_cast<Sum*>(total.mutable_data_ptr()) = static_cast<Sum>(sum);
}

}  // namespace

std::tuple<Tensor, Tensor, Tensor, Tensor> multi_head_cross_entropy(
    Tensors logits,                     // H x [n_h, C_h], one dtype
    Tensors targets,                    // H x [n_h] int64 or [n_h, C_h] sum type
    OptionalTensors sample_weights,     // H x [n_h] sum type, or none
    std::vector<double> head_weights,   // [H]
    bool need_gradient) {
  const std::size_t n_heads = logits.size();
  COTRAIN_REQUIRE(
      n_heads > 0 && targets.size() == n_heads && sample_weights.size() == n_heads && head_weights.size() == n_heads,
      "`logits`, `targets`, `sample_weights` and `head_weights` must have one entry per head, and one head at least.");
  const Element element = element_of(logits[0], "logits");
  const ScalarType sum = sum_type(element);
  const auto sum_bytes = static_cast<std::int64_t>(element == Element::float64 ? sizeof(double) : sizeof(float));

  std::int64_t rows = 0, cells = 0;
  std::vector<CrossEntropyHead> heads(n_heads);
  for (std::size_t h = 0; h < n_heads; ++h) {
    check_shapes(logits[h], targets[h], sample_weights[h], h);
    require_type(logits[h], logits[0].scalar_type(), "logits");
    logits[h] = with_adjacent_items(logits[h]);
    targets[h] = with_adjacent_items(targets[h]);
    CrossEntropyHead& head = heads[h];
    head.n_rows = logits[h].size(0);
    head.n_classes = logits[h].size(1);
    head.logits = logits[h].const_data_ptr();
    head.logits_row_stride = logits[h].stride(0);
    if (targets[h].scalar_type() == ScalarType::Long) {
      head.codes = static_cast<const std::int64_t*>(targets[h].const_data_ptr());
    } else {
      require_type(targets[h], sum, "targets");
      head.probabilities = targets[h].const_data_ptr();
      head.probabilities_row_stride = targets[h].stride(0);
    }
    if (sample_weights[h]) {
      require_type(*sample_weights[h], sum, "sample_weights");
      sample_weights[h] = with_adjacent_items(*sample_weights[h]);
      head.weights = sample_weights[h]->const_data_ptr();
    }
    head.gradient_scale = head_weights[h] == 0 ? 1 : head_weights[h];
    rows += head.n_rows;
    cells += head.n_rows * head.n_classes;
  }

  Tensor total = torch::stable::new_empty(logits[0], {}, sum);
  Tensor per_head = torch::stable::new_empty(logits[0], {static_cast<std::int64_t>(n_heads)}, sum);
  Tensor per_sample = torch::stable::new_empty(logits[0], {rows}, sum);
  Tensor gradient = torch::stable::new_empty(logits[0], {need_gradient ? cells : 0}, sum);
  auto* losses_out = static_cast<char*>(per_sample.mutable_data_ptr());
  auto* gradient_out = static_cast<char*>(gradient.mutable_data_ptr());
  for (CrossEntropyHead& head : heads) {
    head.per_sample = losses_out;
    losses_out += head.n_rows * sum_bytes;
    if (!need_gradient) continue;
    head.gradient = gradient_out;
    gradient_out += head.n_rows * head.n_classes * sum_bytes;
  }

  std::vector<double> losses(n_heads);
  const CrossEntropyFault fault = cross_entropy_cpu(element, heads, losses.data());
  if (fault.kind != CrossEntropyFault::Kind::none) report(fault, heads);
  if (element == Element::float64) store_losses<double>(losses, head_weights, total, per_head);
  else store_losses<float>(losses, head_weights, total, per_head);
  return {total, per_head, per_sample, gradient};
}

STABLE_TORCH_LIBRARY_IMPL(cotrain, CPU, m) {
  m.impl("multi_head_cross_entropy", TORCH_BOX(&multi_head_cross_entropy));
}

}  // namespace cotrain
