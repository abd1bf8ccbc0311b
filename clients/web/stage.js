// The portrait with nothing around it, for OBS browser sources and overlays. It watches the session somebody talks in
// (the newest one), or what the address asks for: ?session=ID, or ?avatar=&size=&fps=&background=&mood=&liveliness= for one of its own.

import { AlphaCanvas } from "./alpha.js";
import { json } from "./api.js";
import { Connection } from "./connection.js";

const CHOICES = ["session", "avatar", "size", "fps", "background", "mood", "liveliness"];
const film = document.getElementById("film");
const face = document.getElementById("face");
const asked = new URLSearchParams(location.search);
const choice = Object.fromEntries(CHOICES.filter((name) => asked.has(name)).map((name) => [name, asked.get(name)]));
if (!Object.keys(choice).length) choice.session = "newest";

new AlphaCanvas(film, face);
const connection = new Connection("/whep");

connection.addEventListener("stream", ({ detail }) => {
  if (film.srcObject !== detail) film.srcObject = detail;
  film.play().catch(() => {
    film.muted = true;                     // a browser that was not clicked in plays no sound; OBS does
    return film.play().catch(() => {});
  });
});
connection.addEventListener("state", () => {
  if (connection.state !== "ready") face.dataset.playing = "false";
});
film.addEventListener("playing", () => { face.dataset.playing = "true"; });
film.addEventListener("loadeddata", () => { face.dataset.playing = "true"; });
addEventListener("click", () => { film.muted = false; });
addEventListener("pagehide", () => connection.close());

const options = await json("/options").catch(() => ({ iceServers: [] }));
await connection.open({ ...choice, alpha: "1" }, options.iceServers);
