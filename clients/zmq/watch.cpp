// Watches a limner session and commands it, in C++17 with libzmq and msgpack (Debian: libzmq3-dev libmsgpack-cxx-dev):
//
//   g++ -std=c++17 -O2 -DMSGPACK_NO_BOOST watch.cpp -lzmq -o watch
//   ./watch tcp://127.0.0.1:5555 FRAMES [tcp://127.0.0.1:5556] [face.ppm]
//
// for `limner run --from mic --to 'zmq:tcp://127.0.0.1:5555?format=rgb&control=tcp://127.0.0.1:5556'`. It ends after
// FRAMES pictures, interrupts what is being said, keeps the last picture and prints what it saw as JSON.

#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <msgpack.hpp>
#include <zmq.h>

using Header = std::map<std::string, msgpack::object>;
using Socket = std::unique_ptr<void, int (*)(void*)>;

void check(bool good, const char* what) {
    if (!good) throw std::runtime_error(std::string(what) + ": " + zmq_strerror(zmq_errno()));
}

Socket connect(void* context, int kind, const char* endpoint) {
    Socket socket(zmq_socket(context, kind), zmq_close);
    int linger = 0, queue = 4, timeout = 30000;
    zmq_setsockopt(socket.get(), ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt(socket.get(), ZMQ_RCVHWM, &queue, sizeof queue);
    zmq_setsockopt(socket.get(), ZMQ_RCVTIMEO, &timeout, sizeof timeout);
    check(zmq_connect(socket.get(), endpoint) == 0, endpoint);
    return socket;
}

// The parts of one message: [topic, header, payload].
std::vector<std::string> receive(void* socket) {
    std::vector<std::string> parts;
    int more = 1;
    while (more) {
        zmq_msg_t part;
        zmq_msg_init(&part);
        check(zmq_msg_recv(&part, socket, 0) >= 0, "nothing received");
        parts.emplace_back(static_cast<char*>(zmq_msg_data(&part)), zmq_msg_size(&part));
        more = zmq_msg_more(&part);
        zmq_msg_close(&part);
    }
    if (parts.size() != 3) throw std::runtime_error("expected topic, header and payload");
    return parts;
}

std::string command(void* context, const char* endpoint, const char* name) {
    Socket ask = connect(context, ZMQ_REQ, endpoint);
    msgpack::sbuffer packed;
    msgpack::packer<msgpack::sbuffer> packer(packed);
    packer.pack_map(2);
    packer.pack("v");
    packer.pack(1);
    packer.pack("name");
    packer.pack(name);
    check(zmq_send(ask.get(), "control", 7, ZMQ_SNDMORE) >= 0 && zmq_send(ask.get(), packed.data(), packed.size(), ZMQ_SNDMORE) >= 0 &&
          zmq_send(ask.get(), "", 0, 0) >= 0, "not sent");
    const auto answer = receive(ask.get());
    const auto handle = msgpack::unpack(answer[1].data(), answer[1].size());
    return handle.get().as<Header>().at("name").as<std::string>();
}

void save(const char* path, int width, int height, const std::string& pixels) {
    std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path, "wb"), std::fclose);
    if (!file) throw std::runtime_error(std::string("cannot write ") + path);
    std::fprintf(file.get(), "P6 %d %d 255\n", width, height);
    std::fwrite(pixels.data(), 1, pixels.size(), file.get());
}

int run(int count, char** words) {
    std::unique_ptr<void, int (*)(void*)> context(zmq_ctx_new(), zmq_ctx_term);
    Socket out = connect(context.get(), ZMQ_SUB, words[1]);
    for (const char* topic : {"video", "audio", "expression", "event"})
        zmq_setsockopt(out.get(), ZMQ_SUBSCRIBE, topic, std::string(topic).size());
    std::map<std::string, int> seen;
    std::string kind, answer, pixels;
    int width = 0, height = 0;
    while (seen["video"] < std::atoi(words[2])) {
        auto parts = receive(out.get());
        seen[parts[0]] += 1;
        const auto handle = msgpack::unpack(parts[1].data(), parts[1].size());
        const auto header = handle.get().as<Header>();
        if (parts[0] == "event") std::fprintf(stderr, "event: %s\n", header.at("name").as<std::string>().c_str());
        if (parts[0] != "video") continue;
        const auto shape = header.at("shape").as<std::vector<int>>();
        height = shape.at(0), width = shape.at(1), kind = header.at("kind").as<std::string>();
        pixels = std::move(parts[2]);
    }
    if (count > 3) answer = command(context.get(), words[3], "interrupt");
    if (count > 4 && kind == "rgb") save(words[4], width, height, pixels);
    std::printf("{\"video\": %d, \"audio\": %d, \"expression\": %d, \"event\": %d, \"width\": %d, \"height\": %d, \"kind\": \"%s\", \"answer\": \"%s\"}\n",
                seen["video"], seen["audio"], seen["expression"], seen["event"], width, height, kind.c_str(), answer.c_str());
    return 0;
}

int main(int count, char** words) try {
    if (count < 3) throw std::runtime_error("expected: watch ENDPOINT FRAMES [CONTROL] [FILE.ppm]");
    return run(count, words);
} catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
}
