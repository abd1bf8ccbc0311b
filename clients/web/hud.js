// The timing panel: where each millisecond between microphone and picture goes.

const ms = (value) => (value == null ? "–" : `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`);
const whole = (value) => (value == null ? "–" : String(Math.round(value)));

/** The stages of the way, from the engine's own figures and the browser's. Medians, in milliseconds. */
export function stages(engine, stream) {
  const at = (hop) => engine[`${hop}_ms_p50`] ?? null;
  const hear = sum(at("hear"), at("features"));
  const draw = sum(at("draw"), at("stages"), at("colour"));
  const total = at("total") || null;
  return [
    ["Hear", hear],
    ["Look ahead", total == null ? null : Math.max(0, total - hear - draw)],
    ["Draw", draw],
    ["Network", stream?.rtt == null ? null : stream.rtt / 2],
    ["Jitter buffer", stream?.videoBuffer ?? null],
    ["Decode", stream?.decode ?? null],
  ];
}

const sum = (...values) => (values.every((v) => v == null) ? null : values.reduce((total, v) => total + (v ?? 0), 0));

/** From the newest sound a picture shows to that picture on the screen: engine, network, buffer, decoder. */
export function endToEnd(engine, stream) {
  const inside = engine.total_ms_p50;
  if (!inside || !stream) return null;                     // nothing was said yet
  return inside + (stream.rtt ?? 0) / 2 + (stream.videoBuffer ?? 0) + (stream.decode ?? 0);
}

export class Hud {
  constructor(element) {
    this.element = element;
  }

  /** `status` as the server sends it, `stream` as StreamStats reads it; either may be missing yet. */
  show(status, stream) {
    const engine = status?.engine ?? {};
    const list = document.createElement("dl");
    const total = endToEnd(engine, stream);
    list.append(make("div", "big", "Sound to screen", make("b", "", total == null ? "–" : `${Math.round(total)} ms`)));
    const parts = stages(engine, stream);
    const bar = make("div", "bar");
    parts.forEach(([, value], n) => {
      const piece = make("i", `s${n}`);
      piece.style.flexGrow = value ?? 0;
      bar.append(piece);
    });
    list.append(bar);
    parts.forEach(([name, value], n) => list.append(make("dt", "", make("i", `s${n}`), name), make("dd", "", ms(value))));
    list.append(make("div", "gap"));
    const rows = [
      ["Frames per second", stream?.fps == null ? "–" : stream.fps.toFixed(1)],
      ["Dropped", whole((stream?.dropped ?? 0) + (status?.packets_dropped ?? 0))],
      ["Lips before voice", stream?.skew == null ? "–" : `${Math.round(stream.skew)} ms`],
      ["Received", stream?.kbps == null ? "–" : `${whole(stream.kbps)} kbit/s`],
    ];
    rows.forEach(([name, value]) => list.append(make("dt", "", name), make("dd", "", value)));
    this.element.replaceChildren(list);
  }
}

function make(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}
