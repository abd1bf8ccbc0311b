// A video that carries its opacity as grey below the picture, drawn with WebGL so that the page shows through.

const VERTEX = `
attribute vec2 corner;
varying vec2 at;
void main() {
  at = vec2(corner.x * 0.5 + 0.5, 0.5 - corner.y * 0.5);
  gl_Position = vec4(corner, 0.0, 1.0);
}`;

// Half a texel inside each half, so that neither bleeds into the other. Compression leaves a little noise where the
// opacity should be none or full: it is cut off.
const FRAGMENT = `
precision mediump float;
uniform sampler2D film;
uniform float texel;
varying vec2 at;
void main() {
  float y = at.y * 0.5;
  vec3 colour = texture2D(film, vec2(at.x, min(y, 0.5 - texel))).rgb;
  float grey = texture2D(film, vec2(at.x, max(0.5 + y, 0.5 + texel))).g;
  float opacity = clamp((grey - 0.02) / 0.96, 0.0, 1.0);
  gl_FragColor = vec4(colour * opacity, opacity);
}`;

/** Draws `video`, twice as high as its picture, on `canvas`, each new frame as it comes. */
export class AlphaCanvas {
  #gl = null;
  #texel = null;

  /** Throws an Error with one readable line where there is no WebGL. */
  constructor(video, canvas) {
    this.video = video;
    this.canvas = canvas;
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => this.#prepare());
    this.#prepare();
    this.#wait();
  }

  #prepare() {
    const gl = this.#gl = this.canvas.getContext("webgl", { alpha: true, premultipliedAlpha: true, antialias: false });
    if (!gl) throw new Error("This browser has no WebGL, which a transparent picture needs. Switch hardware acceleration on.");
    const program = gl.createProgram();
    for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    gl.useProgram(program);
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([-1, -1, 1, -1, -1, 1, 1, 1]), gl.STATIC_DRAW);
    const corner = gl.getAttribLocation(program, "corner");
    gl.enableVertexAttribArray(corner);
    gl.vertexAttribPointer(corner, 2, gl.FLOAT, false, 0, 0);
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    for (const [name, value] of [[gl.TEXTURE_MIN_FILTER, gl.LINEAR], [gl.TEXTURE_MAG_FILTER, gl.LINEAR],
      [gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE], [gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE]]) gl.texParameteri(gl.TEXTURE_2D, name, value);
    this.#texel = gl.getUniformLocation(program, "texel");
  }

  #wait() {
    const next = () => { this.#draw(); this.#wait(); };
    if (this.video.requestVideoFrameCallback) this.video.requestVideoFrameCallback(next);
    else requestAnimationFrame(next);
  }

  #draw() {
    const { videoWidth: width, videoHeight: height } = this.video;
    const gl = this.#gl;
    if (!width || gl.isContextLost()) return;
    if (this.canvas.width !== width || this.canvas.height !== height / 2) {
      this.canvas.width = width;
      this.canvas.height = height / 2;
      gl.viewport(0, 0, width, height / 2);
    }
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB, gl.RGB, gl.UNSIGNED_BYTE, this.video);
    gl.uniform1f(this.#texel, 0.5 / height);
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
  }
}
