// The WebRTC connection: the portrait down from the first moment, the microphone up once it is given, again after a loss.

import { call, headers } from "./api.js";

const FIRST_WAIT = 500;      // ms before the first new attempt, doubled each time
const LONGEST_WAIT = 15000;
const WATCHER_WAIT = 2000;   // who waits for somebody to talk is not kept waiting long
// A browser keeps about 40 ms of sound. Starting the picture there too has lips and voice together from the first second,
// where the browser's own synchroniser takes ten.
const BUFFER = { audio: 0, video: 50 };
const LONGEST_BUFFER = 300;  // ms the picture may be kept back to stay with its sound
const GRACE = 3000;          // ms a connection may be "disconnected" before it counts as lost

/**
 * `path` is /talk, or /whep to watch only; a watcher waits for as long as there is nothing to watch.
 *
 * Events: "state" (connecting, ready, resting, lost, refused), "stream", "message" (from the server), "problem" (ApiError).
 */
export class Connection extends EventTarget {
  #peer = null;
  #channel = null;
  #location = null;
  #microphone = null;
  #attempt = 0;
  #timer = 0;
  #generation = 0;
  #query = "";

  constructor(path = "/talk") {
    super();
    this.path = path;
    this.talks = path === "/talk";
  }

  session = null;            // the server's id of this session
  state = "connecting";

  /** Connect with `choice` {avatar, fps, size, background, mood, liveliness}, all text; an existing connection is replaced. */
  async open(choice, iceServers = []) {
    this.close();
    this.#query = new URLSearchParams(Object.entries(choice).filter(([, value]) => value)).toString();
    this.iceServers = iceServers;
    this.#attempt = 0;
    await this.#connect();
  }

  /** Send this audio track, or nothing. No new offer is needed, so it takes effect at once. */
  async setMicrophone(track) {
    this.#microphone = track;
    await this.#audioSender()?.replaceTrack(track);
  }

  send(message) {
    if (this.#channel?.readyState !== "open") return false;
    this.#channel.send(JSON.stringify(message));
    return true;
  }

  stats() {
    return this.#peer?.getStats();
  }

  /** Give the place back until `open` is called again. */
  rest() {
    this.close();
    this.#become("resting");
  }

  /** The picture plays `ahead` ms before its sound: keep it back by some of that, or less than so far when negative. */
  align(ahead) {
    const receiver = this.#peer?.getReceivers().find((r) => r.track.kind === "video");
    if (!receiver || !("jitterBufferTarget" in receiver) || Math.abs(ahead) < 8) return;
    const target = (receiver.jitterBufferTarget ?? 0) + ahead / 2;
    receiver.jitterBufferTarget = Math.max(0, Math.min(LONGEST_BUFFER, target));
  }

  close() {
    clearTimeout(this.#timer);
    this.#generation += 1;
    this.#peer?.close();
    this.#peer = null;
    if (this.#location) {
      fetch(this.#location, { method: "DELETE", keepalive: true, headers: headers() }).catch(() => {});
    }
    this.#location = this.session = null;
  }

  #audioSender() {
    return this.#peer?.getTransceivers().find((t) => t.receiver.track.kind === "audio")?.sender;
  }

  async #connect() {
    const generation = this.#generation;
    const current = () => generation === this.#generation;
    this.#become("connecting");
    const peer = this.#peer = new RTCPeerConnection({ iceServers: this.iceServers, bundlePolicy: "max-bundle" });
    peer.addTransceiver(this.#microphone ?? "audio", { direction: this.talks ? "sendrecv" : "recvonly" });
    peer.addTransceiver("video", { direction: "recvonly" });
    this.#watch(peer, current);
    const early = [];
    peer.onicecandidate = ({ candidate }) => candidate?.candidate && (this.#location ? this.#trickle([candidate]) : early.push(candidate));
    try {
      await peer.setLocalDescription();
      const answer = await call(`${this.path}?${this.#query}`, { method: "POST", body: peer.localDescription.sdp, type: "application/sdp" });
      if (!current()) {
        fetch(answer.headers.get("Location"), { method: "DELETE", headers: headers() }).catch(() => {});
        return;
      }
      this.#location = answer.headers.get("Location");
      this.session = answer.headers.get("Limner-Session");
      this.#trickle(early);
      await peer.setRemoteDescription({ type: "answer", sdp: await answer.text() });
    } catch (problem) {
      if (!current()) return;
      this.dispatchEvent(new CustomEvent("problem", { detail: problem }));
      const hopeless = this.talks && problem.status >= 400 && problem.status < 500;
      this.#lose(!hopeless);
    }
  }

  #watch(peer, current) {
    const channel = this.#channel = peer.createDataChannel("limner");
    channel.onmessage = ({ data }) => current() && this.dispatchEvent(new CustomEvent("message", { detail: JSON.parse(data) }));
    peer.ontrack = ({ receiver, streams }) => {
      if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = BUFFER[receiver.track.kind];
      if (current()) this.dispatchEvent(new CustomEvent("stream", { detail: streams[0] }));
    };
    let grace = 0;
    peer.onconnectionstatechange = () => {
      clearTimeout(grace);
      if (!current()) return;
      if (peer.connectionState === "connected") {
        this.#attempt = 0;
        this.#become("ready");
      } else if (peer.connectionState === "disconnected") {
        grace = setTimeout(() => current() && this.#lose(true), GRACE);
      } else if (["failed", "closed"].includes(peer.connectionState)) {
        this.#lose(true);
      }
    };
    channel.onclose = () => current() && peer.connectionState === "connected" && this.#lose(true);   // the server said goodbye
  }

  #trickle(candidates) {
    if (!candidates.length) return;
    const lines = candidates.map((c) => `a=mid:${c.sdpMid}\r\na=${c.candidate}\r\n`).join("");
    call(this.#location, { method: "PATCH", body: lines, type: "application/trickle-ice-sdpfrag" }).catch(() => {});
  }

  #lose(again) {
    this.close();
    this.#become(again ? "lost" : "refused");
    if (!again) return;
    const wait = Math.min(this.talks ? LONGEST_WAIT : WATCHER_WAIT, FIRST_WAIT * 2 ** this.#attempt);
    this.#attempt += 1;
    this.#timer = setTimeout(() => this.#connect(), wait);
  }

  #become(state) {
    if (this.state === state && state !== "connecting") return;
    this.state = state;
    this.dispatchEvent(new CustomEvent("state", { detail: state }));
  }
}
