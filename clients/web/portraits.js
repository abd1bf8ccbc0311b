// The row of portraits: the bundled ones, the visitor's own, and the tile that adds one.

import { call, json, picture } from "./api.js";

export class Portraits {
  #busy = false;

  /** `onChoose(avatar)` is called with {name, title, picture: promise of an address} of each new choice, `onProblem(line)` when one fails. */
  constructor(element, { onChoose, onProblem }) {
    this.element = element;
    this.onChoose = onChoose;
    this.onProblem = onProblem;
    this.chosen = null;
  }

  async load() {
    const tiles = (await json("/avatars")).map((avatar) => this.#tile(avatar));
    this.element.replaceChildren(...tiles, this.#adder());
    await this.#choose(tiles[0], false);
  }

  /** Rig a dropped or picked picture on the server and choose it. */
  async add(file) {
    if (this.#busy) return;
    this.#working(true);
    try {
      const title = file.name.replace(/\.[^.]*$/, "");
      const answer = await call(`/avatars?title=${encodeURIComponent(title)}`, { method: "POST", body: file, type: file.type || "application/octet-stream" });
      const avatar = await answer.json();
      const tile = this.#tile(avatar);
      this.element.lastElementChild.before(tile);
      await this.#choose(tile, true);
      if (avatar.notes.length) this.onProblem(`Taken, with a note: ${avatar.notes.join("; ")}.`, "good");
    } catch (problem) {
      this.onProblem(problem.message, "error");
    } finally {
      this.#working(false);
    }
  }

  #tile(avatar) {
    const label = document.createElement("label");
    const input = Object.assign(document.createElement("input"), { type: "radio", name: "portrait", value: avatar.name });
    input.setAttribute("aria-label", avatar.title);
    const image = Object.assign(document.createElement("img"), { alt: "" });
    const shown = picture(avatar.thumbnail).then((address) => (image.src = address)).catch(() => "");
    label.title = avatar.licence ? `${avatar.title} (${avatar.licence})` : avatar.title;
    label.append(input, image);
    label.avatar = { ...avatar, picture: shown };
    input.addEventListener("change", () => this.#choose(label, true));
    return label;
  }

  #adder() {
    const label = Object.assign(document.createElement("label"), { className: "add", title: "Use a picture of your own" });
    label.innerHTML = '<svg aria-hidden="true"><use href="#i-plus"/></svg>';
    const input = Object.assign(document.createElement("input"), { type: "file", id: "portrait-file", accept: "image/*,.avatar" });
    input.setAttribute("aria-label", "Use a picture of your own");
    input.addEventListener("change", () => {
      if (input.files[0]) this.add(input.files[0]);
      input.value = "";
    });
    label.append(input);
    return label;
  }

  async #choose(label, tell) {
    label.querySelector("input").checked = true;
    this.chosen = label.avatar;
    if (tell) await this.onChoose(label.avatar);
  }

  #working(busy) {
    this.#busy = busy;
    this.element.lastElementChild.classList.toggle("busy", busy);
    this.element.setAttribute("aria-busy", String(busy));
  }
}
