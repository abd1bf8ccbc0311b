// The visitor's microphone: asked for once it is needed, measured for the level meter, refused with a reason one can act on.

const REASONS = {
  NotAllowedError: "The microphone was refused. Allow it beside the address bar and press the button again. Until then you can watch, or play a file.",
  NotFoundError: "No microphone was found. Plug one in and press the button again, or play a file.",
  NotReadableError: "The microphone is in use by another program. Close that program and press the button again.",
  OverconstrainedError: "This microphone cannot be opened as asked. Switch echo cancellation and noise suppression and try again.",
};

export class Microphone {
  #stream = null;
  #context = null;
  #analyser = null;
  #samples = new Float32Array(1024);

  get track() {
    return this.#stream?.getAudioTracks()[0] ?? null;
  }

  /** The open track. Throws an Error with one readable line. */
  async open({ echoCancellation, noiseSuppression }) {
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new Error("Browsers give the microphone to secure pages only. Open this page as http://127.0.0.1 on the machine itself, or start the server with --cert and --key.");
    }
    this.close();
    try {
      this.#stream = await navigator.mediaDevices.getUserMedia({
        audio: { echoCancellation, noiseSuppression, autoGainControl: true, channelCount: 1 },
      });
    } catch (error) {
      throw new Error(REASONS[error.name] ?? `The microphone cannot be opened (${error.name}).`, { cause: error });
    }
    this.#context = new AudioContext();
    this.#analyser = this.#context.createAnalyser();
    this.#analyser.fftSize = this.#samples.length;
    this.#context.createMediaStreamSource(this.#stream).connect(this.#analyser);
    return this.track;
  }

  /** Loudness now, 0 (silence, -60 dB) to 1 (full scale). */
  level() {
    if (!this.#analyser) return 0;
    this.#analyser.getFloatTimeDomainData(this.#samples);
    const power = this.#samples.reduce((sum, x) => sum + x * x, 0) / this.#samples.length;
    return Math.max(0, Math.min(1, 1 + (10 * Math.log10(power + 1e-9)) / 60));
  }

  close() {
    this.#stream?.getTracks().forEach((track) => track.stop());
    this.#context?.close();
    this.#stream = this.#context = this.#analyser = null;
  }
}
