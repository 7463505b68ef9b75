// A value type lists its fields once; the wire encoding, JSON, the database and the documentation derive from that:
//
//   struct Target { std::string id; std::uint16_t port = 0; FLEET_FIELDS(Target, id, port) };
#pragma once

#include <utility>

namespace fleet {

template <class T>
concept HasFields = requires { typename T::FleetFields; };

// Calls visitor(name, member) for each field of a value, in the order listed.
template <class T, class V>
void for_each_field(T& value, V&& visitor) {
  std::remove_const_t<T>::fleet_fields(value, visitor);
}

}  // namespace fleet

#define FLEET_F1(s, v, a) v(#a, s.a);
#define FLEET_F2(s, v, a, ...) v(#a, s.a); FLEET_F1(s, v, __VA_ARGS__)
#define FLEET_F3(s, v, a, ...) v(#a, s.a); FLEET_F2(s, v, __VA_ARGS__)
#define FLEET_F4(s, v, a, ...) v(#a, s.a); FLEET_F3(s, v, __VA_ARGS__)
#define FLEET_F5(s, v, a, ...) v(#a, s.a); FLEET_F4(s, v, __VA_ARGS__)
#define FLEET_F6(s, v, a, ...) v(#a, s.a); FLEET_F5(s, v, __VA_ARGS__)
#define FLEET_F7(s, v, a, ...) v(#a, s.a); FLEET_F6(s, v, __VA_ARGS__)
#define FLEET_F8(s, v, a, ...) v(#a, s.a); FLEET_F7(s, v, __VA_ARGS__)
#define FLEET_F9(s, v, a, ...) v(#a, s.a); FLEET_F8(s, v, __VA_ARGS__)
#define FLEET_F10(s, v, a, ...) v(#a, s.a); FLEET_F9(s, v, __VA_ARGS__)
#define FLEET_F11(s, v, a, ...) v(#a, s.a); FLEET_F10(s, v, __VA_ARGS__)
#define FLEET_F12(s, v, a, ...) v(#a, s.a); FLEET_F11(s, v, __VA_ARGS__)
#define FLEET_F13(s, v, a, ...) v(#a, s.a); FLEET_F12(s, v, __VA_ARGS__)
#define FLEET_F14(s, v, a, ...) v(#a, s.a); FLEET_F13(s, v, __VA_ARGS__)
#define FLEET_F15(s, v, a, ...) v(#a, s.a); FLEET_F14(s, v, __VA_ARGS__)
#define FLEET_F16(s, v, a, ...) v(#a, s.a); FLEET_F15(s, v, __VA_ARGS__)
#define FLEET_F17(s, v, a, ...) v(#a, s.a); FLEET_F16(s, v, __VA_ARGS__)
#define FLEET_F18(s, v, a, ...) v(#a, s.a); FLEET_F17(s, v, __VA_ARGS__)
#define FLEET_F19(s, v, a, ...) v(#a, s.a); FLEET_F18(s, v, __VA_ARGS__)
#define FLEET_F20(s, v, a, ...) v(#a, s.a); FLEET_F19(s, v, __VA_ARGS__)
#define FLEET_F21(s, v, a, ...) v(#a, s.a); FLEET_F20(s, v, __VA_ARGS__)
#define FLEET_F22(s, v, a, ...) v(#a, s.a); FLEET_F21(s, v, __VA_ARGS__)
#define FLEET_F23(s, v, a, ...) v(#a, s.a); FLEET_F22(s, v, __VA_ARGS__)
#define FLEET_F24(s, v, a, ...) v(#a, s.a); FLEET_F23(s, v, __VA_ARGS__)
#define FLEET_F25(s, v, a, ...) v(#a, s.a); FLEET_F24(s, v, __VA_ARGS__)
#define FLEET_F26(s, v, a, ...) v(#a, s.a); FLEET_F25(s, v, __VA_ARGS__)
#define FLEET_F27(s, v, a, ...) v(#a, s.a); FLEET_F26(s, v, __VA_ARGS__)
#define FLEET_F28(s, v, a, ...) v(#a, s.a); FLEET_F27(s, v, __VA_ARGS__)
#define FLEET_F29(s, v, a, ...) v(#a, s.a); FLEET_F28(s, v, __VA_ARGS__)
#define FLEET_F30(s, v, a, ...) v(#a, s.a); FLEET_F29(s, v, __VA_ARGS__)
#define FLEET_F31(s, v, a, ...) v(#a, s.a); FLEET_F30(s, v, __VA_ARGS__)
#define FLEET_F32(s, v, a, ...) v(#a, s.a); FLEET_F31(s, v, __VA_ARGS__)
#define FLEET_F33(s, v, a, ...) v(#a, s.a); FLEET_F32(s, v, __VA_ARGS__)
#define FLEET_F34(s, v, a, ...) v(#a, s.a); FLEET_F33(s, v, __VA_ARGS__)
#define FLEET_F35(s, v, a, ...) v(#a, s.a); FLEET_F34(s, v, __VA_ARGS__)
#define FLEET_F36(s, v, a, ...) v(#a, s.a); FLEET_F35(s, v, __VA_ARGS__)
#define FLEET_F37(s, v, a, ...) v(#a, s.a); FLEET_F36(s, v, __VA_ARGS__)
#define FLEET_F38(s, v, a, ...) v(#a, s.a); FLEET_F37(s, v, __VA_ARGS__)
#define FLEET_F39(s, v, a, ...) v(#a, s.a); FLEET_F38(s, v, __VA_ARGS__)
#define FLEET_F40(s, v, a, ...) v(#a, s.a); FLEET_F39(s, v, __VA_ARGS__)
#define FLEET_PICK(_1, _2, _3, _4, _5, _6, _7, _8, _9, _10, _11, _12, _13, _14, _15, _16, _17, _18, _19, _20, _21,     \
                   _22, _23, _24, _25, _26, _27, _28, _29, _30, _31, _32, _33, _34, _35, _36, _37, _38, _39, _40, n, ...) \
  n
#define FLEET_FIELD_VISITS(s, v, ...)                                                                                  \
  FLEET_PICK(__VA_ARGS__, FLEET_F40, FLEET_F39, FLEET_F38, FLEET_F37, FLEET_F36, FLEET_F35, FLEET_F34, FLEET_F33,      \
             FLEET_F32, FLEET_F31, FLEET_F30, FLEET_F29, FLEET_F28, FLEET_F27, FLEET_F26, FLEET_F25, FLEET_F24,        \
             FLEET_F23, FLEET_F22, FLEET_F21, FLEET_F20, FLEET_F19, FLEET_F18, FLEET_F17, FLEET_F16, FLEET_F15,        \
             FLEET_F14, FLEET_F13, FLEET_F12, FLEET_F11, FLEET_F10, FLEET_F9, FLEET_F8, FLEET_F7, FLEET_F6,            \
             FLEET_F5, FLEET_F4, FLEET_F3, FLEET_F2, FLEET_F1, )                                                       \
  (s, v, __VA_ARGS__)

#define FLEET_FIELDS(T, ...)                                 \
  using FleetFields = T;                                     \
  template <class S, class V>                                \
  static void fleet_fields(S& s, V& v) {                     \
    FLEET_FIELD_VISITS(s, v, __VA_ARGS__)                    \
  }                                                          \
  friend bool operator==(const T&, const T&) = default;
#define FLEET_NO_FIELDS(T)                                   \
  using FleetFields = T;                                     \
  template <class S, class V>                                \
  static void fleet_fields(S&, V&) {}                        \
  friend bool operator==(const T&, const T&) = default;
