// Injected into the page by `limner bench streams`: when is a beep heard by the microphone, a flash seen, its beep heard?
// All times are milliseconds of performance.now().

globalThis.limnerProbe = { spoken: [], seen: [], heard: [], first: null };
addEventListener("loadeddata", () => { limnerProbe.first ??= performance.now(); }, { capture: true });

const listener = `registerProcessor("onsets", class extends AudioWorkletProcessor {
  quiet = sampleRate; noise = 0;
  process([[samples]]) {
    if (samples) for (let i = 0; i < samples.length; i++) {
      if (Math.abs(samples[i]) > 0.08) {
        if (this.quiet > 0.2 * sampleRate) this.port.postMessage((currentFrame + i) / sampleRate);
        this.quiet = 0;
      } else this.quiet++;
    }
    return true;
  }
});`;

const getUserMedia = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (constraints) => {
  const stream = await getUserMedia(constraints);
  listen(stream, limnerProbe.spoken);
  return stream;
};

/** Beep onsets of a stream, as the audio thread meets them. */
async function listen(stream, times) {
  const context = new AudioContext({ latencyHint: "interactive" });
  await context.audioWorklet.addModule(URL.createObjectURL(new Blob([listener], { type: "text/javascript" })));
  const node = new AudioWorkletNode(context, "onsets");
  let offset = Infinity;                     // performance.now() minus context time, at its least delayed reading
  setInterval(() => { offset = Math.min(offset + 0.01, performance.now() - context.currentTime * 1000); }, 5);
  node.port.onmessage = ({ data }) => times.push(data * 1000 + offset);
  context.createMediaStreamSource(stream).connect(node).connect(context.destination);
}

/** Flash onsets: the frame's level says how long before it the beep began. */
globalThis.limnerWatch = (video) => {
  const canvas = new OffscreenCanvas(8, 8);
  const brush = canvas.getContext("2d", { willReadFrequently: true });
  let dark = true;
  const look = (now, { expectedDisplayTime }) => {
    brush.drawImage(video, 0, 0, 8, 8);
    const level = brush.getImageData(3, 3, 1, 1).data[1];
    if (dark && level > 125) limnerProbe.seen.push(expectedDisplayTime - (255 - level) / 3);
    dark = level < 60;
    video.requestVideoFrameCallback(look);
  };
  video.requestVideoFrameCallback(look);
  listen(video.srcObject, limnerProbe.heard);
};
