#include "support/exposition/exposition.hpp"

#include <charconv>
#include <limits>
#include <set>

namespace fleet::test {
namespace {

bool is_name(std::string_view name) {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz_", kMore = "abcdefghijklmnopqrstuvwxyz_0123456789";
  return !name.empty() && kLetters.find(name[0]) != kLetters.npos && name.find_first_not_of(kMore) == name.npos;
}

bool ends(std::string_view text, std::string_view suffix) { return text.ends_with(suffix); }

class Reader {
 public:
  Reader(std::string_view text, bool openmetrics) : rest_(text), openmetrics_(openmetrics) {}

  Exposition read() && {
    if (!ends(rest_, "\n")) fault("does not end in a newline");
    while (!rest_.empty()) {
      line_ = rest_.substr(0, rest_.find('\n'));
      rest_.remove_prefix(std::min(rest_.size(), line_.size() + 1));
      if (ended_) fault("something follows # EOF");
      if (line_ == "# EOF") ended_ = true;
      else if (line_.starts_with("# HELP ")) help(line_.substr(7));
      else if (line_.starts_with("# TYPE ")) type(line_.substr(7));
      else if (line_.starts_with("#") || line_.empty()) fault("a line of no kind");
      else sample();
    }
    if (ended_ != openmetrics_) fault("# EOF belongs to OpenMetrics, and to it alone");
    check_histograms();
    for (const auto& [family, help] : out_.helps) {
      if (help.empty()) fault(family + " is not explained");
      if (!out_.types.contains(family)) fault(family + " has no type");
    }
    return std::move(out_);
  }

 private:
  void fault(std::string what) { out_.faults.push_back(what + " in: " + std::string(line_)); }

  void help(std::string_view text) {
    family_ = std::string(text.substr(0, text.find(' ')));
    if (!is_name(family_)) fault("not a name");
    if (text.find(' ') == text.npos) return fault("no text");
    if (!out_.helps.emplace(family_, text.substr(family_.size() + 1)).second) fault("explained twice");
  }

  void type(std::string_view text) {
    if (std::string_view(family_) != text.substr(0, text.find(' '))) return fault("TYPE without its HELP before");
    const std::string kind(text.substr(std::min(text.size(), family_.size() + 1)));
    if (kind != "counter" && kind != "gauge" && kind != "histogram") fault("not a type");
    if (!out_.types.emplace(family_, kind).second) fault("TYPE twice");
    // As promtool check metrics.
    if (kind == "counter" && !openmetrics_ && !ends(family_, "_total")) fault("a counter not called _total");
    if (kind == "counter" && openmetrics_ && ends(family_, "_total")) fault("a family called _total");
    if (kind != "counter" && ends(family_, "_total")) fault("_total that is no counter");
    for (const auto* suffix : {"_count", "_sum", "_bucket"}) {
      if (ends(family_, suffix)) fault("a family with the end of a histogram's sample");
    }
    for (const auto* unit : {"_milliseconds", "_ms", "_us", "_minutes", "_hours", "_kilobytes", "_kib", "_mb"}) {
      if (family_.find(unit) != family_.npos) fault("not a base unit");
    }
    for (const auto* word : {"counter", "gauge", "histogram"}) {
      if (family_.find(word) != family_.npos) fault("a type in a name");
    }
  }

  void sample() {
    const auto name_end = line_.find_first_of("{ ");
    if (name_end == line_.npos) return fault("no value");
    const std::string name(line_.substr(0, name_end));
    auto at = name_end;
    std::string labels, without_le, le;
    if (line_[at] == '{' && !read_labels(++at, labels, without_le, le)) return;
    if (at >= line_.size() || line_[at] != ' ') return fault("no blank before the value");
    const auto value = number(line_.substr(at + 1));
    check_belonging(name, le, value);
    const auto key = name + (labels.empty() ? "" : "{" + labels + "}");
    if (!out_.samples.emplace(key, value).second) fault("a sample twice");
    if (ends(name, "_bucket")) buckets_[name.substr(0, name.size() - 7) + "|" + without_le].emplace_back(le, value);
    if (ends(name, "_count")) counts_[name.substr(0, name.size() - 6) + "|" + without_le] = value;
    if (ends(name, "_sum")) sums_.insert(name.substr(0, name.size() - 4) + "|" + without_le);
  }

