// One WebGPU device behind the standard webgpu.h, whose implementation is loaded at run time (wgpu-native, Dawn, ...).
//
// Nothing invalid reaches the queue: shader modules, pipelines and bind groups are created inside error scopes and a
// failure is thrown as an Error with the library's own text (wgpu-native would abort the process at submit instead).
// Errors that the library reports later (device lost, out of memory, validation) are stored and thrown by the next call
// that touches the queue.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "gpu/caps.h"
#include "shader/shader.h"

namespace sluice::gpu {

struct AdapterInfo {
  uint32_t index = 0;  // position in list_adapters(), what SLUICE_DEVICE=<number> chooses
  std::string name, vendor, architecture, driver;
  std::string type;                   // "discrete GPU", "integrated GPU", "software (CPU)", "unknown"
  std::string backend;                // "Vulkan", "Metal", "D3D12"...
  std::string library;                // file of the WebGPU library
  std::string library_version;        // "wgpu-native 29.0.0.0", "Dawn <revision>"
  std::vector<std::string> features;  // names as in the WebGPU specification, or the library's own
  uint64_t memory = 0;                // bytes of device memory, 0 if nobody tells
  Caps caps;  // in a list: what is offered; dot4i8 and unreported subgroup sizes are known of an open device only
};

// Who checks the indices of shaders. The kernels keep them in range whatever the data (see CONTRIBUTING.md): this is
// for finding one that does not.
enum class ShaderChecks : uint8_t {
  kNone,
  kLibrary,  // the library compiles its bounds checks into every access: such an index is harmless
  kReport,   // such an index is an Error of the next Readback, naming shader and expression (shader/index_checks.h)
};

struct DeviceOptions {
  std::string library;  // path of a WebGPU library; empty: SLUICE_WEBGPU_LIBRARY, then the one installed by the build
  std::string adapter;  // index or part of a name (case-insensitive); empty: SLUICE_DEVICE, then the best adapter
  CapsOverride disable = CapsOverride::from_environment();
  ShaderChecks checks = checks_from_environment();

  static ShaderChecks checks_from_environment();  // SLUICE_CHECK_SHADERS: 1 the library's, report ours
};

// Every adapter of the library, best first: discrete, integrated, unknown, software. Throws if the library cannot be
// loaded.
std::vector<AdapterInfo> list_adapters(const DeviceOptions& options);

enum class Access : uint8_t { kRead, kReadWrite };

class Device;

// An owned GPU buffer (storage, copy source and destination, indirect counts). Sizes are rounded up to 4 bytes, at
// least 4. Its memory is freed when it and every Step that binds it are destroyed.
class Buffer {
 public:
  Buffer();
  Buffer(Buffer&&) noexcept;
  Buffer& operator=(Buffer&&) noexcept;
  ~Buffer();
  uint64_t size() const { return size_; }
  explicit operator bool() const { return impl_ != nullptr; }

 private:
  friend class Device;
  friend class Commands;
  friend class Uploader;
  struct Impl;
  std::unique_ptr<Impl> impl_;
  uint64_t size_ = 0;
};

struct BufferRange {
  const Buffer* buffer = nullptr;
  uint64_t offset = 0;
  uint64_t size = 0;  // 0: to the end
};

// A compute pipeline with its explicit bind group layout. Owned by the device's cache; references stay valid for its
// life.
struct Pipeline;

// A dispatch resolved to library objects: what a replay records, with nothing left to look up. Move-only.
class Step {
 public:
  Step();
  Step(Step&&) noexcept;
  Step& operator=(Step&&) noexcept;
  ~Step();
  std::string label;  // shown in profiles

 private:
  friend class Device;
  friend class Commands;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

struct StepDescriptor {
  const Pipeline* pipeline = nullptr;
  std::span<const BufferRange> storage;  // @group(0) @binding(i)
  BufferRange uniforms;                  // @group(0) @binding(storage.size()), if buffer is set
  uint32_t groups[3] = {1, 1, 1};
  BufferRange indirect;  // three u32 workgroup counts on the GPU instead of groups, if buffer is set
  std::string label;
};

// Time of one dispatch or pass on the GPU's clock.
struct Timing {
  uint64_t begin_ns = 0, end_ns = 0;
};

// Records commands; nothing runs before Device::submit. Dispatches that follow one another share one compute pass.
class Commands {
 public:
  explicit Commands(Device& device);
  Commands(Commands&&) noexcept;
  Commands& operator=(Commands&&) noexcept;
  ~Commands();

