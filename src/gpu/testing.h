// Helpers of the device's tests.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "base/error.h"
#include "gpu/device.h"

namespace sluice::gpu {

inline constexpr const char* kScale = "gpu/testdata/scale.wgsl";

// y[i] = x[i] * factor over `count` floats.
struct alignas(16) ScaleParams {
  uint32_t count = 0;
  float factor = 1;
  uint32_t pad0 = 0, pad1 = 0;
};

inline Device& shared_device() {
  static Device& device = *Device::open().release();
  return device;
}

template <class T>
std::span<const std::byte> bytes_of(const std::vector<T>& values) {
  return std::as_bytes(std::span(values));
}

template <class T>
std::vector<T> values_of(std::span<const std::byte> bytes) {
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
  return values;
}

inline std::vector<float> iota(uint32_t count) {
  std::vector<float> values(count);
  for (uint32_t i = 0; i < count; ++i) values[i] = static_cast<float>(i);
  return values;
}

template <class Call>
std::string error_of(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

// EXPECT_PRED_FORMAT2-like: the message must hold the part.
inline void expect_error_with(const std::string& message, const std::string& part) {
  EXPECT_NE(message.find(part), std::string::npos) << "wanted \"" << part << "\" in: " << message;
}

// Buffers and step of one scale dispatch.
struct Scale {
  Scale(Device& device, uint32_t count, float factor, uint32_t workgroup = 64)
      : x(device.create_buffer(count * 4, "x")),
        y(device.create_buffer(count * 4, "y")),
        params(device.create_uniform_buffer(sizeof(ScaleParams), "params")) {
    const std::vector<ScaleParams> values{{count, factor}};
    device.write(params, 0, bytes_of(values));
    device.write(x, 0, bytes_of(iota(count)));
    const Access access[] = {Access::kRead, Access::kReadWrite};
    pipeline = &device.pipeline({kScale, {{"T", "f32"}, {"WG", workgroup}}}, access, true);
    descriptor.pipeline = pipeline;
    descriptor.storage = ranges;
    descriptor.uniforms = {&params, 0, 0};
    descriptor.groups[0] = (count + workgroup - 1) / workgroup;
    descriptor.label = "scale";
  }
  Scale(const Scale&) = delete;
  Scale& operator=(const Scale&) = delete;

  Buffer x, y, params;
  const Pipeline* pipeline = nullptr;
  BufferRange ranges[2] = {{&x, 0, 0}, {&y, 0, 0}};
  StepDescriptor descriptor;
};

// Sets an environment variable for a scope.
class Environment {
 public:
  Environment(const char* name, const char* value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    set(value);
  }
  ~Environment() { set(before_.empty() ? nullptr : before_.c_str()); }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  void set(const char* value) const {
#if defined(_WIN32)
    _putenv_s(name_, value ? value : "");
#else
    if (value)
      setenv(name_, value, 1);
    else
      unsetenv(name_);
#endif
  }
  const char* name_;
  std::string before_;
};

}  // namespace sluice::gpu
