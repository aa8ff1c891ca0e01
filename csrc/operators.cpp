// The operators' kernels on the CPU.

#include <cmath>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

#include "multi_head_loss_binding.h"
#include "perturbation_binding.h"

namespace cotrain {
namespace {

[[noreturn]] void report(const LossFault& fault, const std::vector<LossHead>& heads) {
  const LossHead& head = heads[fault.head];
  if (fault.kind == LossFault::Kind::code) {
    const std::int64_t code = head.codes[fault.sample * head.n_positions + fault.position];
    const std::string where = head.n_positions == 1 ? "" : ", position " + std::to_string(fault.position);
    throw std::out_of_range(item("targets", fault.head) + " must hold class codes from 0 to " +
                            std::to_string(head.n_classes - 1) + ", or " + std::to_string(head.ignored_code) +
                            " where there is none; got " + std::to_string(code) + " in row " +
                            std::to_string(fault.sample) + where + ".");
  }
  if (fault.kind == LossFault::Kind::class_weight) {
    throw std::invalid_argument(item("class_weights", fault.head) +
                                " must be finite and 0 or more; it is not of class " + std::to_string(fault.sample) +
                                ".");
  }
  throw std::invalid_argument(item("sample_weights", fault.head) + " must be finite and 0 or more; it is not in row " +
                              std::to_string(fault.sample) + ".");
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

void losses_on_cpu(Element element, const std::vector<LossHead>& heads, const Incoming&,
                   const std::vector<double>& head_weights, Tensor& total, Tensor& per_head) {
  std::vector<double> losses(heads.size());
  const LossFault fault = multi_head_loss_cpu(element, heads, losses.data());
  if (fault.kind != LossFault::Kind::none) report(fault, heads);
  if (element == Element::float64)
    store_losses<double>(losses, head_weights, total, per_head);
  else
    store_losses<float>(losses, head_weights, total, per_head);
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(cotrain, CPU, m) {
  m.impl("multi_head_loss", TORCH_BOX(&multi_head_loss<losses_on_cpu>));
  m.impl("perturb", TORCH_BOX(&perturb<perturb_cpu>));
  m.impl("perturb_", TORCH_BOX(&perturb_<perturb_cpu>));
  m.impl("random_start", TORCH_BOX(&random_start<random_start_cpu>));
}

}  // namespace cotrain
