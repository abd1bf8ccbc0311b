// Keeps the received stream as a film on the visitor's own disk. Nothing is sent anywhere.

const TYPES = ["video/mp4;codecs=avc1,opus", "video/mp4", "video/webm;codecs=h264,opus", "video/webm;codecs=vp8,opus", "video/webm"];

export class Recorder {
  #recorder = null;
  #parts = [];
  #since = 0;

  get active() {
    return this.#recorder !== null;
  }

  /** Seconds recorded so far. */
  get seconds() {
    return this.active ? Math.floor((performance.now() - this.#since) / 1000) : 0;
  }

  /** Throws an Error with one readable line where the browser cannot record. */
  start(stream) {
    const type = globalThis.MediaRecorder && TYPES.find((t) => MediaRecorder.isTypeSupported(t));
    if (!type) throw new Error("This browser cannot record. Try a current Chrome, Edge, Firefox or Safari.");
    this.#parts = [];
    this.#recorder = new MediaRecorder(stream, { mimeType: type, videoBitsPerSecond: 4_000_000 });
    this.#recorder.ondataavailable = ({ data }) => data.size && this.#parts.push(data);
    this.#recorder.onstop = () => this.#save(type);
    this.#recorder.start(1000);
    this.#since = performance.now();
  }

  stop() {
    const recorder = this.#recorder;
    this.#recorder = null;
    if (recorder?.state === "recording") recorder.stop();
  }

  #save(type) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(this.#parts, { type }));
    const stamp = new Date().toISOString().slice(0, 19).replace(/[T:]/g, "-");
    link.download = `limner-${stamp}.${type.startsWith("video/mp4") ? "mp4" : "webm"}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }
}