  void dispatch(const Step& step);
  void dispatch(std::span<const Step> steps);
  void copy(const Buffer& from, uint64_t from_offset, const Buffer& to, uint64_t to_offset, uint64_t bytes);
  void clear(const Buffer& buffer, uint64_t offset, uint64_t bytes);
  // Gives every later dispatch a pass and a pair of timestamps of its own (at most 2048 a recording); needs
  // caps.timestamps.
  void time_each_dispatch();
  // Times everything recorded between begin and end as one pair.
  void begin_timed_span();
  void end_timed_span();

 private:
  friend class Device;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// A copy of GPU bytes on its way to the host. Poll ready(), or wait(); bytes() is valid after that.
class Readback {
 public:
  Readback();
  Readback(Readback&&) noexcept;
  Readback& operator=(Readback&&) noexcept;
  ~Readback();
  bool ready();  // never blocks; throws stored device errors
  void wait();   // blocks; counted in Counters::waits unless the bytes are there
  std::span<const std::byte> bytes() const;

 private:
  friend class Device;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Streams a model's weights to buffers: through a few staging buffers that stay mapped in turn and are filled by
// several threads, so that reading pages, copying and the bus work at the same time. Bytes arrive by finish() at the
// latest.
class Uploader {
 public:
  explicit Uploader(Device& device);
  ~Uploader();  // drops what finish() has not sent
  Uploader(const Uploader&) = delete;
  Uploader& operator=(const Uploader&) = delete;

  // Copies the bytes before it returns; rules as for Device::write, but a size that is no multiple of 4 only at the end
  // of a buffer.
  void write(const Buffer& buffer, uint64_t offset, std::span<const std::byte> bytes);
  void finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// How often the device was asked for things; tests pin these per token.
struct Counters {
  uint64_t submits = 0, dispatches = 0, maps = 0;
  uint64_t waits = 0;       // for bytes on their way to the host that were not there yet
  uint64_t idle_waits = 0;  // for everything submitted: Device::wait_idle()
  uint64_t buffers_created = 0, pipelines_created = 0, bind_groups_created = 0;
};

// Bytes of the buffers that were created and not yet destroyed: now, and at most so far. Those that the host maps are
// its memory and are not counted, nor what the library and the driver keep for themselves.
struct MemoryUse {
  uint64_t live = 0, peak = 0;
};

// What Device::pipeline() is asked for.
struct PipelineRequest {
  shader::Shader shader;
  std::vector<Access> storage;
  bool uniforms = false;
  auto operator<=>(const PipelineRequest&) const = default;
};

class Device {
 public:
  static std::unique_ptr<Device> open(const DeviceOptions& options = {});
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const Caps& caps() const;
  const AdapterInfo& info() const;
  const Counters& counters() const;
  MemoryUse memory_use() const;

  // A zero-filled buffer. Throws Error "out of memory" or "larger than the device's limit" with label, size and limit.
  Buffer create_buffer(uint64_t bytes, const std::string& label);
  Buffer create_uniform_buffer(uint64_t bytes, const std::string& label);
  // Queued before the next submit; the bytes are copied out before it returns. Sizes that are no multiple of 4 are
  // padded with zeros, offsets must be multiples. The library holds a second copy until the bytes have moved: writes of
  // a megabyte or more therefore flush by themselves and, beyond 64 MB, wait for earlier ones. Uploader is for more.
  void write(const Buffer& buffer, uint64_t offset, std::span<const std::byte> bytes);
  // Runs everything submitted so far and copies a range to the host: a blocking convenience for tests and final
  // results.
  std::vector<std::byte> read(const Buffer& buffer, uint64_t offset, uint64_t bytes);

  // Expands and compiles a shader once; the key is the whole of (shader, access of each storage binding, has uniforms).
  const Pipeline& pipeline(const shader::Shader& shader, std::span<const Access> storage, bool uniforms);
  // Compiles what is not there yet, on several threads where the library can. A shader that does not compile is
  // reported by pipeline() alone.
  void compile_ahead(std::span<const PipelineRequest> requests);
  // Checks ranges against limits, builds the bind group. Throws, never records something invalid. WebGPU takes a buffer
  // as a whole: ranges of one buffer may be all read or all written (without overlap) by a dispatch, not mixed.
  Step create_step(const StepDescriptor& descriptor);

  void submit(Commands&& commands);
  // Submits, then copies range to a recycled staging buffer and maps it without waiting.
  Readback submit_and_read(Commands&& commands, BufferRange range);
  // Timestamps of the last submitted recording that asked for them (blocking); in order of recording.
  std::vector<Timing> read_timings();
  void wait_idle();  // blocks until everything submitted has run; counted in Counters::idle_waits
  // Frees library memory of destroyed buffers and handles callbacks; never blocks.
  void poll();

  struct Impl;

 private:
  friend class Commands;
  friend class Uploader;
  friend struct TestAccess;
  explicit Device(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::gpu
