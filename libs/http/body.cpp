#include "http/body.hpp"

#include <algorithm>

namespace fleet::http {

Parsed<std::size_t> BodyReader::read(std::string_view in) {
  switch (kind_) {
    case BodyKind::none: break;
    case BodyKind::length: ready_ = static_cast<std::size_t>(std::min<std::uint64_t>(left_, in.size())); break;
    case BodyKind::until_close: ready_ = in.size(); break;
    case BodyKind::chunked: {
      if (ready_ > 0 || ended_ || in.empty()) break;
      const auto step = chunks_.next(in);
      if (!step) return refuse(step.error());
      ready_ = step->data.size();
      ended_ = step->end;
      return step->consumed - ready_;
    }
  }
  return 0;
}

bool BodyReader::source_ended() {
  if (kind_ == BodyKind::until_close) ended_ = true;
  return kind_ == BodyKind::until_close || ended();
}

}  // namespace fleet::http
