// Losses over classes, block by block: loss and gradient while the exponentials are at hand.
// Compiled once per namespace by for_each_isa.h.

// What a block lost.
template <typename Sum, bool is_row>
struct Lost {
  Sum loss[width<is_row>];
  Sum rest[width<is_row>];    // of the softmax, see softmax_tile.inl
  Sum others[width<is_row>];  // where there are codes: sum of all exponentials but the right class's
  Sum factor[width<is_row>];  // what the kind of loss multiplies the gradient with
};

// Focal loss: takes -log p in `loss`, gives the loss, and the factor for the gradient.
template <bool is_row, typename Sum>
void focus(const LossHead& head, const Sum* weight, Lost<Sum, is_row>& lost) {
  const Sum gamma = static_cast<Sum>(head.setting);
#pragma omp simd
  for (int lane = 0; lane < width<is_row>; ++lane) {
    const Sum missing = lost.others[lane] / (Sum(1) + lost.rest[lane]);  // 1 - p
    const Sum left = missing < Bits<Sum>::smallest_normal ? Sum(0) : missing;
    const Sum raised = exp_of(gamma * log_of(left == Sum(0) ? Sum(1) : left));
    const Sum power = gamma == Sum(0) ? Sum(1) : left == Sum(0) ? Sum(0) : raised;
    lost.factor[lane] = weight[lane] * focal_slope(left, lost.loss[lane], power, gamma);
    lost.loss[lane] = weight[lane] * focal_loss(lost.loss[lane], power);
  }
}

// Logits in the tile become exponentials; `target` is filled where it is a vector.
template <typename E, typename Stored, bool is_row>
void lose(const LossHead& head, const Ahead<typename E::Raw>& ahead, std::int64_t n_rows,
          Block<typename E::Sum, is_row>& block, typename E::Sum* tile, typename E::Sum* target,
          Lost<typename E::Sum, is_row>& lost) {
  using Sum = typename E::Sum;
  Sum largest[width<is_row>], shortfall[width<is_row>];
  largest_of<is_row>(tile, n_rows, largest);
  if (has_vector_target(head)) {
    const Sum inverse_temperature = is_distillation(head.kind) ? Sum(1) / static_cast<Sum>(head.setting) : Sum(1);
    load_targets<E, Stored, is_row>(head, n_rows, block, target);
    if (is_distillation(head.kind)) {
      softmax_tile<is_row, Dot::with_target, true>(ahead, tile, target, n_rows, largest, inverse_temperature, lost.rest,
                                                   shortfall);
    } else {
      softmax_tile<is_row, Dot::with_target, false>(ahead, tile, target, n_rows, largest, Sum(1), lost.rest, shortfall);
    }
    for (int lane = 0; lane < width<is_row>; ++lane) lost.factor[lane] = inverse_temperature;
    if (!is_distillation(head.kind)) {
#pragma omp simd
      for (int lane = 0; lane < width<is_row>; ++lane) {
        lost.loss[lane] = cross_entropy(block.mass[lane], log1p_of(lost.rest[lane]), shortfall[lane]);
      }
      return;
    }
    for (int lane = 0; lane < width<is_row>; ++lane) {
      const double rest = double(lost.rest[lane]), mass = double(block.mass[lane]);
      const double loss = block.constant[lane] + cross_entropy(mass, log1p_of(rest), double(shortfall[lane]));
      lost.loss[lane] = static_cast<Sum>(loss);
    }
    return;
  }
  Sum right[width<is_row>];
  pick<is_row>(block, head.n_classes, tile, right);
  softmax_tile<is_row, Dot::none, false>(ahead, tile, target, n_rows, largest, Sum(1), lost.rest, shortfall);
  pick<is_row>(block, head.n_classes, tile, lost.others);
  const bool is_focal = head.kind == LossKind::focal;
#pragma omp simd
  for (int lane = 0; lane < width<is_row>; ++lane) {
    const Sum mass = is_focal ? Sum(1) : block.mass[lane];
    lost.loss[lane] = cross_entropy(mass, log1p_of(lost.rest[lane]), shortfall_term(mass, right[lane] - largest[lane]));
    lost.others[lane] = sum_of_others(lost.others[lane], lost.rest[lane]);
    lost.factor[lane] = block.mass[lane];
  }
  if (is_focal) focus<is_row>(head, block.mass, lost);
}

