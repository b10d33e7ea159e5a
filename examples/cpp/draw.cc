// Draws one sketch with a step.tflite or model.tflite and prints it, a line a point: dx dy pen_lifted.
//
//   draw MODEL.tflite TEMPERATURE < NOISE
//
// NOISE is text, four numbers a point: two uniforms and two standard normals (docs/on_device.md);
// a line "z ..." before them gives the latent vector of a conditional model. Temperature mode: paper.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>
#include <vector>

#include "litert_c_api.h"

using Floats = std::vector<float>;

void check(LiteRtStatus status, const char* what) {
  if (status == 0) return;
  std::fprintf(stderr, "draw: %s failed (LiteRT status %d)\n", what, status);
  std::exit(1);
}

// A signature with buffers for its inputs and outputs, in the file's order.
class Signature {
 public:
  Signature(LiteRtEnvironment environment, LiteRtModel model, LiteRtCompiledModel compiled,
            const std::string& key)
      : compiled_(compiled) {
    size_t count = 0;
    check(LiteRtGetNumModelSignatures(model, &count), "counting signatures");
    LiteRtSignature signature = nullptr;
    for (index_ = 0; index_ < count; ++index_) {
      const char* name = nullptr;
      check(LiteRtGetModelSignature(model, index_, &signature), "reading a signature");
      check(LiteRtGetSignatureKey(signature, &name), "reading a signature's name");
      if (key == name) break;
    }
    found_ = index_ < count;
    if (found_) make_buffers(environment, signature);
  }

  bool found() const { return found_; }

  // Sizes are the caller's to know: they are in the metadata.
  void set(const std::string& name, const Floats& values) {
    void* address = nullptr;
    LiteRtTensorBuffer buffer = inputs_[place(input_names_, name)];
    check(LiteRtLockTensorBuffer(buffer, &address, 1), "writing an input");
    std::memcpy(address, values.data(), values.size() * sizeof(float));
    check(LiteRtUnlockTensorBuffer(buffer), "writing an input");
  }

  void run() {
    check(LiteRtRunCompiledModel(compiled_, index_, inputs_.size(), inputs_.data(),
                                 outputs_.size(), outputs_.data()),
          "running a signature");
  }

  Floats get(const std::string& name) {
    void* address = nullptr;
    const size_t at = place(output_names_, name);
    check(LiteRtLockTensorBuffer(outputs_[at], &address, 0), "reading an output");
    Floats values(static_cast<float*>(address), static_cast<float*>(address) + output_sizes_[at]);
    check(LiteRtUnlockTensorBuffer(outputs_[at]), "reading an output");
    return values;
  }

 private:
  void make_buffers(LiteRtEnvironment environment, LiteRtSignature signature) {
    size_t count = 0;
    const char* name = nullptr;
    LiteRtTensor tensor = nullptr;
    check(LiteRtGetNumSignatureInputs(signature, &count), "counting inputs");
    for (size_t i = 0; i < count; ++i) {
      check(LiteRtGetSignatureInputName(signature, i, &name), "reading an input's name");
      check(LiteRtGetSignatureInputTensorByIndex(signature, i, &tensor), "reading an input");
      input_names_.push_back(name);
      size_t size = 0;
      inputs_.push_back(make(environment, tensor, &size));
    }
    check(LiteRtGetNumSignatureOutputs(signature, &count), "counting outputs");
    for (size_t i = 0; i < count; ++i) {
      check(LiteRtGetSignatureOutputName(signature, i, &name), "reading an output's name");
      check(LiteRtGetSignatureOutputTensorByIndex(signature, i, &tensor), "reading an output");
      output_names_.push_back(name);
      output_sizes_.push_back(0);
      outputs_.push_back(make(environment, tensor, &output_sizes_.back()));
    }
  }

  static LiteRtTensorBuffer make(LiteRtEnvironment environment, LiteRtTensor tensor, size_t* size) {
    LiteRtRankedTensorType type{};
    check(LiteRtGetRankedTensorType(tensor, &type), "reading a tensor's type");
    int32_t dimensions[8];  // after the element type and the rank, four bytes each
    std::memcpy(dimensions, type.bytes + 8, sizeof dimensions);
    const int rank = type.bytes[4] & 0x7f;
    *size = 1;
    for (int i = 0; i < rank; ++i) *size *= dimensions[i];
    LiteRtTensorBuffer buffer = nullptr;
    check(LiteRtCreateManagedTensorBuffer(environment, 1, &type, *size * sizeof(float), &buffer),
          "making a buffer");
    return buffer;
  }

  static size_t place(const std::vector<std::string>& names, const std::string& name) {
    for (size_t i = 0; i < names.size(); ++i)
      if (names[i] == name) return i;
    std::fprintf(stderr, "draw: the model has no tensor %s\n", name.c_str());
    std::exit(1);
  }

