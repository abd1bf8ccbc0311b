// Injected before the page's own code: ears and eyes for the tests.

{
  const Peer = RTCPeerConnection;
  globalThis.RTCPeerConnection = class extends Peer {
    constructor(...given) {
      super(...given);
      globalThis.testPeer = this;
    }
  };
}

/** Frames decoded since the connection began, and the browser's time of that count in ms. */
globalThis.testFrames = async () => {
  for (const entry of (await testPeer.getStats()).values()) {
    if (entry.type === "inbound-rtp" && entry.kind === "video") return [entry.framesDecoded, entry.timestamp];
  }
  return [0, 0];
};

let hearing = null;

/** Loudness (RMS) of what the portrait says, now. */
globalThis.testLoudness = () => {
  if (!hearing) {
    const context = new AudioContext();
    hearing = context.createAnalyser();
    hearing.fftSize = 1024;
    context.createMediaStreamSource(document.getElementById("face").srcObject).connect(hearing);
  }
  const samples = new Float32Array(hearing.fftSize);
  hearing.getFloatTimeDomainData(samples);
  return Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length);
};

/** For `seconds`, per shown frame: [media seconds, loudness, mean darkness change of the box (x, y, w, h in shares of the picture)]. */
globalThis.testWatch = (seconds, [x, y, w, h]) => new Promise((done) => {
  const video = document.getElementById("face");
  const canvas = new OffscreenCanvas(48, 32);
  const brush = canvas.getContext("2d", { willReadFrequently: true });
  const seen = [];
  let before = null, first = null;
  const look = (now, { mediaTime }) => {
    first ??= now;
    const { videoWidth: W, videoHeight: H } = video;
    brush.drawImage(video, x * W, y * H, w * W, h * H, 0, 0, 48, 32);
    const pixels = brush.getImageData(0, 0, 48, 32).data;
    if (before) {
      let change = 0;
      for (let i = 1; i < pixels.length; i += 4) change += Math.abs(pixels[i] - before[i]);
      seen.push([mediaTime, testLoudness(), change / (48 * 32)]);
    }
    before = pixels;
    if (now - first < seconds * 1000) video.requestVideoFrameCallback(look);
    else done(seen);
  };
  video.requestVideoFrameCallback(look);
});
