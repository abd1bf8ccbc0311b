// Watches a limner session and commands it: `npm install`, then
//
//   node watch.js tcp://127.0.0.1:5555 [--control tcp://127.0.0.1:5556] [--frames N] [--save face.ppm]
//
// for `limner run --from mic --to 'zmq:tcp://127.0.0.1:5555?format=rgb&control=tcp://127.0.0.1:5556'`.
// With a keyboard: i interrupts, q ends. With --frames it ends after so many pictures, interrupts what is being said
// (with --control) and prints what it saw as JSON.

import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { decode, encode } from "@msgpack/msgpack";
import { Request, Subscriber } from "zeromq";

const { values: options, positionals: [endpoint] } = parseArgs({
  allowPositionals: true,
  options: { control: { type: "string" }, frames: { type: "string" }, save: { type: "string" } },
});
if (!endpoint) {
  console.error("expected the endpoint of a session: node watch.js tcp://127.0.0.1:5555");
  process.exit(2);
}

const seen = { video: 0, audio: 0, expression: 0, event: 0, width: 0, height: 0, kind: "", answer: "" };
const wanted = Number(options.frames ?? Infinity);
const out = new Subscriber({ linger: 0, receiveHighWaterMark: 4 });
out.connect(endpoint);
out.subscribe("video", "audio", "expression", "event");

async function command(name, data = {}) {
  const ask = new Request({ linger: 0, receiveTimeout: 5000 });
  ask.connect(options.control);
  await ask.send(["control", encode({ v: 1, name, data }), ""]);
  const [, header] = await ask.receive();
  ask.close();
  return decode(header);
}

if (options.control && process.stdin.isTTY) {
  process.stdin.setRawMode(true).on("data", async (key) => {
    if (String(key) === "i") console.log("interrupt:", (await command("interrupt")).name);
    if ("q\u0003".includes(String(key))) process.exit(0);
  });
}

// Raw RGB as a picture that anything opens.
const ppm = ({ shape: [height, width] }, pixels) => Buffer.concat([Buffer.from(`P6 ${width} ${height} 255\n`), pixels]);

for await (const [topic, packed, payload] of out) {
  const header = decode(packed);
  seen[topic] += 1;
  if (String(topic) === "event") console.error("event:", header.name, JSON.stringify(header.data));
  if (String(topic) !== "video") continue;
  [seen.height, seen.width] = header.shape;
  seen.kind = header.kind;
  if (seen.video < wanted) continue;
  if (options.save && header.kind === "rgb") await writeFile(options.save, ppm(header, payload));
  if (options.control) seen.answer = (await command("interrupt")).name;
  break;
}
console.log(JSON.stringify(seen));
process.exit(0);