  LiteRtCompiledModel compiled_;
  size_t index_ = 0;
  bool found_ = false;
  std::vector<std::string> input_names_, output_names_;
  std::vector<LiteRtTensorBuffer> inputs_, outputs_;
  std::vector<size_t> output_sizes_;
};

// Returns the first index whose cumulated probability exceeds the uniform number.
int choose(const float* logits, int count, float tau, float uniform) {
  float most = logits[0], sum = 0, passed = 0;
  for (int i = 1; i < count; ++i) most = std::fmax(most, logits[i]);
  for (int i = 0; i < count; ++i) sum += std::exp((logits[i] - most) / tau);
  for (int i = 0; i < count - 1; ++i) {
    passed += std::exp((logits[i] - most) / tau) / sum;
    if (passed > uniform) return i;
  }
  return count - 1;
}

float limit(float x, float bound) { return std::fmin(std::fmax(x, -bound), bound); }

// Returns the next point as a stroke-5 row, normalised units.
Floats next_point(const Floats& parameters, const float noise[4], float tau) {
  const int m = (static_cast<int>(parameters.size()) - 3) / 6;
  const float* block = parameters.data() + 3;  // pi, mu_x, mu_y, log_x, log_y, fisher_z
  const int k = choose(block, m, tau, noise[0]);
  const int pen = choose(parameters.data(), 3, tau, noise[1]);
  const float rho = std::tanh(limit(block[5 * m + k], 8));
  const float factor = std::sqrt(tau);
  const float x = std::exp(limit(block[3 * m + k], 10)) * factor * noise[2];
  const float y = std::exp(limit(block[4 * m + k], 10)) * factor *
                  (rho * noise[2] + std::sqrt(1 - rho * rho) * noise[3]);
  Floats row = {block[m + k] + x, block[2 * m + k] + y, 0, 0, 0};
  row[2 + pen] = 1;
  return row;
}

// Returns the numbers after "key": in the metadata: enough of JSON for the few that are needed.
Floats numbers(const std::string& json, const std::string& key) {
  const size_t at = json.find("\"" + key + "\":");
  if (at == std::string::npos) {
    std::fprintf(stderr, "draw: the metadata has no %s\n", key.c_str());
    std::exit(1);
  }
  const char* text = json.c_str() + at + key.size() + 3;
  Floats found;
  while (std::strchr(" [,", *text) != nullptr && *text != 0) {
    text += std::strspn(text, " [,");
    char* end = nullptr;
    found.push_back(std::strtof(text, &end));
    if (end == text) break;
    text = end;
  }
  return found;
}

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: draw MODEL.tflite TEMPERATURE < NOISE\n");
    return 2;
  }
  const float tau = std::strtof(argv[2], nullptr);
  LiteRtEnvironment environment = nullptr;
  LiteRtModel model = nullptr;
  LiteRtOptions options = nullptr;
  LiteRtCompiledModel compiled = nullptr;
  check(LiteRtCreateEnvironment(0, nullptr, &environment), "starting LiteRT");
  check(LiteRtCreateModelFromFile(environment, argv[1], &model), "reading the model");
  const void* text = nullptr;
  size_t size = 0;
  check(LiteRtGetModelMetadata(model, "sketch_rnn_tf", &text, &size), "reading the metadata");
  const std::string metadata(static_cast<const char*>(text), size);
  check(LiteRtCreateOptions(&options), "making options");
  check(LiteRtSetOptionsHardwareAccelerators(options, 1), "choosing the processor");
  check(LiteRtCreateCompiledModel(environment, model, options, &compiled), "compiling the model");

  Floats state(static_cast<size_t>(numbers(metadata, "state_size")[0]));
  Floats stroke = numbers(metadata, "start_token");
  const float scale = numbers(metadata, "scale_factor")[0];
  Signature start(environment, model, compiled, "init_state");
  if (start.found()) {
    Floats z(static_cast<size_t>(numbers(metadata, "z_size")[0]));
    std::string word;
    std::cin >> word;  // "z"
    for (float& value : z) std::cin >> value;
    start.set("z", z);
    start.run();
    state = start.get("state");
  }
  Signature step(environment, model, compiled, "step");
  float noise[4];
  while (std::cin >> noise[0] >> noise[1] >> noise[2] >> noise[3]) {
    step.set("stroke", stroke);
    step.set("state", state);
    step.run();
    stroke = next_point(step.get("parameters"), noise, tau);
    state = step.get("state");
    if (stroke[4] == 1) break;
    std::printf("%.6g %.6g %d\n", stroke[0] * scale, stroke[1] * scale, stroke[3] == 1);
  }
  std::fflush(stdout);
  std::_Exit(0);  // the process's end frees everything
}