// Exponentials in the tile become the gradient, times `scale` and each sample's weight.
template <bool is_row, typename Sum>
void slope(const LossHead& head, std::int64_t n_rows, const Block<Sum, is_row>& block, double scale, const Sum* target,
           const Lost<Sum, is_row>& lost, Sum* tile) {
  Sum own[width<is_row>], factor[lanes];
#pragma omp simd
  for (int lane = 0; lane < width<is_row>; ++lane) {
    // In double until the last step: for weights near the ends of float's range neither their sum nor `scale`, which
    // divides by it, is a float, and only the product is.
    const Sum weighted = static_cast<Sum>(scale * double(block.weight[lane]));
    own[lane] = block.live[lane] == Sum(0) ? Sum(0) : lost.factor[lane] * weighted / (Sum(1) + lost.rest[lane]);
  }
  spread<is_row>(own, factor);
  if (has_vector_target(head)) {
    Sum mass[lanes], rest[lanes];
    spread<is_row>(block.mass, mass);
    spread<is_row>(lost.rest, rest);
    for (std::int64_t k = 0; k < n_rows; ++k)
#pragma omp simd
      for (int lane = 0; lane < lanes; ++lane) {
        const Sum exponential = tile[k * lanes + lane];
        const Sum others = sum_of_others(exponential, rest[lane]);
        tile[k * lanes + lane] =
            factor[lane] * cross_entropy_slope(mass[lane], exponential, others, target[k * lanes + lane]);
      }
    return;
  }
  Sum at_right[width<is_row>];
  for (int lane = 0; lane < width<is_row>; ++lane) at_right[lane] = -lost.others[lane] * own[lane];
  if constexpr (!is_row) {
    if (head.n_classes <= compared) {  // as `put` does it, and in the same sweep
      for (std::int64_t c = 0; c < head.n_classes; ++c)
#pragma omp simd
        for (int lane = 0; lane < lanes; ++lane) {
          const Sum value = tile[c * lanes + lane] * factor[lane];
          tile[c * lanes + lane] = block.label[lane] == static_cast<Sum>(c) ? at_right[lane] : value;
        }
      return;
    }
  }
  for (std::int64_t k = 0; k < n_rows; ++k)
#pragma omp simd
    for (int lane = 0; lane < lanes; ++lane) tile[k * lanes + lane] *= factor[lane];
  put<is_row>(block, head.n_classes, at_right, tile);
}

// What the block adds to its head's sums; each sample's own loss, where the block is made of samples.
template <bool is_row, typename Sum>
Found tally(const LossHead& head, const Block<Sum, is_row>& block, const Sum* loss) {
  Sum own[lanes] = {};
  for (int lane = 0; lane < width<is_row>; ++lane) own[lane] = block.live[lane] == Sum(0) ? Sum(0) : loss[lane];
  if (!block.are_samples) {  // of one sample: one weight for all
    const Sum sum = is_row ? own[0] : sum_over(own);
    return {double(block.weight[0]) * double(sum), double(sum), block.n_live};
  }
  // In double, because of the weights, which may lie near the ends of float's range.
  double weighted = 0;
#pragma omp simd reduction(+ : weighted)
  for (int lane = 0; lane < width<is_row>; ++lane) weighted += double(block.weight[lane]) * double(own[lane]);
  auto* per_sample = static_cast<Sum*>(head.per_sample) + block.sample;
  for (int lane = 0; lane < block.n; ++lane) per_sample[lane] = own[lane];
  return {weighted, 0.0, 0};  // each sample's own loss is known already
}

// One block: its losses, and its gradient where one is wanted.
template <typename E, typename Stored, bool is_row>
Found softmax_block(const LossHead& head, Block<typename E::Sum, is_row>& block, double scale, typename E::Sum* scratch) {
  using Sum = typename E::Sum;
  const std::int64_t C = head.n_classes, n_rows = is_row ? (C + lanes - 1) / lanes : C;
  Sum *tile = scratch, *target = scratch + n_rows * lanes;
  Lost<Sum, is_row> lost;
  survey<is_row>(head, block);
  if (block.n_live == 0) {
    for (std::int64_t i = 0; i < n_rows * lanes; ++i) tile[i] = Sum(0);
    for (int lane = 0; lane < width<is_row>; ++lane) lost.loss[lane] = Sum(0);
  } else {
    const auto* outputs = static_cast<const typename E::Raw*>(head.outputs) + block.sample * head.outputs_at.sample +
                          block.position * head.outputs_at.position;
    load_tile<is_row, E>(outputs, head.outputs_at.item,
                         block.are_samples ? head.outputs_at.sample : head.outputs_at.position, C, block.n,
                         is_row ? -Bits<Sum>::infinity : Sum(0), tile);
    silence<is_row>(block, n_rows, tile);
    Ahead<typename E::Raw> ahead;
    if (is_row) {
      ahead.to_read = outputs + (block.are_samples ? head.outputs_at.sample : head.outputs_at.position);
      if (head.gradient != nullptr) {
        ahead.to_write = static_cast<typename E::Raw*>(head.gradient) + block.sample * head.gradient_at.sample +
                         block.position * head.gradient_at.position;
      }
    }
    lose<E, Stored, is_row>(head, ahead, n_rows, block, tile, target, lost);
    if (head.gradient != nullptr) slope<is_row>(head, n_rows, block, scale, target, lost, tile);
  }
  if (head.gradient != nullptr) {
    auto* gradient = static_cast<typename E::Raw*>(head.gradient) + block.sample * head.gradient_at.sample +
                     block.position * head.gradient_at.position;
    store_tile<is_row, E>(tile, head.gradient_at.item,
                          block.are_samples ? head.gradient_at.sample : head.gradient_at.position, C, block.n,
                          gradient);
  }
  return tally<is_row>(head, block, lost.loss);
}
