// cotrain::multi_head_loss: tensors in, tensors out, for the kernels of any one device. Schema and meaning:
// cotrain/ops/multi_head_loss.py.
#pragma once

#include "multi_head_loss.h"

#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "fresh.h"
#include "loss_layout.h"
#include "tensors.h"

namespace cotrain {

using Tensors = std::vector<Tensor>;
using OptionalTensors = std::vector<std::optional<Tensor>>;

// Writes what the heads point to, `total` [] and `per_head` [H], which lie where the heads do.
using LossKernel = void (*)(Element element, const std::vector<LossHead>& heads, const Incoming& incoming,
                            const std::vector<double>& head_weights, Tensor& total, Tensor& per_head);

inline std::string item(const char* name, std::size_t index) {
  return "`" + std::string(name) + "[" + std::to_string(index) + "]`";
}

inline void require_at(const Place& place, const Tensor& tensor, const char* name, std::size_t h) {
  COTRAIN_REQUIRE(place.holds(tensor), item(name, h) + " must be on the same device as the first head's outputs.");
}

// The tensors of one head that may have to be copied; they live as long as the head that points into them.
struct Kept {
  Tensor outputs, targets;
  std::optional<Tensor> mask, weights, class_weights;
};

inline void set_targets(LossHead& head, Kept& kept, ScalarType sum, std::size_t h) {
  const bool are_codes = kept.targets.scalar_type() == ScalarType::Long;
  const bool takes_codes = head.kind == LossKind::cross_entropy || head.kind == LossKind::focal;
  const bool takes_vectors = head.kind != LossKind::focal;
  COTRAIN_REQUIRE(are_codes ? takes_codes : takes_vectors,
                  item("targets", h) + " are not what this kind of loss takes.");
  if (are_codes) {
    COTRAIN_REQUIRE(is_shape_without_classes(kept.targets, kept.outputs),
                    item("targets", h) + " must be class codes of the outputs' shape without classes.");
    kept.targets = torch::stable::contiguous(kept.targets);
    head.codes = static_cast<const std::int64_t*>(kept.targets.const_data_ptr());
    return;
  }
  COTRAIN_REQUIRE(same_shape(kept.targets, kept.outputs), item("targets", h) + " must have the outputs' shape.");
  const ScalarType type = kept.targets.scalar_type();
  COTRAIN_REQUIRE(type == sum || type == kept.outputs.scalar_type(),
                  item("targets", h) + " must have the outputs' dtype, or the one that sums are kept in.");
  kept.targets = with_joined_positions(kept.targets);
  head.targets = kept.targets.const_data_ptr();
  head.targets_are_elements = type != sum;
  head.targets_at = strides_of(kept.targets);
}

inline void set_mask(LossHead& head, Kept& kept, std::size_t h) {
  Tensor& mask = *kept.mask;
  COTRAIN_REQUIRE(mask.scalar_type() == ScalarType::Bool, item("masks", h) + " must be boolean.");
  if (mask.dim() == 1 && mask.size(0) == head.n_samples) {
    head.mask_at = {mask.stride(0), 0, 0};
  } else if (is_over_classes(head.kind)) {
    COTRAIN_REQUIRE(is_shape_without_classes(mask, kept.outputs),
                    item("masks", h) + " must be [samples], or of the outputs' shape without classes.");
    mask = torch::stable::contiguous(mask);
    head.mask_at = {head.n_positions, 0, 1};
  } else {
    COTRAIN_REQUIRE(same_shape(mask, kept.outputs),
                    item("masks", h) + " must be [samples], or of the outputs' shape.");
    mask = with_joined_positions(mask);
    head.mask_at = strides_of(mask);
  }
  head.mask = static_cast<const bool*>(mask.const_data_ptr());
}

inline const void* one_per(std::optional<Tensor>& tensor, std::int64_t count, ScalarType sum, const char* name,
                    std::size_t h) {
  COTRAIN_REQUIRE(tensor->dim() == 1 && tensor->size(0) == count && tensor->scalar_type() == sum,
                  item(name, h) + " must be one number per " +
                      (std::string(name) == "class_weights" ? "class" : "sample") +
                      ", of the dtype that sums are kept in.");
  tensor = torch::stable::contiguous(*tensor);
  return tensor->const_data_ptr();
}

inline LossHead head_of(Kept& kept, std::int64_t kind, double setting, ScalarType sum, std::size_t h) {
  const Tensor& outputs = kept.outputs;
  COTRAIN_REQUIRE(kind >= 0 && kind <= static_cast<std::int64_t>(LossKind::huber),
                  item("kinds", h) + " is no kind of loss.");
  COTRAIN_REQUIRE(outputs.dim() >= 2 && outputs.size(1) >= 1,
                  item("outputs", h) + " must have shape [samples, classes, ...], with one class at least.");
  LossHead head;
  head.kind = static_cast<LossKind>(kind);
  head.setting = setting;
  head.n_samples = outputs.size(0);
  head.n_classes = outputs.size(1);
  for (std::int64_t d = 2; d < outputs.dim(); ++d) head.n_positions *= outputs.size(d);
  kept.outputs = with_joined_positions(outputs);
  head.outputs = kept.outputs.const_data_ptr();
  head.outputs_at = strides_of(kept.outputs);
  set_targets(head, kept, sum, h);
  if (kept.mask) set_mask(head, kept, h);
  if (kept.weights) head.weights = one_per(kept.weights, head.n_samples, sum, "sample_weights", h);
  if (kept.class_weights) head.class_weights = one_per(kept.class_weights, head.n_classes, sum, "class_weights", h);
  return head;
}

inline std::tuple<Tensor, Tensor, Tensors, Tensors> losses_by(
    LossKernel kernel, const Incoming& incoming,
    Tensors outputs,                      // H x [n, C, ...], one dtype
    Tensors targets,                      // H x [n, ...] int64, or [n, C, ...] sum type or the outputs' dtype
    OptionalTensors masks,                // H x bool [n], [n, ...] (over classes) or [n, C, ...] (elements), or none
    OptionalTensors sample_weights,       // H x [n] sum type, or none
    OptionalTensors class_weights,        // H x [C] sum type, or none
    std::vector<std::int64_t> kinds,      // [H]
    std::vector<double> settings,         // [H]
    std::vector<std::int64_t> ignored,    // [H]
    std::vector<double> head_weights,     // [H]
    std::vector<double> gradient_scales,  // [H], or [] where no gradient is wanted
    bool need_gradient) {
  const std::size_t n_heads = outputs.size();
  COTRAIN_REQUIRE(n_heads > 0 && targets.size() == n_heads && masks.size() == n_heads &&
                      sample_weights.size() == n_heads && class_weights.size() == n_heads && kinds.size() == n_heads &&
                      settings.size() == n_heads && ignored.size() == n_heads && head_weights.size() == n_heads &&
                      (!need_gradient || gradient_scales.size() == n_heads),
                  "Every argument must have one entry per head, and there must be one head at least.");
  const Element element = element_of(outputs[0], "outputs");
  const ScalarType sum = sum_type(element);
  const Place place = place_of(outputs[0]);
  std::vector<LossHead> heads(n_heads);
  std::vector<Kept> kept;
  kept.reserve(n_heads);
  for (std::size_t h = 0; h < n_heads; ++h) {
    require_at(place, outputs[h], "outputs", h);
    require_at(place, targets[h], "targets", h);
    if (masks[h]) require_at(place, *masks[h], "masks", h);
    if (sample_weights[h]) require_at(place, *sample_weights[h], "sample_weights", h);
    if (class_weights[h]) require_at(place, *class_weights[h], "class_weights", h);
    require_type(outputs[h], outputs[0].scalar_type(), "outputs");
    kept.push_back({outputs[h], targets[h], masks[h], sample_weights[h], class_weights[h]});
    heads[h] = head_of(kept[h], kinds[h], settings[h], sum, h);
    heads[h].ignored_code = ignored[h];
  }

  Tensor total = fresh({}, sum, place);
  Tensor per_head = fresh({static_cast<std::int64_t>(n_heads)}, sum, place);
  Tensors per_sample, gradients, written;
  per_sample.reserve(n_heads);
  if (need_gradient) gradients.reserve(n_heads);
  for (std::size_t h = 0; h < n_heads; ++h) {
    per_sample.push_back(fresh({heads[h].n_samples}, sum, place));
    heads[h].per_sample = per_sample[h].mutable_data_ptr();
    if (!need_gradient) continue;
    gradients.push_back(fresh_like(outputs[h]));
    // Where the kernel cannot write to it as it lies, through a packed one.
    written.push_back(has_joined_positions(gradients[h]) ? gradients[h] : fresh_packed(gradients[h]));
    heads[h].gradient = written[h].mutable_data_ptr();
    heads[h].gradient_at = strides_of(written[h]);
    heads[h].gradient_scale = gradient_scales[h];
  }

  kernel(element, heads, incoming, head_weights, total, per_head);
  for (std::size_t h = 0; h < gradients.size(); ++h) {
    if (written[h].get() != gradients[h].get()) torch::stable::copy_(gradients[h], written[h]);
  }
  return {total, per_head, per_sample, gradients};
}

template <LossKernel kernel>
std::tuple<Tensor, Tensor, Tensors, Tensors> multi_head_loss(
    Tensors outputs, Tensors targets, OptionalTensors masks, OptionalTensors sample_weights,
    OptionalTensors class_weights, std::vector<std::int64_t> kinds, std::vector<double> settings,
    std::vector<std::int64_t> ignored, std::vector<double> head_weights, std::vector<double> gradient_scales,
    bool need_gradient) {
  return losses_by(kernel, {}, outputs, targets, masks, sample_weights, class_weights, kinds, settings, ignored,
                   head_weights, gradient_scales, need_gradient);
}

}  // namespace cotrain