  bool read_labels(std::size_t& at, std::string& labels, std::string& without_le, std::string& le) {
    std::set<std::string> names;
    for (;;) {
      const auto equals = line_.find("=\"", at);
      if (equals == line_.npos) return fault("labels"), false;
      const std::string name(line_.substr(at, equals - at));
      if (!is_name(name) || name.starts_with("__")) fault("not the name of a label");
      if (!names.insert(name).second) fault("a label twice");
      std::string value;
      at = equals + 2;
      for (; at < line_.size() && line_[at] != '"'; ++at) {
        if (line_[at] == '\\') {
          ++at;
          if (at >= line_.size() || std::string_view("\\\"n").find(line_[at]) == std::string_view::npos) {
            fault("an escape that there is not");
          }
          value += '\\';
        }
        if (at < line_.size()) value += line_[at];
      }
      if (at++ >= line_.size()) return fault("a value that does not end"), false;
      const auto text = name + "=\"" + value + "\"";
      labels += (labels.empty() ? "" : ",") + text;
      if (name == "le") le = value;
      else without_le += (without_le.empty() ? "" : ",") + text;
      if (at < line_.size() && line_[at] == ',') {
        ++at;
        continue;
      }
      if (at < line_.size() && line_[at] == '}') return ++at, true;
      return fault("labels do not end"), false;
    }
  }

  double number(std::string_view text) {
    if (text == "+Inf") return std::numeric_limits<double>::infinity();
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) fault("not a number");
    return value;
  }

  // A sample stands below its family's HELP and TYPE, and is called as these say.
  void check_belonging(const std::string& name, const std::string& le, double value) {
    const auto found = out_.types.find(family_);
    if (found == out_.types.end()) return fault("a sample without a type");
    const auto& kind = found->second;
    const bool right = kind == "gauge"     ? name == family_
                       : kind == "counter" ? name == (openmetrics_ ? family_ + "_total" : family_)
                                           : name == family_ + "_bucket" || name == family_ + "_sum" ||
                                                 name == family_ + "_count";
    if (!right) fault("a sample of another family");
    if (kind == "counter" && !(value >= 0)) fault("a counter below 0");
    if (ends(name, "_bucket") == le.empty() && kind == "histogram") fault("le belongs to buckets, and to them alone");
  }

  void check_histograms() {
    for (const auto& [key, buckets] : buckets_) {
      line_ = key;
      double bound = -1, count = 0;
      for (const auto& [le, value] : buckets) {
        const auto next = number(le);
        if (next <= bound) fault("bounds do not ascend");
        if (value < count) fault("buckets are not cumulative");
        if (le != "+Inf" && le.find('.') == le.npos) fault("a bound that is no float");
        bound = next, count = value;
      }
      if (buckets.back().first != "+Inf") fault("no bucket for all");
      if (!counts_.contains(key) || counts_[key] != count) fault("_count is not what the last bucket says");
      if (!sums_.contains(key)) fault("no _sum");
    }
    for (const auto& [key, count] : counts_) {
      line_ = key;
      if (!buckets_.contains(key)) fault("no buckets");
    }
  }

  Exposition out_;
  std::string_view rest_, line_;
  const bool openmetrics_;
  bool ended_ = false;
  std::string family_;
  std::map<std::string, std::vector<std::pair<std::string, double>>> buckets_;
  std::map<std::string, double> counts_;
  std::set<std::string> sums_;
};

}  // namespace

Exposition read_exposition(std::string_view text, bool openmetrics) { return Reader(text, openmetrics).read(); }

double Exposition::at(const std::string& sample) const {
  const auto found = samples.find(sample);
  return found == samples.end() ? 0 : found->second;
}

double Exposition::sum(std::string_view name, const std::vector<std::string>& labels) const {
  double all = 0;
  for (const auto& [key, value] : samples) {
    if (std::string_view(key).substr(0, key.find('{')) != name) continue;
    bool wanted = true;
    for (const auto& label : labels) wanted = wanted && key.find(label) != key.npos;
    if (wanted) all += value;
  }
  return all;
}

std::vector<std::string> Exposition::that_went_down_in(const Exposition& later) const {
  std::vector<std::string> all;
  for (const auto& [key, value] : samples) {
    const auto name = key.substr(0, key.find('{'));
    const bool counts = ends(name, "_total") || ends(name, "_count") || ends(name, "_bucket") || ends(name, "_sum");
    const auto now = later.samples.find(key);
    if (counts && now != later.samples.end() && now->second < value) {
      all.push_back(key + " from " + std::to_string(value) + " to " + std::to_string(now->second));
    }
  }
  return all;
}

}  // namespace fleet::test
