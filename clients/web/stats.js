// What the browser knows of the stream, as plain numbers over the time since the last reading.

/** Call `read(report)` about once a second. Milliseconds unless said otherwise; null where the browser does not tell. */
export class StreamStats {
  #before = {};

  read(report) {
    let video = null, audio = null, pair = null;
    for (const entry of report.values()) {
      if (entry.type === "inbound-rtp" && entry.kind === "video") video = entry;
      if (entry.type === "inbound-rtp" && entry.kind === "audio") audio = entry;
      if (entry.type === "candidate-pair" && entry.nominated && entry.state === "succeeded") pair = entry;
    }
    if (!video) return null;
    const seconds = (video.timestamp - (this.#before.timestamp ?? video.timestamp)) / 1000;
    const figures = {
      fps: seconds > 0 ? this.#since(video, "framesDecoded") / seconds : null,
      kbps: seconds > 0 ? (this.#since(video, "bytesReceived") * 8) / seconds / 1000 : null,
      dropped: video.framesDropped ?? 0,
      lost: (video.packetsLost ?? 0) + (audio?.packetsLost ?? 0),
      decode: this.#mean(video, "totalDecodeTime", "framesDecoded"),
      videoBuffer: this.#mean(video, "jitterBufferDelay", "jitterBufferEmittedCount"),
      audioBuffer: audio ? this.#mean(audio, "jitterBufferDelay", "jitterBufferEmittedCount") : null,
      rtt: pair?.currentRoundTripTime != null ? pair.currentRoundTripTime * 1000 : null,
      skew: audio?.estimatedPlayoutTimestamp && video.estimatedPlayoutTimestamp
        ? video.estimatedPlayoutTimestamp - audio.estimatedPlayoutTimestamp : null,
      width: video.frameWidth ?? 0,
    };
    this.#remember(video, audio);
    return figures;
  }

  #key = (entry, name) => `${entry.kind}.${name}`;

  #since(entry, name) {
    return (entry[name] ?? 0) - (this.#before[this.#key(entry, name)] ?? 0);
  }

  #mean(entry, total, count) {
    const n = this.#since(entry, count);
    return n > 0 ? (this.#since(entry, total) / n) * 1000 : null;
  }

  #remember(...entries) {
    for (const entry of entries.filter(Boolean)) {
      for (const name of ["framesDecoded", "bytesReceived", "totalDecodeTime", "jitterBufferDelay", "jitterBufferEmittedCount"]) {
        this.#before[this.#key(entry, name)] = entry[name] ?? 0;
      }
    }
    this.#before.timestamp = entries[0].timestamp;
  }
}
