// Restore a PGM or PPM picture of 8 bits: restore model.onnx noisy.ppm restored.ppm
#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <exception>
#include <fstream>
#include <iostream>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

struct Picture {
  int64_t channels, height, width;
  std::vector<float> planes;  // channels x height x width, in [0, 1]
};

int64_t read_number(std::istream& file) {
  while (file >> std::ws && file.peek() == '#')
    file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  int64_t number = 0;
  if (!(file >> number) || number < 1 || number > 65535)
    throw std::runtime_error("the header of the picture cannot be read");
  return number;
}

Picture read_picture(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string kind(2, ' ');
  if (!file.read(kind.data(), 2) || (kind != "P5" && kind != "P6"))
    throw std::runtime_error(path + " is not a binary PGM or PPM picture");
  Picture picture{kind == "P5" ? 1 : 3, 0, 0, {}};
  picture.width = read_number(file);
  picture.height = read_number(file);
  if (read_number(file) != 255) throw std::runtime_error(path + " is not of 8 bits");
  file.get();  // the one space that ends the header
  const int64_t size = picture.height * picture.width;
  std::vector<char> bytes(picture.channels * size);
  if (!file.read(bytes.data(), bytes.size())) throw std::runtime_error(path + " is cut short");
  picture.planes.resize(bytes.size());
  for (int64_t i = 0; i < size; ++i)
    for (int64_t c = 0; c < picture.channels; ++c)
      picture.planes[c * size + i] = static_cast<uint8_t>(bytes[i * picture.channels + c]) / 255.0f;
  return picture;
}

void write_picture(const std::string& path, const Picture& picture) {
  const int64_t size = picture.height * picture.width;
  std::vector<char> bytes(picture.planes.size());
  for (int64_t i = 0; i < size; ++i)
    for (int64_t c = 0; c < picture.channels; ++c) {
      const float value = std::clamp(picture.planes[c * size + i], 0.0f, 1.0f);
      bytes[i * picture.channels + c] = static_cast<char>(std::lround(255 * value));
    }
  std::ofstream file(path, std::ios::binary);
  file << (picture.channels == 1 ? "P5" : "P6") << '\n'
       << picture.width << ' ' << picture.height << "\n255\n";
  file.write(bytes.data(), bytes.size());
  if (!file.flush()) throw std::runtime_error(path + " cannot be written");
}

// A network with a level map takes the noise level, too: of each picture, or one for all, 0 to 255.
void restore(Ort::Session& session, Picture& picture, float sigma) {
  Ort::AllocatorWithDefaultOptions allocator;
  const size_t input_count = session.GetInputCount();
  const auto input_name = session.GetInputNameAllocated(0, allocator);
  const auto level_name = session.GetInputNameAllocated(input_count - 1, allocator);
  const auto output_name = session.GetOutputNameAllocated(0, allocator);
  const auto type = session.GetInputTypeInfo(0);
  const auto tensor = type.GetTensorTypeAndShapeInfo();
  // float, N x C x H x W in [0, 1]; of "export --io image" uint8, N x H x W x C
  const bool takes_bytes = tensor.GetElementType() == ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8;
  const int64_t channels = tensor.GetShape().at(takes_bytes ? 3 : 1);

  // A gray network restores each channel as a picture of its own; one for colour sees a gray
  // picture as three equal channels.
  std::vector<float> planes = picture.planes;
  if (channels == 3 && picture.channels == 1)
    for (int copy = 1; copy < 3; ++copy)
      planes.insert(planes.end(), picture.planes.begin(), picture.planes.end());
  const int64_t size = picture.height * picture.width;
  const int64_t batch = static_cast<int64_t>(planes.size()) / (channels * size);
  const auto place = [&](int64_t i) {  // in N x H x W x C, of value i of the planes
    const int64_t plane = i / size;
    return ((plane / channels) * size + i % size) * channels + plane % channels;
  };
  std::vector<uint8_t> bytes(takes_bytes ? planes.size() : 0);
  for (size_t i = 0; i < bytes.size(); ++i)
    bytes[place(i)] = static_cast<uint8_t>(std::lround(255 * planes[i]));

  using Shape = std::vector<int64_t>;
  const Shape shape = takes_bytes ? Shape{batch, picture.height, picture.width, channels}
                                  : Shape{batch, channels, picture.height, picture.width};
  const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  const auto as_tensor = [&](auto& values, const Shape& dims) {
    return Ort::Value::CreateTensor(memory, values.data(), values.size(), dims.data(), dims.size());
  };
  std::vector<float> level{sigma};
  const Ort::Value given[] = {takes_bytes ? as_tensor(bytes, shape) : as_tensor(planes, shape),
                              as_tensor(level, {1})};
  const char* inputs[] = {input_name.get(), level_name.get()};
  const char* outputs[] = {output_name.get()};
  const auto results =
      session.Run(Ort::RunOptions{nullptr}, inputs, given, input_count, outputs, 1);
  if (results[0].GetTensorTypeAndShapeInfo().GetShape() != shape)
    throw std::runtime_error("the model is not image to image");

  const auto restored = [&](int64_t i) {
    return takes_bytes ? results[0].GetTensorData<uint8_t>()[place(i)] / 255.0f
                       : results[0].GetTensorData<float>()[i];
  };
  const int64_t copies = static_cast<int64_t>(planes.size() / picture.planes.size());
  for (size_t i = 0; i < picture.planes.size(); ++i) {
    float sum = 0;
    for (int64_t copy = 0; copy < copies; ++copy) sum += restored(copy * size + i);
    picture.planes[i] = sum / copies;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4 && argc != 5) {
    std::cerr << "usage: restore model.onnx noisy.ppm restored.ppm [sigma]\n";
    return 2;
  }
  try {
    Ort::Env env(ORT_LOGGING_LEVEL_WARNING, "restore");
    // On Windows the path of the model is a wide string.
    Ort::Session session(env, argv[1], Ort::SessionOptions{});
    Picture picture = read_picture(argv[2]);
    restore(session, picture, argc == 5 ? std::stof(argv[4]) : 25.0f);
    write_picture(argv[3], picture);
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 1;
  }
}
