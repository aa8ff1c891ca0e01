// Losses of single elements (several labels, values). Compiled once per namespace by for_each_isa.h.

// One element's loss, and how steep it is. `setting` is Huber's delta.
template <LossKind kind, typename Sum>
COTRAIN_INLINE Sum element_loss(Sum x, Sum target, Sum positive, Sum setting, Sum& steep) {
  if (kind == LossKind::binary_cross_entropy) {
    const Sum faded = exp_of(x < Sum(0) ? x : -x);  // exp(-|x|)
    const Sum nearer = Sum(1) / (Sum(1) + faded), further = faded * nearer;
    steep = binary_cross_entropy_slope(target, positive, x < Sum(0) ? further : nearer, x < Sum(0) ? nearer : further);
    return binary_cross_entropy(x, target, positive, log1p_of(faded));
  }
  const Sum difference = x - target;
  if (kind == LossKind::squared_error) {
    steep = Sum(2) * difference;
    return squared_error(difference);
  }
  steep = huber_slope(difference, setting);
  return huber(difference, setting);
}

// A run of elements in memory: how far neighbours lie apart in each array. Null: no mask, no weights for positives.
template <typename E, typename Stored>
struct Run {
  std::int64_t n = 0;
  const typename E::Raw* outputs = nullptr;
  const typename Stored::Raw* targets = nullptr;
  const bool* mask = nullptr;
  const typename E::Sum* positive = nullptr;
  typename E::Raw* gradient = nullptr;
  std::int64_t output_step = 1, target_step = 1, mask_step = 1, positive_step = 0, gradient_step = 1;

  // Whether the loop over it becomes vector instructions.
  bool is_plain() const {
    return output_step == 1 && target_step == 1 && gradient_step == 1 && mask == nullptr && positive == nullptr;
  }
};

template <LossKind kind, bool is_plain, typename E, typename Stored>
Found element_run(const Run<E, Stored>& run, typename E::Sum setting, typename E::Sum scale) {
  using Sum = typename E::Sum;
  double total = 0;
  std::int64_t count = 0;
#pragma omp simd reduction(+ : total, count)
  for (std::int64_t i = 0; i < run.n; ++i) {
    const Sum x = E::load(run.outputs[is_plain ? i : i * run.output_step]);
    const Sum target = Stored::load(run.targets[is_plain ? i : i * run.target_step]);
    const bool is_in = target == target && (is_plain || run.mask == nullptr || run.mask[i * run.mask_step]);
    const Sum positive = is_plain || run.positive == nullptr ? Sum(1) : run.positive[i * run.positive_step];
    Sum steep;
    const Sum loss = element_loss<kind>(is_in ? x : Sum(0), is_in ? target : Sum(0), positive, setting, steep);
    total += is_in ? double(loss) : 0.0;
    count += is_in ? 1 : 0;
    if (run.gradient != nullptr) {
      run.gradient[is_plain ? i : i * run.gradient_step] = E::store(is_in ? steep * scale : Sum(0));
    }
  }
  return {0.0, total, count};
}

// Elements [begin, end) of one sample, in the order [C, P].
template <LossKind kind, typename E, typename Stored>
Found element_part(const LossHead& head, std::int64_t sample, std::int64_t begin, std::int64_t end, double scale) {
  using Sum = typename E::Sum;
  const Sum weight = weight_of<Sum>(head, sample);
  const Sum steepness = static_cast<Sum>(scale * double(weight)), setting = static_cast<Sum>(head.setting);
  const Strides o = head.outputs_at, t = head.targets_at, m = head.mask_at, g = head.gradient_at;
  // Along the classes where a sample has one position, else along the positions of each class.
  const bool along_classes = head.n_positions == 1;
  const std::int64_t length = along_classes ? head.n_classes : head.n_positions;
  Found found;
  if (begin >= end) return found;  // no positions
  for (std::int64_t outer = begin / length; outer * length < end; ++outer) {
    const std::int64_t first = outer * length;
    const std::int64_t from = begin > first ? begin - first : 0, to = end - first < length ? end - first : length;
    const std::int64_t item = along_classes ? from : outer, position = along_classes ? 0 : from;
    Run<E, Stored> run;
    run.n = to - from;
    run.outputs =
        static_cast<const typename E::Raw*>(head.outputs) + sample * o.sample + item * o.item + position * o.position;
    run.targets = static_cast<const typename Stored::Raw*>(head.targets) + sample * t.sample + item * t.item +
                  position * t.position;
    if (head.mask != nullptr) run.mask = head.mask + sample * m.sample + item * m.item + position * m.position;
    if (head.class_weights != nullptr) run.positive = static_cast<const Sum*>(head.class_weights) + item;
    if (head.gradient != nullptr) {
      run.gradient =
          static_cast<typename E::Raw*>(head.gradient) + sample * g.sample + item * g.item + position * g.position;
    }
    run.output_step = along_classes ? o.item : o.position;
    run.target_step = along_classes ? t.item : t.position;
    run.mask_step = along_classes ? m.item : m.position;
    run.positive_step = along_classes ? 1 : 0;
    run.gradient_step = along_classes ? g.item : g.position;
    const Found part = run.is_plain() ? element_run<kind, true>(run, setting, steepness)
                                      : element_run<kind, false>(run, setting, steepness);
    found.loss += part.loss;
    found.count += part.count;
  }
  found.weighted = double(weight) * found.loss;
  return found;
}
